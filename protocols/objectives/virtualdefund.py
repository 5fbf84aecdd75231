"""VirtualDefund: a final state signed by all, then the ledgers give their guarantees back.

    final state by the payer -> the payee -> the hubs, right to left -> guarantees removed

The two ends agree as in a direct channel (`closing`). A hub signs last, no second final state, and
any split of the deposit: what it gets on its left is what it gives on its right, while both its
guarantees stand. With the state
signed by all in hand the leader of each ledger proposes the removal (M16 a).

```mermaid
flowchart LR
  V[largest voucher] --> P[final state from payer] --> S[supported final state]
  S --> G[guarantee removal] --> E[done]
```
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import (
    FINALISED,
    FIRST_FINAL_TURN,
    POSTFUND_TURN,
    ChainStatus,
    Channel,
    is_finalised,
    is_supported,
    is_withdrawn,
    observed_chain_status,
    status,
    supported_final,
)
from protocols.commands import CloseChannel, command_hash
from protocols.draft import Draft
from protocols.errors import StateRefused
from protocols.objectives import closing
from protocols.objectives.base import (
    Objective,
    ObjectiveType,
    WaitingFor,
    objective_id,
)
from protocols.objectives.giving_up import fund_id, give_up, is_given_up, may_give_up
from protocols.objectives.removals import propose_removal
from protocols.objectives.states import sign
from protocols.objectives.virtual_retelling import answer, take_own
from protocols.objectives.virtual_states import (
    is_complete,
    may_sign_final,
    pass_on_final,
    take_in,
)
from protocols.payment_errors import ChannelNotOpen
from protocols.state import State
from protocols.types import Address, ObjectiveId
from protocols.virtual_errors import OnlyEndsClose
from protocols.virtual_paths import (
    costs_nothing,
    has_two_stakes,
    removal_by_final,
    removal_by_outcome,
    stands,
    virtual_of,
)

GIVEN_UP = "GIVEN_UP"
"""The error code of a channel that its payer's owner closed before it was open."""


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if is_finalised(channel):
        return _by_outcome(draft, objective, channel)
    if observed_chain_status(channel) in FINALISED:
        return WaitingFor.FINALIZATION
    if supported_final(channel) is None:
        waiting_for = _agree(draft, channel, objective.objective_id)
        if waiting_for is not None:
            return waiting_for
        channel = draft.state.channels[objective.channel_id]
    final = supported_final(channel)
    assert final is not None
    if observed_chain_status(channel) != ChainStatus.OPEN:
        return WaitingFor.CONCLUSION
    virtual, standing = virtual_of(channel), False
    places = ((virtual.left_ledger, channel.my_index - 1), (virtual.right_ledger, channel.my_index))
    for ledger_id, place in places:
        if stands(draft.state, ledger_id, channel.channel_id):
            standing = True
            change = removal_by_final(channel, place, final)
            propose_removal(draft, objective, channel, ledger_id, change)
    if standing:
        return WaitingFor.GUARANTEE_REMOVAL
    draft.emit(events.ObjectiveCompleted(objective.objective_id, True, final.state_hash))
    return WaitingFor.NOTHING


def _by_outcome(draft: Draft, objective: Objective, channel: Channel) -> WaitingFor:
    """The chain decided: its guarantees go back by what was confirmed there (M16)."""
    virtual, standing = virtual_of(channel), False
    places = ((virtual.left_ledger, channel.my_index - 1), (virtual.right_ledger, channel.my_index))
    for ledger_id, place in places:
        if not stands(draft.state, ledger_id, channel.channel_id):
            continue
        ledger = draft.state.channels[ledger_id]
        if is_finalised(ledger):
            # The chain gives it back: that is the ledger's own withdrawal.
            standing |= not is_withdrawn(ledger)
            continue
        standing = True
        change = removal_by_outcome(channel, place)
        if change is not None:
            propose_removal(draft, objective, channel, ledger_id, change)
    if standing:
        return WaitingFor.GUARANTEE_REMOVAL
    draft.emit(events.ObjectiveCompleted(objective.objective_id, True))
    return WaitingFor.NOTHING


def start_if_final(draft: Draft, channel: Channel) -> None:
    """Settle a channel that ended on chain in the ledgers that carry it."""
    if channel.virtual is None or channel.virtual.settled or not is_finalised(channel):
        return
    if channel.turns:
        closing.start(draft, channel, draft.context.me)


def _agree(draft: Draft, channel: Channel, identity: ObjectiveId) -> WaitingFor | None:
    """Our signature, when it is our turn to give it; None once all signed."""
    if channel.is_end:
        waiting_for = closing.agree(draft, channel, identity)
    else:
        waiting_for = WaitingFor.SUPPORTED_FINAL_STATE
        mine = channel.my_index
        finals = (turn for turn in channel.turns if turn.is_final and not turn.signatures[mine])
        turn = next(finals, None)
        # A hub that lost a tail may have signed another final state: it signs none (M27).
        may_sign = turn is not None and may_sign_final(channel, turn) and not channel.close_only
        if turn is not None and may_sign and _costs_nothing(draft, channel, channel.state(turn)):
            sign(draft, channel.channel_id, channel.state(turn))
    after = draft.state.channels[channel.channel_id]
    for turn in after.turns:
        if turn.is_final:
            pass_on_final(draft, channel, after, turn.turn_num)
    return None if supported_final(after) is not None else waiting_for


