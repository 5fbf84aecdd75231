"""What the reducer of a channel was given, out of the log: what its view is derived from."""

from __future__ import annotations

from collections.abc import Iterator

from node.store.log import EventLog
from protocols.app_channel import input_of
from protocols.app_data import parse_log_message
from protocols.app_events import AppMessageApplied
from protocols.app_reducers import app_of
from protocols.node_state import NodeState
from protocols.types import ChannelId


def reducer_inputs(event_log: EventLog, state: NodeState, channel_id: ChannelId) -> Iterator[bytes]:
    """Every message that was taken in, from the first on, as the reducer was given it."""
    channel = state.channels[channel_id]
    app, first = app_of(channel), channel.fixed.participants[0]
    for event in applied_messages(event_log, channel_id):
        sender = 0 if event.sender == first else 1
        said = event.message if app.is_judged else parse_log_message(event.message).payload
        yield input_of(app, channel_id, sender, event.stamp_ms, said)


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
