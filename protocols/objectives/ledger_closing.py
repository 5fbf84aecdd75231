"""Agreeing on how a ledger ends: the final state, by the leader first, then by the follower.

    no guarantee and no proposal left -> final state by the leader -> by the follower

The final state pays out the newest agreed balances at the turn above all that anyone signed, and
who signed it signs no running state any more (M8). Whoever has to wait asks first, so that both
stop taking changes; guarantees are still given back. A leader who lost the end of its log hears
the follower's newest agreed state before it signs, and signs above all that it may have
forgotten (M27).
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import Channel, signed_final, supported_final
from protocols.draft import Draft
from protocols.errors import StateRefused
from protocols.ledger import RESTORED_TURN_JUMP, LedgerVars, ledger_state
from protocols.ledger_errors import LedgerInUse, LedgerNotRunning
from protocols.ledger_reducers import ledger_of
from protocols.objectives.base import WaitingFor
from protocols.objectives.closing import (
    receive_consent,
    say_again,
    send_final,
    shown_by,
    start,
)
from protocols.objectives.states import sign, take_in
from protocols.state import State
from protocols.types import ObjectiveId, TurnNum, amount_to_bytes


def require_closable(channel: Channel) -> None:
    """Raise LedgerInUse while the ledger carries channels, LedgerNotRunning before it opened."""
    if channel.ledger is None:
        raise LedgerNotRunning(channel.channel_id, "it is not funded")
    count = len(channel.ledger.current.guarantees)
    if count:
        raise LedgerInUse(channel.channel_id, count, len(channel.ledger.queue))


def agree(draft: Draft, channel: Channel, identity: ObjectiveId) -> WaitingFor | None:
    """Bring about a final state signed by both; None once there is one."""
    if supported_final(channel) is not None:
        return None
    if channel.my_index != 0:
        theirs = signed_final(channel, 0)
        if theirs is None:
            _request(draft, channel, identity)
            return WaitingFor.FINAL_STATE_FROM_LEADER
        sign(draft, channel.channel_id, channel.state(theirs))
        channel = draft.state.channels[channel.channel_id]
        send_final(draft, channel, theirs.turn_num, identity)
        return None
    if signed_final(channel, 0) is not None:
        return WaitingFor.SUPPORTED_FINAL_STATE
    if channel.close_only and shown_by(channel, channel.counterparty) is None:
        _request(draft, channel, identity)
        return WaitingFor.LATEST_LEDGER_STATE
    if not _is_empty(channel):
        _request(draft, channel, identity)
        return WaitingFor.EMPTY_LEDGER
    final = _final(channel, _final_turn(channel))
    sign(draft, channel.channel_id, final)
    send_final(draft, draft.state.channels[channel.channel_id], final.turn_num, identity)
    return WaitingFor.SUPPORTED_FINAL_STATE


def _is_empty(channel: Channel) -> bool:
    """Whether all money is free. What a leader forgot cannot be answered any more (M27)."""
    ledger = ledger_of(channel)
    return not ledger.current.guarantees and (channel.close_only or not ledger.queue)


def _final_turn(channel: Channel) -> TurnNum:
    ledger = ledger_of(channel)
    highest = ledger.proposed_turn
    if ledger.resumption is not None:
        # Our move of 0 may be on its way to be countersigned.
        highest = max(highest, ledger.resumption.jump_turn)
    if not channel.close_only:
        return highest + 1
    # The minimum rises with every cut, so that two of them do not lead to one turn.
    return highest + RESTORED_TURN_JUMP + channel.final_turn_min


def _final(channel: Channel, turn_num: TurnNum) -> State:
    ledger = ledger_of(channel)
    free = LedgerVars(ledger.current.leader, ledger.current.follower)
    return ledger_state(channel.fixed, ledger.asset, free, turn_num, is_final=True)


def _request(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    """Say once that we close."""
    if shown_by(channel, channel.me) is None:
        nothing = amount_to_bytes(0)
        draft.emit(events.FinalStateRequested(channel.channel_id, channel.me, nothing, b""))
        body = messages.FinalStateRequest(channel.channel_id, nothing, b"")
        draft.send(channel.counterparty, body, identity)


def receive_request(draft: Draft, channel: Channel, body: messages.FinalStateRequest) -> None:
    """The other party wants to close; it may have to hear first what was agreed last (M27)."""
    has_crossed = _may_have_crossed(channel)
    if not has_crossed:
        require_closable(channel)
    if body.signature or any(body.total):
        raise StateRefused(ledger_of(channel).turn_num, "a ledger has no vouchers")
    if has_crossed:
        return  # The leader itself goes on, once what we signed is given back.
    who = channel.counterparty
    is_new = shown_by(channel, who) is None
    draft.emit(events.FinalStateRequested(channel.channel_id, who, body.total, body.signature))
    identity = start(draft, channel, who)
    if not is_new and (channel.my_index != 0 or signed_final(channel, 0) is not None):
        # Asked although we signed or asked: it was lost on the way to the other side's disk.
        say_again(draft, channel, identity)


def _may_have_crossed(channel: Channel) -> bool:
    """A leader that proposed a guarantee and then asked did not know yet that we signed it.

    Its wish is no fault then. Said for ever, it is one that tells nothing new.
    """
    is_follower = channel.my_index != 0
    return is_follower and channel.ledger is not None and bool(channel.ledger.current.guarantees)


def receive_final(draft: Draft, channel: Channel, state: State, body: messages.SignedState) -> None:
    """The leader's final state, or the follower's consent. Raises StateRefused for another one."""
    require_closable(channel)
    if state != _final(channel, state.turn_num):
        raise StateRefused(state.turn_num, "it does not pay out what was agreed last")
    if channel.my_index == 0:
        receive_consent(draft, channel, state, body)
        return
    if channel.turn(state.turn_num) is None:
        is_next = state.turn_num > ledger_of(channel).proposed_turn
        if not is_next or signed_final(channel, 0) is not None:
            raise StateRefused(state.turn_num, "not the turn above all that was signed")
    identity = start(draft, channel, channel.counterparty)
    channel = draft.state.channels[channel.channel_id]
    is_new = take_in(draft, channel, state, body.encoded_state, body.signature)
    if not is_new and channel.signed_by_me(state.turn_num):
        send_final(draft, channel, state.turn_num, identity)
