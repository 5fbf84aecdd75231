"""The follower's side of a ledger: proposals are kept as they come and judged once a batch.

Every proposal through the one we sign is right in itself, or refused and undone before it. A
refusal binds us never to sign that turn (M8).
"""

from __future__ import annotations

from protocols import ledger_resuming, messages
from protocols.channel import FINALISED, Channel, known_signer, observed_chain_status
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.errors import EquivocationRefused
from protocols.funding import sees_chain
from protocols.ledger import (
    ADD,
    MOVE,
    QUEUE_COUNT_MAX,
    RESTORED_TURN_JUMP,
    Change,
    Ledger,
    Proposed,
    after,
    parties,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_errors import (
    LedgerBalanceFalls,
    LedgerNotRunning,
    LedgerTurnWrong,
    ProposalSignatureWrong,
    TooManyGuarantees,
    TooManyProposalsWaiting,
)
from protocols.ledger_events import (
    LedgerUpdateReceived,
    LedgerUpdateRefused,
    LedgerUpdateSigned,
)
from protocols.ledger_queue import OpenRefusals, is_own_change
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import concerned, has_final, require_role, require_running, update_fact
from protocols.objectives import guarantees, resuming
from protocols.types import ChannelId, amount_from_bytes


def receive_proposal(draft: Draft, channel: Channel, body: messages.LedgerProposal) -> None:
    """The leader signed one more change: keep it for the end of the batch.

    Raises a LedgerRefused, or EquivocationRefused for a second, different change at one turn;
    nothing is kept then, so an honest leader never sends such.
    """
    ledger = require_role(channel, leads=False)
    if body.turn_num == ledger.turn_num + RESTORED_TURN_JUMP:
        ledger_resuming.receive_jump(draft, channel, body)
        return
    expected = ledger.proposed_turn + 1
    if body.turn_num < expected:
        index = body.turn_num - ledger.turn_num - 1
        if index >= 0 and ledger.queue[index].change != _change_of(body):
            raise EquivocationRefused(channel.channel_id, body.turn_num)
        return
    if body.turn_num != expected:
        raise LedgerTurnWrong(body.turn_num, expected)
    draft.emit(received_update(channel, ledger, body))
    channel = draft.state.channels[channel.channel_id]
    if ledger_of(channel).standing.awaited and may_answer(channel):
        _judge_newest(draft, channel)


def received_update(
    channel: Channel, ledger: Ledger, body: messages.LedgerProposal
) -> LedgerUpdateReceived:
    """The fact that the leader signed the change right behind the queue.

    Raises a LedgerRefused for one that is not kept.
    """
    if has_final(channel):
        raise LedgerNotRunning(channel.channel_id, "its final state is signed")
    if len(ledger.queue) >= 2 * QUEUE_COUNT_MAX:
        # Half of it for the inverses of what we refuse.
        raise TooManyProposalsWaiting(len(ledger.queue))
    vars_ = after(ledger.proposed, _change_of(body), channel.fixed)
    state_hash = ledger_state_hash(
        channel.channel_id, channel.fixed, ledger.asset, vars_, body.turn_num
    )
    leader = known_signer(channel, 0)
    if leader is None or not leader.verify(state_hash, body.signature):
        raise ProposalSignatureWrong(body.turn_num)
    return update_fact(LedgerUpdateReceived, body, state_hash)


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


def answer_all(draft: Draft) -> list[tuple[ChannelId, int]]:
    """The end of a batch: judge what our leaders proposed.

    Gives the channels that agreements concern, each with the place of the agreement among the
    crank's events.
    """
    found: list[tuple[ChannelId, int]] = []
    for channel_id in sorted(draft.unanswered):
        channel = draft.state.channels[channel_id]
        # Unseen on chain, the ledger, or a channel that it is to carry, may be over.
        if may_answer(channel) and sees_chain(draft, channel):
            draft.begin_anew()
            concerned_ids = _answer(draft, channel)
            found += [(concerned_id, len(draft.events) - 1) for concerned_id in concerned_ids]
    return found


def may_answer(channel: Channel) -> bool:
    """Whether anything may be signed or refused in the ledger: not once a final state is known, nor
    while its leader, who lost records, has to show first what it knows (M27)."""
    if has_final(channel) or observed_chain_status(channel) in FINALISED:
        return False
    return channel.close_only or ledger_of(channel).resumption is None


class _Accepted:
    """What the proposals accepted so far use up; an agreement begins the count anew."""

    __slots__ = ("guarantee_count", "request_ids")

    def __init__(self, guarantee_count: int) -> None:
        self.guarantee_count = guarantee_count
        self.request_ids: set[str] = set()


def _answer(draft: Draft, channel: Channel) -> list[ChannelId]:
    """Sign the highest turn that ends a prefix in which nothing refused is left standing.

    While our owner leaves, or the ledger cannot go on, nothing behind a refused change is signed,
    not even what undoes it: with every newer state the other party could clear our challenge, and
    it may propose for ever.
    """
    ledger, is_withheld = ledger_of(channel), resuming.is_withheld(draft.state, channel)
    refusals, accepted = OpenRefusals(), _Accepted(len(ledger.current.guarantees))
    last: Proposed | None = None
    is_blocked = False
    for proposal in ledger.queue:
        if proposal.refusal:
            refusals.add(proposal.change)
            is_blocked = is_withheld
            continue
        if not refusals.settle(proposal.change):
            try:
                if not _judge(draft, channel, proposal, accepted):
                    break
            except ProtocolError as refusal:
                _refuse(draft, channel, proposal, refusal)
                refusals.add(proposal.change)
                is_blocked = is_withheld
                continue
        if not refusals and not is_blocked:
            last = proposal
    if last is None:
        return []
    signature = draft.context.signer(last.state_hash)
    draft.send_covered(
        channel.counterparty,
        messages.LedgerCountersignature(channel.channel_id, last.turn_num, signature),
        LedgerUpdateSigned(channel.channel_id, last.turn_num, last.state_hash, signature),
    )
    return concerned(channel, ledger, last.turn_num)


def _judge_newest(draft: Draft, channel: Channel) -> None:
    """Behind a refused change nothing is signed, and what was judged once is not judged again."""
    ledger = ledger_of(channel)
    *before, newest = ledger.queue
    if not is_own_change(ledger, newest):
        return
    adds = newest.change.kind == ADD
    accepted = _Accepted(len(ledger.current.guarantees) + ledger.standing.taken.room - adds)
    _, follower = parties(channel.fixed)
    accepted.request_ids = {
        proposal.change.request_id
        for proposal in before
        if proposal.change.kind == MOVE
        and proposal.change.left == follower
        and is_own_change(ledger, proposal)
    }
    try:
        _judge(draft, channel, newest, accepted)
    except ProtocolError as refusal:
        _refuse(draft, channel, newest, refusal)


def _judge(draft: Draft, channel: Channel, proposal: Proposed, accepted: _Accepted) -> bool:
    """Whether we agree to one change: now (True), later (False) or never (a ProtocolError)."""
    change = proposal.change
    if change == resuming.move_of_nothing(channel) and resuming.may_go_on(draft.state, channel):
        return True
    require_running(draft.state, channel, change.kind)
    if change.kind == MOVE:
        _require_asked(channel, change, accepted.request_ids)
        return True
    limit = draft.context.guarantee_count_max
    if change.kind == ADD and accepted.guarantee_count >= limit:
        raise TooManyGuarantees(accepted.guarantee_count, limit)
    is_right = guarantees.judge(draft, channel, proposal)
    accepted.guarantee_count += is_right and change.kind == ADD
    return is_right


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