def close_channel(draft: Draft, command: CloseChannel, channel: Channel) -> ObjectiveId:
    """The owner's command; a second close answers with the first's objective.

    A payer whose channel is not open yet gives it up, and the opening is the objective then. Raises
    OnlyEndsClose for an intermediary, ChannelNotOpen for the others.
    """
    identity = objective_id(ObjectiveType.VIRTUAL_DEFUND, channel.channel_id)
    if draft.state.objectives.get(identity) is not None:
        return identity
    if not channel.is_end:
        raise OnlyEndsClose(channel.channel_id)
    if is_supported(channel, POSTFUND_TURN):
        request_hash = command_hash(command)
        return closing.start(draft, channel, draft.context.me, command.request_id, request_hash)
    opening = fund_id(channel)
    if channel.my_index != 0:
        raise ChannelNotOpen(channel.channel_id, status(channel))
    if is_given_up(draft, channel):
        return opening
    if not may_give_up(draft, channel):
        raise ChannelNotOpen(channel.channel_id, status(channel))
    give_up(draft, channel, GIVEN_UP, "hop 0: given up by the payer")
    return opening


def receive_final(
    draft: Draft, channel: Channel, sender: Address, state: State, body: messages.VirtualState
) -> None:
    """Signatures of a final state, from the other end or a neighbour. Raises StateRefused."""
    # Also when our own part of it is unwound already: others leave by this state (M16 a).
    if not is_complete(channel):
        raise StateRefused(state.turn_num, "the channel is not funded")
    if len(body.signatures) != len(channel.fixed.participants):
        raise StateRefused(state.turn_num, "one signature a participant is expected")
    if channel.is_end:
        _receive_at_end(draft, channel, sender, state, body)
    else:
        _require_hub_may_sign(draft, channel, state, body.signatures)
        closing.start(draft, channel, sender)
    known = draft.state.channels[channel.channel_id].turn(state.turn_num)
    if channel.is_end and known is None:
        return  # Refused, or to be asked for again: there is nothing to add to.
    before = draft.state.channels[channel.channel_id]
    take_in(draft, channel.channel_id, state, body.encoded_state, body.signatures, sender)
    after = draft.state.channels[channel.channel_id]
    turn = after.turn(state.turn_num)
    if not channel.is_end and turn is not None:
        take_own(draft, after, turn, body.signatures[channel.my_index])
    after = draft.state.channels[channel.channel_id]
    pass_on_final(draft, before, after, state.turn_num)
    if not channel.is_end or sender != channel.counterparty:
        answer(draft, before, state.turn_num, body.signatures, sender)


def _receive_at_end(
    draft: Draft, channel: Channel, sender: Address, state: State, body: messages.VirtualState
) -> None:
    """What the other end signed is heard as in a direct channel, whoever brings it."""
    theirs = channel.payee_index - channel.my_index
    known = channel.turn(state.turn_num)
    is_new = known is None or not known.signatures[theirs]
    if body.signatures[theirs] and (is_new or sender == channel.counterparty):
        closing.receive_final(
            draft,
            channel,
            state,
            messages.SignedState(
                channel.channel_id,
                body.encoded_state,
                body.signatures[theirs],
                body.signatures[channel.my_index],
            ),
        )


def _costs_nothing(draft: Draft, channel: Channel, final: State) -> bool:
    """Where the payer put all of it in, a split never takes from a hub: its left part is nothing
    (ADR 0040). Where both ends did, both of its guarantees have to stand (ADR 0095)."""
    to_last = final.outcome[0].allocations[1].amount
    return not has_two_stakes(channel) or costs_nothing(draft.state, channel, to_last)


def _require_hub_may_sign(
    draft: Draft, channel: Channel, state: State, signatures: tuple[bytes, ...]
) -> None:
    amounts = [a.amount for exit_ in state.outcome for a in exit_.allocations]
    if state.app_data or len(amounts) != 2:
        raise StateRefused(state.turn_num, "the outcome is not a split of the deposit")
    if amounts[1] > sum(amounts) or state.outcome != closing.final_outcome(channel, amounts[1]):
        raise StateRefused(state.turn_num, "the outcome is not a split of the deposit")
    if state.turn_num < FIRST_FINAL_TURN:
        raise StateRefused(state.turn_num, "the turn is not a final one")
    others = [turn for turn in channel.turns if turn.is_final and turn.turn_num != state.turn_num]
    if others:
        raise StateRefused(state.turn_num, "a hub takes part in one final state")
    if not signatures[0] or not all(signatures[channel.my_index + 1 :]):
        raise StateRefused(state.turn_num, "payer, payee and the hubs to our right sign first")
    if not _costs_nothing(draft, channel, state):
        raise StateRefused(state.turn_num, "our guarantees do not give us back what it takes")
