"""Applications: messages counted and linked, running states by both ends, ends by what both signed.

What a reducer said is taken from the records: to run it again is `tally reducer check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from node.audit.app_facts import APP_EVENTS, AppFacts
from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.verify.claims import Said, Signed
from protocols import app_events, events
from protocols.app_channel import JUDGED, TURN_RULES
from protocols.app_data import (
    MESSAGE_SIZE_BYTES_MAX,
    decode_app_data,
    opening_data,
    parse_log_message,
)
from protocols.crypto import keccak256
from protocols.errors import ProtocolError
from protocols.state import State, state_from_encoding
from protocols.types import amount_from_bytes


class AppCheck(Check):
    """M23 and M24, as far as records tell."""

    name = "apps"
    judges = (*get_args(APP_EVENTS), events.StateSigned)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if isinstance(event, events.StateSigned):
            channel = self._facts.channels.get(event.channel_id)
            # A hub signs whatever split the ends agreed on.
            is_end = channel is not None and channel.my_index in (0, len(channel.participants) - 1)
            if channel is not None and channel.app is not None and is_end:
                yield from _ended(channel, channel.app, event)
            return
        if not isinstance(event, APP_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None:
            yield f"{entry.name} names a channel that was never created"
        elif isinstance(event, app_events.AppChannelRecorded):
            yield from self._recorded(channel, event)
        elif channel.app is None:
            yield f"{entry.name} names a channel that is no application's"
        else:
            yield from self._said(channel, channel.app, event)

    def _recorded(
        self, channel: ChannelFacts, event: app_events.AppChannelRecorded
    ) -> Iterator[str]:
        known = self._facts.app_definitions.get(channel.fixed.app_definition)
        if known is None or known != event.definition_rule:
            yield f"its contract is known as {known}, not as {event.definition_rule}"
        if event.turn_rule not in TURN_RULES:
            yield f"{event.turn_rule} is no rule of turns"
        prefund = channel.prefund()
        if prefund is None or prefund.app_data != opening_data(event.reducer_id):
            yield "the prefund does not commit to that reducer and to no messages (M23)"

    def _said(self, channel: ChannelFacts, app: AppFacts, event: events.Event) -> Iterator[Said]:
        match event:
            case app_events.AppMessageApplied():
                yield from _applied(channel, app, event)
            case app_events.AppStateSigned() | app_events.AppMoveTaken():
                yield from _signed(channel, app, event, self._facts.me)
            case (
                app_events.AppStateConfirmed()
                | app_events.AppConfirmationReceived()
                | app_events.AppSignatureShown()
            ):
                yield from _confirmed(channel, app, event, self._facts.me)
            case app_events.AppStandingTaken():
                yield from _shown(channel, app, event)
            case app_events.AppMessageRefused() if event.local_id:
                if event.local_id not in app.queued:
                    yield "it refuses a message of ours that does not wait"
            case app_events.AppMessagesOffered():
                if event.message_count > len(app.queued):
                    yield f"{event.message_count} messages are offered, {len(app.queued)} wait"


def _ends(channel: ChannelFacts) -> tuple[bytes, bytes]:
    return channel.participants[0], channel.participants[-1]


def _applied(
    channel: ChannelFacts, app: AppFacts, event: app_events.AppMessageApplied
) -> Iterator[str]:
    if event.count != app.count + 1:
        yield f"it is message {event.count}, the channel has {app.count}"
    if event.sender not in _ends(channel):
        yield f"0x{event.sender.hex()} is no end of the channel"
        return
    place = _ends(channel).index(event.sender)
    if app.turn_rule == "alternate" and place != app.count % 2:
        yield "it is the other end's turn (M24)"
    if len(event.message) > MESSAGE_SIZE_BYTES_MAX:
        yield f"a message of {len(event.message)} bytes cannot be enforced"
    if event.stamp_ms < app.stamp_ms:
        yield f"its timestamp {event.stamp_ms} is below the last one, {app.stamp_ms}"
    if app.halted:
        yield f"the channel was halted: {app.halted}"
    if app.definition_rule == JUDGED:
        return
    try:
        said = parse_log_message(event.message)
    except ProtocolError as error:
        yield f"no message of a message log: {error}"
        return
    if (said.sender, said.timestamp_ms) != (place, event.stamp_ms):
        yield "the message names another sender or another time"


def _signed(
    channel: ChannelFacts,
    app: AppFacts,
    event: app_events.AppStateSigned | app_events.AppMoveTaken,
    me: bytes,
) -> Iterator[Said]:
    is_ours = isinstance(event, app_events.AppStateSigned)
    signer = me if is_ours else next(end for end in _ends(channel) if end != me)
    if not is_ours and app.definition_rule != JUDGED:
        yield "no contract judges the moves of this application (M25)"
    amounts, prefund = tuple(map(amount_from_bytes, event.amounts)), channel.prefund()
    if event.turn_num != app.count + 1 or app.count == app.signed_count:
        yield f"turn {event.turn_num} is signed after {app.count} messages"
    if app.is_waiting:
        yield "the state before it lacks the other end's signature"
    if app.halted:
        yield f"the channel was halted: {app.halted}"
    if is_ours and channel.signed_final():
        yield "we signed the end before (M8)"
    if is_ours and channel.is_close_only:
        yield "the channel may only be closed (M27)"
    if prefund is None or len(amounts) != 2 or sum(amounts) != channel.deposit():
        yield f"it pays out {sum(amounts)} of {channel.deposit()} (M23)"
    elif app.state_hash(channel.fixed, prefund, amounts) != event.state_hash:
        yield "the state hash is not that of the messages and payouts recorded"
    yield Signed(f"turn {event.turn_num}", event.state_hash, event.signature, signer)


def _confirmed(
    channel: ChannelFacts,
    app: AppFacts,
    event: app_events.AppStateConfirmed
    | app_events.AppConfirmationReceived
    | app_events.AppSignatureShown,
    me: bytes,
) -> Iterator[Said]:
    is_known = isinstance(event, app_events.AppSignatureShown) or app.is_waiting
    if (app.definition_rule != JUDGED and not is_known) or event.turn_num != app.signed_count + 1:
        yield f"no state of ours of turn {event.turn_num} waits"
        return
    other = next(end for end in _ends(channel) if end != me)
    yield Signed(f"turn {event.turn_num}", app.signed_hash, event.signature, other)


def running_faults(channel: ChannelFacts, state: State) -> Iterator[str]:
    """Why a state above the postfund is none that the application's contract takes (M23)."""
    prefund = channel.prefund()
    try:
        data = decode_app_data(state.app_data)
        opened = None if prefund is None else decode_app_data(prefund.app_data)
    except ProtocolError as error:
        yield f"no state of this application: {error}"
        return
    if opened is None or data.reducer_id != opened.reducer_id:
        yield "it is of another reducer (M23)"
    if data.count != state.turn_num - 1 or state.is_final:
        yield f"turn {state.turn_num} holds {data.count} messages (M23)"
    amounts = [share.amount for exit_ in state.outcome for share in exit_.allocations]
    if len(amounts) != 2 or sum(amounts) != channel.deposit():
        yield f"it pays out {sum(amounts)} of {channel.deposit()} (M23)"


