"""VirtualFund: a payer and a payee agree on a channel that ledgers carry, hub by hub.

    prefund signed by all -> left guarantee -> right guarantee -> postfund, from right to left

Nobody signs a guarantee before the prefund is complete, a right one before its left one is agreed,
or the postfund before both (M14). The payer signs the postfund last: until then the channel opens
for nobody and can be unwound (`unwinding`). Who is told what and when: `virtual_states`; why nobody
can lose: ADR 0040.

```mermaid
flowchart LR
  A[approval] --> P[complete prefund] --> L[left guarantee] --> R[right guarantee]
  R --> Q[complete postfund] --> E[done]
```
"""

from __future__ import annotations

from protocols import events, ledgers, messages
from protocols.channel import POSTFUND_TURN, PREFUND_TURN, Channel, is_supported, supported_final
from protocols.crypto import keccak256
from protocols.draft import HUB, PAYEE, Draft, Proposal
from protocols.errors import (
    ParticipantsRefused,
    StateRefused,
    UnknownChannel,
    WrongSigner,
)
from protocols.inputs import OpenVirtual, command_hash
from protocols.ledger_errors import LedgerRefused, TooManyProposalsWaiting
from protocols.nonce import channel_nonce
from protocols.objectives import unwinding
from protocols.objectives.base import (
    Objective,
    ObjectiveStatus,
    ObjectiveType,
    WaitingFor,
    objective_id,
)
from protocols.objectives.giving_up import give_up, tell_hubs_postfund, with_hop
from protocols.objectives.guarantees import require_addition
from protocols.objectives.states import sign
from protocols.objectives.virtual_refusals import ANSWERED, answer_refusal
from protocols.objectives.virtual_retelling import answer
from protocols.objectives.virtual_rules import (
    choose_right,
    require_any_left,
    require_few_opening,
    require_left,
    require_path,
    require_room,
    require_state,
)
from protocols.objectives.virtual_states import (
    answer_prefund,
    hand_on_prefund,
    is_complete,
    may_sign_postfund,
    pass_on_postfund,
    propose_on,
    signatures_of,
    take_in,
    tell_own_postfund,
)
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import (
    Address,
    ChannelId,
    ObjectiveId,
    amount_from_bytes,
    amount_to_bytes,
    require_uint,
)
from protocols.virtual_errors import HopNotReached, VirtualRefused
from protocols.virtual_events import VirtualChannelRecorded
from protocols.virtual_paths import (
    addition,
    is_agreed,
    is_proposed,
    left_of,
    links_of,
    virtual_of,
)

OPENING_EXPIRY_MS = 600_000
"""How long the payer waits for her channel to open before she gives it up: ten minutes, so that an
owner who is asked has time to answer. Who waits for a neighbour on its left waits twice as long."""

HOP_MARGIN_MS = 10_000
"""Each hub waits so much shorter for its right than its left neighbour does: whoever is next to the
hop that does not answer gives up first, and names it."""


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if objective.status == ObjectiveStatus.UNAPPROVED:
        return WaitingFor.APPROVAL
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if is_supported(channel, POSTFUND_TURN):
        return _complete(draft, objective, channel)
    _give_up_if_pointless(draft, objective, channel)
    if not draft.state.objectives[objective.objective_id].is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if virtual_of(channel).unwinding:
        return unwinding.crank(draft, objective)
    if not channel.signed_by_me(PREFUND_TURN):
        channel = _sign_prefund(draft, channel)
    if not is_complete(channel):
        return WaitingFor.COMPLETE_PREFUND
    if not channel.signed_by_me(POSTFUND_TURN):
        waiting_for = _guarantee(draft, channel)
        if waiting_for is not None:
            return waiting_for
        # M27: who lost the end of its log may have renounced the postfund.
        if may_sign_postfund(channel) and not channel.close_only:
            _sign_postfund(draft, channel)
    channel = draft.state.channels[objective.channel_id]
    if not is_supported(channel, POSTFUND_TURN):
        return WaitingFor.COMPLETE_POSTFUND
    return _complete(draft, objective, channel)


def _complete(draft: Draft, objective: Objective, channel: Channel) -> WaitingFor:
    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None
    draft.emit(events.ObjectiveCompleted(objective.objective_id, True, postfund.state_hash))
    return WaitingFor.NOTHING


def _sign_prefund(draft: Draft, before: Channel) -> Channel:
    sign(draft, before.channel_id, before.state(before.turns[PREFUND_TURN]))
    channel = draft.state.channels[before.channel_id]
    propose_on(draft, channel)
    answer_prefund(draft, before, channel)
    return channel


