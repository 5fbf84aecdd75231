"""What the reducer of a channel was given, out of the log: what its view is derived from."""

from __future__ import annotations

from collections.abc import Iterator

from node.store.log import EventLog
from protocols.app_data import parse_log_message, reducer_input
from protocols.app_events import AppMessageApplied
from protocols.app_reducers import app_of
from protocols.node_state import NodeState
from protocols.types import Address, ChannelId


def reducer_inputs(event_log: EventLog, state: NodeState, channel_id: ChannelId) -> Iterator[bytes]:
    """Every message that was taken in, from the first on, as the reducer was given it."""
    channel = state.channels[channel_id]
    first, is_judged = channel.fixed.participants[0], app_of(channel).is_judged
    return given_to(event_log, channel_id, first, is_judged)


def given_to(
    event_log: EventLog, channel_id: ChannelId, first: Address, is_judged: bool
) -> Iterator[bytes]:
    """The same where no state is at hand. `first` is the first participant; `is_judged` says
    whether the app's contract judges the moves."""
    for event in applied_messages(event_log, channel_id):
        sender = 0 if event.sender == first else 1
        said = event.message if is_judged else parse_log_message(event.message).payload
        yield reducer_input(channel_id, sender, 0 if is_judged else event.stamp_ms, said)


def applied_messages(event_log: EventLog, channel_id: ChannelId) -> Iterator[AppMessageApplied]:
    """The messages that the channel's reducer took in, in order.

    One that was taken back, for the chain showed another in its place, is left out.
    """
    found: list[AppMessageApplied] = []
    for record in event_log.read_entities((channel_id,)):
        if record.name == AppMessageApplied.NAME:
            event = record.event()
            assert isinstance(event, AppMessageApplied), "the name says so"
            del found[event.count - 1 :]
            found.append(event)
    yield from found
