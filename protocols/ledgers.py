"""Ledger updates: the leader proposes, the follower judges, countersigns or refuses by name.

    leader    propose ------------------------------> receive_proposal    follower
              receive_countersignature <------------- answer_all, once a batch
              receive_refusal, then the inverse ----> receive_proposal
              receive_payment_request <-------------- pay

A proposal is the next state of the ledger, signed. One countersignature agrees to everything
before it. A refused turn is never signed by the follower; what it did is undone by its inverse
behind the queue, which nobody judges (M8). What a guarantee means to the channel it funds is for
`objectives.guarantees`.
"""

from __future__ import annotations

from protocols import messages
from protocols.channel import (
    ChainStatus,
    Channel,
    known_signer,
    observed_chain_status,
)
from protocols.draft import Draft
from protocols.errors import EquivocationRefused, ProtocolError, UnexpectedMessage, UnknownChannel
from protocols.inputs import PayLedger
from protocols.ledger import (
    ADD,
    MOVE,
    NO_TARGET,
    QUEUE_COUNT_MAX,
    REMOVE,
    Change,
    Ledger,
    OpenRefusals,
    Proposed,
    after,
    deltas,
    find_proposed,
    inverse,
    parties,
    secured,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_errors import (
    CountersignatureWrong,
    InvalidLedgerChange,
    LedgerBalanceFalls,
    LedgerFundsInsufficient,
    LedgerNotRunning,
    LedgerRefused,
    LedgerTurnWrong,
    NotALedger,
    ProposalQueueExhausted,
    ProposalSignatureWrong,
    TooManyGuarantees,
    TooManyProposalsWaiting,
)
from protocols.ledger_events import (
    LedgerPaymentAsked,
    LedgerPaymentRequested,
    LedgerRefusalReceived,
    LedgerUpdateConfirmed,
    LedgerUpdateProposed,
    LedgerUpdateReceived,
    LedgerUpdateRefused,
    LedgerUpdateSigned,
)
from protocols.ledger_reducers import ledger_of
from protocols.objectives import guarantees
from protocols.types import (
    Address,
    ChannelId,
    TurnNum,
    amount_from_bytes,
    amount_to_bytes,
)

MESSAGES = (
    messages.LedgerProposal,
    messages.LedgerCountersignature,
    messages.LedgerRefusal,
    messages.LedgerPaymentRequest,
)
"""Facts of their own: what a ledger's two parties say about its updates."""

Message = (
    messages.LedgerProposal
    | messages.LedgerCountersignature
    | messages.LedgerRefusal
    | messages.LedgerPaymentRequest
)


def receive(draft: Draft, channel: Channel, body: Message) -> list[ChannelId]:
    """Take in what the other party says; the channels that an agreement concerns.

    What it said before changes nothing. Raises a ProtocolError for what no honest party says.
    """
    if not is_ledger(draft, channel):
        raise NotALedger(channel.channel_id)
    match body:
        case messages.LedgerProposal():
            receive_proposal(draft, channel, body)
        case messages.LedgerCountersignature():
            return receive_countersignature(draft, channel, body)
        case messages.LedgerRefusal():
            receive_refusal(draft, channel, body)
        case messages.LedgerPaymentRequest():
            receive_payment_request(draft, channel, body)
    return []


# --- which ledgers may change ---


def is_ledger(draft: Draft, channel: Channel) -> bool:
    """True for a channel that runs on the deployment's consensus app."""
    return channel.fixed.app_definition == draft.state.node.consensus_app


def why_not_running(channel: Channel, kind: str) -> str:
    """Why the ledger takes no change of that kind now; empty if it does.

    A ledger that closes or is challenged still gives guarantees back (M16), until its final state
    is signed: who signed that signs no running state any more (M8).
    """
    if channel.ledger is None:
        return "it is not funded"
    if channel.close_only:
        return "the log lost its end, it may only be closed"
    if has_final(channel):
        return "its final state is signed"
    chain = observed_chain_status(channel)
    if chain == ChainStatus.CONCLUDED:
        return "it is concluded"
    if kind != REMOVE and chain == ChainStatus.CHALLENGED:
        return "it is challenged"
    if kind != REMOVE and channel.final_requests:
        return "it is closing"
    return ""


def has_final(channel: Channel) -> bool:
    """True once a final state of the channel is known, signed by whomever."""
    return any(turn.is_final for turn in channel.turns)


def _require_running(channel: Channel, kind: str) -> Ledger:
    reason = why_not_running(channel, kind)
    ledger = channel.ledger
    if reason or ledger is None:
        raise LedgerNotRunning(channel.channel_id, reason)
    return ledger


def ledgers_with(draft: Draft, peer: Address) -> list[Channel]:
    """The ledgers with that peer that were funded and are not agreed to be over, oldest first."""
    state = draft.state
    return [state.channels[channel_id] for channel_id in state.ledgers.get(peer) or ()]


def free_balance(channel: Channel) -> int:
    """What is ours in the ledger and neither guaranteed nor promised; 0 if it is no ledger."""
    ledger = channel.ledger
    if ledger is None:
        return 0
    rest = secured(ledger, channel.fixed)
    if channel.my_index == 0:
        return rest.leader
    asked = sum(
        asked.amount for asked in ledger.asked if not _is_proposed(ledger, asked.request_id)
    )
    return rest.follower - asked


def choose(draft: Draft, peer: Address, asset: Address, amount: int, fee: int) -> Channel | None:
    """The ledger in which we guarantee `amount` towards that peer and pay `fee` beside it.

    It is open, has the asset, room for a guarantee and our balance free; one that we lead comes
    first, since nobody is to be asked for a proposal there. None if there is no such ledger.
    """
    found: Channel | None = None
    for channel in ledgers_with(draft, peer):
        ledger = channel.ledger
        if ledger is None or ledger.asset != asset or why_not_running(channel, ADD):
            continue
        if secured(ledger, channel.fixed).guarantee_count >= draft.context.guarantee_count_max:
            continue
        if free_balance(channel) < amount + fee:
            continue
        if channel.my_index == 0:
            return channel
        found = found or channel
    return found


# --- the leader ---


def propose(draft: Draft, channel: Channel, change: Change) -> TurnNum:
    """Sign the state that one more change leads to, and send it; the turn.

    Raises a LedgerRefused; nothing is signed then.
    """
    ledger = _require_running(channel, change.kind)
    if channel.my_index != 0:
        raise InvalidLedgerChange("only the leader proposes")
    if len(ledger.queue) >= QUEUE_COUNT_MAX:
        raise TooManyProposalsWaiting(len(ledger.queue))
    if change.kind != MOVE and find_proposed(ledger, change.target) is not None:
        raise InvalidLedgerChange("a change of that guarantee waits for an answer")
    _require_secured(draft, channel, ledger, change)
    return _sign_and_send(draft, channel, ledger, change)


def _require_secured(draft: Draft, channel: Channel, ledger: Ledger, change: Change) -> None:
    """What is proposed may lean on nothing that the follower could refuse yet."""
    to_leader, to_follower = deltas(change, channel.fixed)
    rest = secured(ledger, channel.fixed)
    if rest.leader + min(to_leader, 0) < 0:
        raise LedgerFundsInsufficient(-to_leader, rest.leader)
    if rest.follower + min(to_follower, 0) < 0:
        raise LedgerFundsInsufficient(-to_follower, rest.follower)
    limit = draft.context.guarantee_count_max
    if change.kind == ADD and rest.guarantee_count >= limit:
        raise TooManyGuarantees(rest.guarantee_count, limit)


def _sign_and_send(draft: Draft, channel: Channel, ledger: Ledger, change: Change) -> TurnNum:
    channel_id, turn_num = channel.channel_id, ledger.proposed_turn + 1
    vars_ = after(ledger.proposed, change, channel.fixed)
    state_hash = ledger_state_hash(channel_id, channel.fixed, ledger.asset, vars_, turn_num)
    signature = draft.context.signer(state_hash)
    parts = (
        change.kind,
        change.target,
        amount_to_bytes(change.amount),
        change.left,
        change.right,
        amount_to_bytes(change.left_amount),
        amount_to_bytes(change.fee),
    )
    request_id = change.request_id
    draft.send_covered(
        channel.counterparty,
        messages.LedgerProposal(channel_id, turn_num, *parts, signature, request_id),
        LedgerUpdateProposed(channel_id, turn_num, state_hash, signature, *parts, request_id),
    )
    return turn_num


def receive_countersignature(
    draft: Draft, channel: Channel, body: messages.LedgerCountersignature
) -> list[ChannelId]:
    """The follower agreed to that turn and all before it: the channels it concerns.

    Raises ProposalQueueExhausted or CountersignatureWrong.
    """
    ledger, turn_num = _require_ours(channel, leads=True), body.turn_num
    if turn_num <= ledger.turn_num:
        return []
    if turn_num > ledger.proposed_turn or not _may_be_signed(ledger, turn_num):
        raise ProposalQueueExhausted(turn_num)
    candidate = ledger.queue[turn_num - ledger.turn_num - 1]
    follower = known_signer(channel, 1)
    if follower is None or not follower.verify(candidate.state_hash, body.signature):
        raise CountersignatureWrong(turn_num)
    draft.emit(
        LedgerUpdateConfirmed(channel.channel_id, turn_num, candidate.state_hash, body.signature)
    )
    _propose_asked(draft, channel.channel_id)
    return _concerned(channel, ledger, turn_num)


def _may_be_signed(ledger: Ledger, turn_num: TurnNum) -> bool:
    """Whether nothing through that turn is refused and not undone."""
    refusals = OpenRefusals()
    for proposal in ledger.queue[: turn_num - ledger.turn_num]:
        if proposal.refusal:
            refusals.add(proposal.change)
        else:
            refusals.settle(proposal.change)
    return not refusals


def _may_be_refused(ledger: Ledger, turn_num: TurnNum) -> bool:
    """Whether that proposal is a change of its own: who refused one never refuses its inverse."""
    refusals = OpenRefusals()
    for proposal in ledger.queue:
        if proposal.refusal:
            refusals.add(proposal.change)
        elif refusals.settle(proposal.change) and proposal.turn_num == turn_num:
            return False
    return True


def receive_refusal(draft: Draft, channel: Channel, body: messages.LedgerRefusal) -> None:
    """The follower will never sign that turn: undo it behind the queue (M8).

    Raises ProposalQueueExhausted for a turn that may not be refused.
    """
    ledger, turn_num = _require_ours(channel, leads=True), body.turn_num
    if turn_num <= ledger.turn_num:
        return
    if turn_num > ledger.proposed_turn:
        raise ProposalQueueExhausted(turn_num)
    proposal = ledger.queue[turn_num - ledger.turn_num - 1]
    if proposal.refusal:
        return
    if not _may_be_refused(ledger, turn_num):
        raise ProposalQueueExhausted(turn_num)
    draft.emit(LedgerRefusalReceived(channel.channel_id, turn_num, body.error_code, body.reason))
    channel = draft.state.channels[channel.channel_id]
    if not channel.close_only and not has_final(channel):
        _sign_and_send(draft, channel, ledger_of(channel), inverse(proposal.change))
    if proposal.change.kind != MOVE:
        guarantees.refused(draft, channel, proposal, body.error_code, body.reason)


def receive_payment_request(
    draft: Draft, channel: Channel, body: messages.LedgerPaymentRequest
) -> None:
    """The follower wants to pay us: propose the move as soon as the ledger allows it.

    Raises a LedgerRefused for a request that no ledger could ever answer.
    """
    ledger = _require_ours(channel, leads=True)
    _require_running(channel, MOVE)
    _require_new_request(ledger, amount_from_bytes(body.amount), body.request_id)
    draft.emit(LedgerPaymentRequested(channel.channel_id, body.amount, body.request_id))
    _propose_asked(draft, channel.channel_id)


def _propose_asked(draft: Draft, channel_id: ChannelId) -> None:
    """The follower's wishes in their order; the first that must wait holds up the others."""
    while True:
        channel = draft.state.channels[channel_id]
        ledger = ledger_of(channel)
        waiting = (asked for asked in ledger.asked if not _is_proposed(ledger, asked.request_id))
        asked = next(waiting, None)
        if asked is None:
            return
        leader, follower = parties(channel.fixed)
        change = Change(
            MOVE, NO_TARGET, asked.amount, follower, leader, request_id=asked.request_id
        )
        try:
            propose(draft, channel, change)
        except LedgerRefused:
            return


def _is_proposed(ledger: Ledger, request_id: str) -> bool:
    return any(
        proposal.change.request_id == request_id and proposal.change.kind == MOVE
        for proposal in ledger.queue
    )


# --- the follower ---


def receive_proposal(draft: Draft, channel: Channel, body: messages.LedgerProposal) -> None:
    """The leader signed one more change: keep it for the end of the batch.

    Raises a LedgerRefused, or EquivocationRefused for a second, different change at one turn;
    nothing is kept then, so an honest leader never sends such.
    """
    ledger = _require_ours(channel, leads=False)
    change = _change_of(body)
    expected = ledger.proposed_turn + 1
    if body.turn_num < expected:
        index = body.turn_num - ledger.turn_num - 1
        if index >= 0 and ledger.queue[index].change != change:
            raise EquivocationRefused(channel.channel_id, body.turn_num)
        return
    if body.turn_num != expected:
        raise LedgerTurnWrong(body.turn_num, expected)
    if has_final(channel):
        raise LedgerNotRunning(channel.channel_id, "its final state is signed")
    if len(ledger.queue) >= 2 * QUEUE_COUNT_MAX:
        # Half of it for the inverses of what we refuse.
        raise TooManyProposalsWaiting(len(ledger.queue))
    vars_ = after(ledger.proposed, change, channel.fixed)
    state_hash = ledger_state_hash(
        channel.channel_id, channel.fixed, ledger.asset, vars_, body.turn_num
    )
    leader = known_signer(channel, 0)
    if leader is None or not leader.verify(state_hash, body.signature):
        raise ProposalSignatureWrong(body.turn_num)
    draft.emit(
        LedgerUpdateReceived(
            channel.channel_id,
            body.turn_num,
            state_hash,
            body.signature,
            body.kind,
            body.target,
            body.amount,
            body.left,
            body.right,
            body.left_amount,
            body.fee,
            body.request_id,
        )
    )


def _change_of(body: messages.LedgerProposal) -> Change:
    return Change(
        body.kind,
        body.target,
        amount_from_bytes(body.amount),
        body.left,
        body.right,
        amount_from_bytes(body.left_amount),
        amount_from_bytes(body.fee),
        body.request_id,
    )


def answer_all(draft: Draft) -> list[ChannelId]:
    """The end of a batch: judge what our leaders proposed; the channels that agreements concern."""
    concerned: list[ChannelId] = []
    for channel_id in sorted(draft.unanswered):
        channel = draft.state.channels[channel_id]
        if not has_final(channel) and observed_chain_status(channel) != ChainStatus.CONCLUDED:
            concerned += _answer(draft, channel)
    return concerned


def _answer(draft: Draft, channel: Channel) -> list[ChannelId]:
    """Sign the highest turn that ends a prefix in which nothing refused is left standing."""
    ledger = ledger_of(channel)
    refusals, answered = OpenRefusals(), set[str]()
    last: Proposed | None = None
    for proposal in ledger.queue:
        if proposal.refusal:
            refusals.add(proposal.change)
            continue
        if not refusals.settle(proposal.change):
            try:
                if not _judge(draft, channel, proposal, answered):
                    break
            except ProtocolError as refusal:
                _refuse(draft, channel, proposal, refusal)
                refusals.add(proposal.change)
                continue
        if not refusals:
            last = proposal
    if last is None:
        return []
    signature = draft.context.signer(last.state_hash)
    draft.send_covered(
        channel.counterparty,
        messages.LedgerCountersignature(channel.channel_id, last.turn_num, signature),
        LedgerUpdateSigned(channel.channel_id, last.turn_num, last.state_hash, signature),
    )
    return _concerned(channel, ledger, last.turn_num)


def _judge(draft: Draft, channel: Channel, proposal: Proposed, answered: set[str]) -> bool:
    """Whether we agree to one change: now (True), later (False) or never (a ProtocolError)."""
    change = proposal.change
    _require_running(channel, change.kind)
    if change.kind == MOVE:
        _require_asked(channel, change, answered)
        return True
    if change.kind == ADD:
        limit = draft.context.guarantee_count_max
        count = len(ledger_of(channel).current.guarantees)
        if count >= limit:
            raise TooManyGuarantees(count, limit)
    return guarantees.judge(draft, channel, proposal)


def _require_asked(channel: Channel, change: Change, answered: set[str]) -> None:
    """M15: our balance falls by what we asked for, each request once, and by nothing else."""
    _, follower = parties(channel.fixed)
    if change.left != follower or change.amount == 0:
        return
    asked = {asked.request_id: asked.amount for asked in ledger_of(channel).asked}
    if change.request_id in answered or asked.get(change.request_id) != change.amount:
        raise LedgerBalanceFalls(change.amount)
    answered.add(change.request_id)


def _refuse(draft: Draft, channel: Channel, proposal: Proposed, refusal: ProtocolError) -> None:
    name, reason = refusal.name(), str(refusal)[: messages.TEXT_LENGTH_MAX]
    draft.send_covered(
        channel.counterparty,
        messages.LedgerRefusal(channel.channel_id, proposal.turn_num, name, reason),
        LedgerUpdateRefused(channel.channel_id, proposal.turn_num, name, reason),
    )


# --- both ---


def pay(draft: Draft, command: PayLedger) -> None:
    """The owner moves an amount of ours to the other party: at once, or by asking the leader (M15).

    Raises UnknownChannel, NotALedger or a LedgerRefused; nothing is promised then.
    """
    channel = draft.state.channels.get(command.channel_id)
    if channel is None:
        raise UnknownChannel(command.channel_id)
    if not is_ledger(draft, channel):
        raise NotALedger(command.channel_id)
    ledger = _require_running(channel, MOVE)
    _require_new_request(ledger, command.amount, command.request_id)
    free = free_balance(channel)
    if command.amount > free:
        raise LedgerFundsInsufficient(command.amount, free)
    if channel.my_index == 0:
        leader, follower = parties(channel.fixed)
        change = Change(
            MOVE, NO_TARGET, command.amount, leader, follower, request_id=command.request_id
        )
        propose(draft, channel, change)
        return
    amount = amount_to_bytes(command.amount)
    draft.send_covered(
        channel.counterparty,
        messages.LedgerPaymentRequest(channel.channel_id, amount, command.request_id),
        LedgerPaymentAsked(channel.channel_id, amount, command.request_id),
    )


def _require_new_request(ledger: Ledger, amount: int, request_id: str) -> None:
    if amount <= 0:
        raise InvalidLedgerChange("the amount must be above 0")
    if not request_id or len(request_id) > messages.TEXT_LENGTH_MAX:
        raise InvalidLedgerChange("a request id is needed to tell one payment from another")
    if any(asked.request_id == request_id for asked in ledger.asked):
        raise InvalidLedgerChange("that request waits for an answer already")
    if len(ledger.asked) >= QUEUE_COUNT_MAX:
        raise TooManyProposalsWaiting(len(ledger.asked))


def _require_ours(channel: Channel, *, leads: bool) -> Ledger:
    """The ledger, if we have the role that the message is for."""
    if (channel.my_index == 0) != leads:
        raise UnexpectedMessage("ledger message", "it is for the other party of this ledger")
    if channel.ledger is None:
        raise LedgerNotRunning(channel.channel_id, "it is not funded")
    return channel.ledger


def _concerned(channel: Channel, ledger: Ledger, turn_num: TurnNum) -> list[ChannelId]:
    """The channels whose guarantees an agreement touches, and the ledger itself if it closes."""
    agreed = ledger.queue[: turn_num - ledger.turn_num]
    found = {p.change.target: None for p in agreed if p.change.kind != MOVE}
    if channel.final_requests:
        found[channel.channel_id] = None
    return list(found)