def _sign_postfund(draft: Draft, channel: Channel) -> None:
    outcome = channel.state(channel.turns[PREFUND_TURN]).outcome
    sign(draft, channel.channel_id, State(channel.fixed, b"", outcome, POSTFUND_TURN, False))
    tell_own_postfund(draft, draft.state.channels[channel.channel_id])


def _guarantee(draft: Draft, channel: Channel) -> WaitingFor | None:
    """Bring about our guarantees, the left one first; None once we have them."""
    virtual, channel_id = virtual_of(channel), channel.channel_id
    if channel.my_index > 0:
        if not is_agreed(draft.state, virtual.left_ledger, channel_id):
            _propose(draft, channel, virtual.left_ledger, channel.my_index - 1)
            return WaitingFor.LEFT_GUARANTEE
        if channel.my_index < channel.payee_index:
            _hand_on_once(draft, channel)
    is_payee = channel.my_index == channel.payee_index
    if not is_payee and not is_agreed(draft.state, virtual.right_ledger, channel_id):
        _propose(draft, channel, virtual.right_ledger, channel.my_index)
        return WaitingFor.RIGHT_GUARANTEE
    return None


def _hand_on_once(draft: Draft, channel: Channel) -> None:
    """The left guarantee was agreed by this very input: our right neighbour is next."""
    left, channel_id = virtual_of(channel).left_ledger, channel.channel_id
    if not is_agreed(draft.base, left, channel_id):
        hand_on_prefund(draft, channel)


def _propose(draft: Draft, channel: Channel, ledger_id: ChannelId, place: int) -> None:
    """Propose the guarantee if we lead that ledger, once; what hinders it ends the opening."""
    ledger_channel = draft.state.channels.get(ledger_id) if ledger_id else None
    if ledger_channel is None or ledger_channel.my_index != 0:
        return
    if is_proposed(draft.state, ledger_id, channel.channel_id):
        return
    try:
        require_addition(draft, channel, place)
        ledgers.propose(draft, ledger_channel, addition(channel, place))
    except TooManyProposalsWaiting:
        return
    except LedgerRefused as refusal:
        give_up(draft, channel, refusal.name(), with_hop(channel.my_index, str(refusal)))


def _give_up_if_pointless(draft: Draft, objective: Objective, channel: Channel) -> None:
    """The channel ended, or time is up, and we have not signed the postfund."""
    if channel.signed_by_me(POSTFUND_TURN):
        return
    if supported_final(channel) is not None:
        give_up(draft, channel, "CHANNEL_CLOSING", "the channel was closed before it was open")
    hop = _awaited_hop(draft, channel)
    limit_ms = 2 * OPENING_EXPIRY_MS
    if hop > channel.my_index:
        limit_ms = OPENING_EXPIRY_MS - channel.my_index * HOP_MARGIN_MS
    if draft.context.now_ms < objective.created_ms + limit_ms:
        return
    reason = f"the channel did not open within {limit_ms // 1_000} s"
    refusal = HopNotReached(hop, channel.fixed.participants[hop], reason)
    give_up(draft, channel, refusal.name(), str(refusal))


def _awaited_hop(draft: Draft, channel: Channel) -> int:
    """Who is awaited, as far as we can see: whose prefund, guarantee or postfund is missing."""
    place, payee, virtual = channel.my_index, channel.payee_index, virtual_of(channel)
    prefund = signatures_of(channel, PREFUND_TURN)
    # The payee answers the payer alone.
    last = payee + 1 if place == 0 else payee
    for hop in range(place + 1, last):
        if not prefund[hop]:
            return hop
    left, right = virtual.left_ledger, virtual.right_ledger
    if place > 0 and not is_agreed(draft.state, left, channel.channel_id):
        return place - 1
    if place < payee and not is_agreed(draft.state, right, channel.channel_id):
        return place + 1
    postfund = signatures_of(channel, POSTFUND_TURN)
    awaited = (hop for hop in range(payee, place, -1) if not postfund[hop])
    return next(awaited, max(place - 1, 0))


# --- opening ---


