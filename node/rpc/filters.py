"""Filters over records: by the event's name, and by the peer that it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi, Wanted
from node.rpc.params import parse_account
from protocols.event_codec import EVENTS
from protocols.events import Event
from protocols.node_state import NodeState
from protocols.types import Address, to_hex


def wanted_by(node: NodeApi, names: Sequence[str] | None, peer_text: str | None) -> Wanted:
    """Whether a record has one of the names, if any, and is about the peer, if any.

    Raises InvalidParams.
    """
    unknown = [name for name in names or () if name not in EVENTS]
    if unknown:
        raise InvalidParams("names", f"no event is named {unknown[0][:80]!r}")
    known = frozenset(names or ()) or EVENTS.keys()
    peer = None if peer_text is None else parse_account("peer", peer_text)

    def is_wanted(name: str, event: Callable[[], Event]) -> bool:
        return name in known and (peer is None or concerns(node.state, event(), peer))

    return is_wanted


def concerns(state: NodeState, event: Event, peer: Address) -> bool:
    """Whether the record is about the peer: what it did, or a channel it takes part in."""
    if getattr(event, "peer", None) == peer or getattr(event, "peer_id", "") == to_hex(peer):
        return True
    if peer in getattr(event, "participants", ()):
        return True
    channel_id = getattr(event, "channel_id", None)
    if channel_id is None and (objective_id := getattr(event, "objective_id", None)) is not None:
        objective = state.objectives.get(objective_id)
        channel_id = None if objective is None else objective.channel_id
    if channel_id is None and (intent_id := getattr(event, "intent_id", None)) is not None:
        transaction = state.transactions.get(intent_id)
        channel_id = None if transaction is None else transaction.channel_id
    channel = None if channel_id is None else state.channels.get(channel_id)
    return channel is not None and peer in channel.fixed.participants
