"""VirtualFund: a payer and a payee agree on a channel that ledgers carry, hub by hub.

    prefund signed by all -> left guarantee -> right guarantee -> postfund, from right to left

Nobody signs a guarantee before the prefund is complete, a right one before its left one is agreed,
or the postfund before both (M14). The payer signs the postfund last: until then the channel opens
for nobody and can be unwound (`unwinding`). Who is told what and when: `virtual_states`; how it is
proposed: `virtual_proposals`; why nobody can lose: ADR 0040.

```mermaid
flowchart LR
  A[approval] --> P[complete prefund] --> L[left guarantee] --> R[right guarantee]
  R --> Q[complete postfund] --> E[done]
```
"""

from __future__ import annotations

from protocols import events, ledgers, messages
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    Channel,
    is_finalised,
    is_supported,
    supported_final,
)
from protocols.draft import Draft
from protocols.errors import StateRefused
from protocols.ledger_errors import LedgerChainUnseen, LedgerRefused, TooManyProposalsWaiting
from protocols.objectives import unwinding
from protocols.objectives.base import Objective, ObjectiveStatus, WaitingFor
from protocols.objectives.giving_up import give_up, tell_hubs_postfund, with_hop
from protocols.objectives.guarantees import require_addition
from protocols.objectives.states import sign
from protocols.objectives.virtual_proposals import open_channel as open_channel
from protocols.objectives.virtual_proposals import receive_proposal as receive_proposal
from protocols.objectives.virtual_retelling import answer
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
from protocols.state import State
from protocols.types import Address, ChannelId
from protocols.virtual_errors import HopNotReached
from protocols.virtual_paths import addition, is_agreed, is_proposed, virtual_of

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
    if is_finalised(channel):
        # It ended on chain before it was open: VirtualDefund settles it by that.
        draft.emit(events.ObjectiveCompleted(objective.objective_id, False))
        return WaitingFor.NOTHING
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
    agreed = channel.state(channel.turns[PREFUND_TURN])
    postfund = State(channel.fixed, agreed.app_data, agreed.outcome, POSTFUND_TURN, False)
    sign(draft, channel.channel_id, postfund)
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
    except (TooManyProposalsWaiting, LedgerChainUnseen):
        return  # It may pass, and the opening has its time.
    except LedgerRefused as refusal:
        give_up(draft, channel, refusal.name(), with_hop(channel.my_index, str(refusal)))


def _give_up_if_pointless(draft: Draft, objective: Objective, channel: Channel) -> None:
    """The channel ended, or time is up, and we have not signed the postfund."""
    if channel.signed_by_me(POSTFUND_TURN):
        return
    if supported_final(channel) is not None:
        give_up(draft, channel, "CHANNEL_CLOSING", "the channel was closed before it was open")
    shorter_ms = OPENING_EXPIRY_MS - channel.my_index * HOP_MARGIN_MS
    if draft.context.now_ms < objective.created_ms + shorter_ms:
        return  # Whomever we await.
    hop = _awaited_hop(draft, channel)
    limit_ms = shorter_ms if hop > channel.my_index else 2 * OPENING_EXPIRY_MS
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


def receive_state(
    draft: Draft, channel: Channel, sender: Address, state: State, body: messages.VirtualState
) -> None:
    """Signatures of the postfund; it must be exactly the agreed one. Raises StateRefused."""
    if channel.rejected:
        return  # It crossed our own word.
    agreed = channel.state(channel.turns[PREFUND_TURN])
    is_agreed_on = (state.outcome, state.app_data) == (agreed.outcome, agreed.app_data)
    if state.turn_num != POSTFUND_TURN or not is_agreed_on:
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