def open_channel(draft: Draft, command: OpenVirtual) -> ObjectiveId:
    """The owner's command: propose a one-way payment channel over that path.

    Raises a ChannelRefused, VirtualRefused or LedgerRefused; nothing is promised then.
    """
    node = draft.state.node
    for name, amount in (("amount", command.amount), *(("fee", fee) for fee in command.fees)):
        require_uint(name, amount, 256)
    require_uint("fees", command.amount + sum(command.fees), 256)
    require_uint("challenge_duration", command.challenge_duration, 48)
    participants = (draft.context.me, *command.path)
    require_path(participants, command.fees)
    nonce = channel_nonce(node.chain_id, node.adjudicator, command.nonce_entropy)
    fixed = FixedPart(participants, nonce, node.virtual_payment_app, command.challenge_duration)
    allocations = (
        Allocation(destination_of(participants[0]), command.amount),
        Allocation(destination_of(participants[-1]), 0),
    )
    outcome = (SingleAssetExit(command.asset, allocations),)
    state = State(fixed, b"", outcome, PREFUND_TURN, False)
    require_state(draft, state)
    ledger_id = choose_right(draft, state, 0, command.fees)
    require_room(draft, state, 0, command.fees, (ledger_id,))
    request_hash = command_hash(command) if command.request_id else None
    identity = _create(draft, state, draft.context.me, command.request_id, request_hash)
    _record_ledgers(draft, state.channel_id, b"", ledger_id, command.fees)
    draft.emit(events.ObjectiveApproved(identity, draft.context.me))
    return identity


def receive_proposal(
    draft: Draft, sender: Address, body: messages.VirtualProposal
) -> ChannelId | None:
    """A link tells of a channel, or more of its prefund: the channel to crank, None if refused.

    Raises EncodingError, ChannelRefused, PathRefused or UnknownChannel for what no honest node
    sends, and what would be answered once the sender had too many answers; nothing is kept then.
    """
    fixed = FixedPart(
        body.participants, body.channel_nonce, body.app_definition, body.challenge_duration
    )
    state = state_from_encoding(fixed, body.encoded_state)
    fees = tuple(amount_from_bytes(fee) for fee in body.fees)
    known = draft.state.channels.get(state.channel_id)
    if known is not None:
        return _receive_again(draft, sender, body, known, state, fees)
    require_path(fixed.participants, fees)
    if draft.context.me not in fixed.participants:
        raise ParticipantsRefused("we take no part in it")
    place = fixed.participants.index(draft.context.me)
    if place == 0 or sender not in (fixed.participants[place - 1], _payer_of_payee(fixed, place)):
        raise UnknownChannel(state.channel_id)
    try:
        _consider(draft, sender, body, state, fees)
    except ANSWERED as refusal:
        identity = objective_id(ObjectiveType.VIRTUAL_FUND, state.channel_id)
        answer_refusal(draft, sender, identity, place, refusal)
        return None
    return state.channel_id


def _payer_of_payee(fixed: FixedPart, place: int) -> Address | None:
    """The payee hears of a channel from the payer herself."""
    return fixed.participants[0] if place == len(fixed.participants) - 1 else None


def _consider(
    draft: Draft,
    sender: Address,
    body: messages.VirtualProposal,
    state: State,
    fees: tuple[int, ...],
) -> None:
    """Check every rule, record the channel, let policy decide. Raises ProtocolError."""
    fixed = state.fixed
    place, last = fixed.participants.index(draft.context.me), len(fixed.participants) - 1
    require_state(draft, state)
    require_few_opening(draft, sender, fixed.participants[0])
    require_uint("fees", state.outcome[0].allocations[0].amount + sum(fees), 256)
    if len(body.signatures) != last + 1 or not body.signatures[0]:
        raise WrongSigner(fixed.participants[0])
    left_ledger = body.ledger_id
    if sender == fixed.participants[place - 1]:
        require_left(draft, state, place, fees, left_ledger)
    else:
        require_any_left(draft, state)
        left_ledger = b""
    right_ledger = b"" if place == last else choose_right(draft, state, place, fees)
    chosen = tuple(ledger for ledger in (left_ledger, right_ledger) if ledger)
    require_room(draft, state, place, fees, chosen)
    identity = _create(draft, state, sender, "", None)
    channel_id = state.channel_id
    take_in(draft, channel_id, state, body.encoded_state, body.signatures, sender)
    _record_ledgers(draft, channel_id, left_ledger, right_ledger, fees)
    _let_policy_decide(draft, identity, state, place, fees)


def _receive_again(
    draft: Draft,
    sender: Address,
    body: messages.VirtualProposal,
    channel: Channel,
    state: State,
    fees: tuple[int, ...],
) -> ChannelId | None:
    """More signatures of a prefund that we know; to the payee also the ledger that carries it."""
    if channel.virtual is None or sender not in links_of(channel):
        raise UnknownChannel(channel.channel_id)
    if body.encoded_state != channel.turns[PREFUND_TURN].encoded_state:
        # Whatever state is taken in here is judged by nobody else: a final one would be signed.
        raise StateRefused(state.turn_num, "it is not the prefund that was proposed")
    virtual = virtual_of(channel)
    if fees != virtual.fees:
        raise StateRefused(PREFUND_TURN, "the fees are other ones than we agreed to")
    if channel.rejected:
        return None  # It crossed our own word.
    is_left = sender == left_of(channel)
    if is_left and virtual.left_ledger and body.ledger_id != virtual.left_ledger:
        raise StateRefused(PREFUND_TURN, "another ledger was to carry the channel")
    take_in(draft, channel.channel_id, state, body.encoded_state, body.signatures, sender)
    if is_left and not virtual.left_ledger:
        _meet_left(draft, channel, state, body.ledger_id)
    answer_prefund(draft, channel, draft.state.channels[channel.channel_id])
    answer(draft, channel, PREFUND_TURN, body.signatures, sender)
    return channel.channel_id