def _shown(
    channel: ChannelFacts, app: AppFacts, event: app_events.AppStandingTaken
) -> Iterator[Said]:
    try:
        state = state_from_encoding(channel.fixed, event.encoded_state)
        data = decode_app_data(state.app_data)
    except ProtocolError as error:
        yield f"no state of this application: {error}"
        return
    amounts = [share.amount for exit_ in state.outcome for share in exit_.allocations]
    if data.reducer_id != app.reducer_id or state.turn_num != data.count + 1 or state.is_final:
        yield "it is no running state of this application (M23)"
    if data.count <= app.supported_count:
        yield "it is not newer than what both signed"
    if len(amounts) != 2 or sum(amounts) != channel.deposit():
        yield f"it pays out {sum(amounts)} of {channel.deposit()} (M23)"
    state_hash = keccak256(event.encoded_state)
    for end, signature in zip(_ends(channel), event.signatures, strict=False):
        yield Signed(f"turn {state.turn_num}", state_hash, signature, end)


def _ended(channel: ChannelFacts, app: AppFacts, event: events.StateSigned) -> Iterator[str]:
    """A final state pays what both signed last, above every running state."""
    state = channel.states.get(event.state_hash)
    if state is None or not state.is_final:
        return
    amounts = tuple(share.amount for exit_ in state.outcome for share in exit_.allocations)
    expected = app.supported_amounts or channel.deposits()
    if amounts != expected:
        yield f"it pays {list(amounts)}, both signed {list(expected)} last"
    if state.turn_num <= max(app.count, app.signed_count) + 1:
        yield f"its turn {state.turn_num} is not above the running states"
