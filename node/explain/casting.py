"""Who takes part: what the first records of a channel say about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from node.explain.story import Cast, Fact, Kind
from protocols import events
from protocols.abi import decode_state
from protocols.app_definitions import rule_of
from protocols.entities import Node
from protocols.types import ChannelId, parse_address
from protocols.virtual_events import VirtualChannelRecorded

OPENING_COUNT_MAX = 64
"""Records of a channel within which all of this stands: an opening has about ten before it waits
for anybody."""


def cast_of(node: Node, channel_id: ChannelId, opening: Iterable[Fact]) -> Cast:
    """The cast of a channel from its first records; of unknown kind if they do not tell."""
    created: events.ChannelCreated | None = None
    stored: events.StateStored | None = None
    carried: VirtualChannelRecorded | None = None
    for fact in opening:
        event = fact.event
        if getattr(event, "channel_id", None) != channel_id:
            continue  # an update of a ledger that guarantees the channel
        if isinstance(event, events.ChannelCreated):
            created = created or event
        elif isinstance(event, events.StateStored):
            stored = stored or event
        elif isinstance(event, VirtualChannelRecorded):
            carried = carried or event
    if created is None or stored is None:
        return Cast(node.address, channel_id)
    kind: Kind = "direct"
    if created.app_definition == node.consensus_app:
        kind = "ledger"
    elif rule_of(node, created.app_definition) is not None:
        kind = "app"
    elif carried is not None:
        kind = "virtual"
    (exit_,) = decode_state(stored.encoded_state).outcome
    return Cast(
        node.address,
        channel_id,
        kind,
        created.participants,
        exit_.asset,
        tuple(allocation.amount for allocation in exit_.allocations),
        b"" if carried is None else carried.left_ledger,
        b"" if carried is None else carried.right_ledger,
    )


def cast_of_story(story: Mapping[str, Any]) -> Cast:
    """The cast of a channel's story, as `channel_explain` answers it."""
    channel_id = story["channel_id"]
    return Cast(
        parse_address(story["our_address"]),
        b"" if channel_id is None else bytes.fromhex(channel_id[2:]),
        story["kind"],
        tuple(parse_address(participant) for participant in story["participants"]),
        parse_address(story["asset"]),
        tuple(int(deposit) for deposit in story["deposits"]),
    )