def _meet_left(draft: Draft, channel: Channel, state: State, ledger_id: bytes) -> None:
    """The payee hears which ledger carries the channel; a wrong one ends the opening."""
    virtual = virtual_of(channel)
    try:
        require_left(draft, state, channel.my_index, virtual.fees, ledger_id)
        require_room(draft, state, channel.my_index, virtual.fees, (ledger_id,))
    except (VirtualRefused, LedgerRefused) as refusal:
        give_up(draft, channel, refusal.name(), with_hop(channel.my_index, str(refusal)))
        return
    _record_ledgers(draft, channel.channel_id, ledger_id, b"", virtual.fees)


def _create(
    draft: Draft, state: State, initiator: Address, request_id: str, request_hash: bytes | None
) -> ObjectiveId:
    """Record the channel, its objective and the prefund state."""
    fixed, channel_id, kind = state.fixed, state.channel_id, ObjectiveType.VIRTUAL_FUND
    identity, encoded = objective_id(kind, channel_id), state.encode()
    draft.emit(events.ObjectiveCreated(identity, kind, channel_id, fixed.participants))
    draft.emit(events.ObjectiveParamsRecorded(identity, initiator, request_id, request_hash))
    draft.emit(
        events.ChannelCreated(
            channel_id,
            fixed.participants,
            fixed.channel_nonce,
            fixed.app_definition,
            fixed.challenge_duration,
        )
    )
    draft.emit(events.StateStored(channel_id, keccak256(encoded), encoded))
    return identity


def _record_ledgers(
    draft: Draft, channel_id: ChannelId, left: bytes, right: bytes, fees: tuple[int, ...]
) -> None:
    encoded = tuple(amount_to_bytes(fee) for fee in fees)
    draft.emit(VirtualChannelRecorded(channel_id, left, right, encoded))


def _let_policy_decide(
    draft: Draft, identity: ObjectiveId, state: State, place: int, fees: tuple[int, ...]
) -> None:
    fixed, (exit_,) = state.fixed, state.outcome
    is_hub = place < len(fixed.participants) - 1
    decision = draft.context.decide(
        Proposal(
            fixed.participants[place - 1],
            ObjectiveType.VIRTUAL_FUND,
            exit_.asset,
            0,
            0,
            fixed.challenge_duration,
            HUB if is_hub else PAYEE,
            exit_.allocations[0].amount,
            fees[place - 1] if is_hub else 0,
        )
    )
    if decision.verdict == "allow":
        draft.emit(events.ObjectiveApproved(identity))
    elif decision.verdict == "deny":
        reason = with_hop(place, decision.reason or "denied by policy")
        give_up(draft, draft.state.channels[state.channel_id], "POLICY_DENIED", reason)


def receive_state(
    draft: Draft, channel: Channel, sender: Address, state: State, body: messages.VirtualState
) -> None:
    """Signatures of the postfund; it must be exactly the agreed one. Raises StateRefused."""
    if channel.rejected:
        return  # It crossed our own word.
    agreed = channel.state(channel.turns[PREFUND_TURN]).outcome
    if state.turn_num != POSTFUND_TURN or state.outcome != agreed or state.app_data:
        raise StateRefused(state.turn_num, "it is not the agreed postfund")
    if not is_complete(channel):
        raise StateRefused(state.turn_num, "the prefund is not signed by all")
    _require_not_renounced(channel, body.signatures)
    take_in(draft, channel.channel_id, state, body.encoded_state, body.signatures, sender)
    after = draft.state.channels[channel.channel_id]
    pass_on_postfund(draft, channel, after)
    if virtual_of(after).unwinding and after is not channel:
        tell_hubs_postfund(draft, after)
    answer(draft, channel, POSTFUND_TURN, body.signatures, sender)


def _require_not_renounced(channel: Channel, signatures: tuple[bytes, ...]) -> None:
    """M16 (b): who renounced the postfund signs it no more."""
    known = signatures_of(channel, POSTFUND_TURN)
    for who in virtual_of(channel).renounced:
        place = channel.fixed.participants.index(who)
        is_given = place < len(signatures) and signatures[place]
        if is_given and not known[place]:
            raise StateRefused(POSTFUND_TURN, "who renounced the postfund signs it no more")
