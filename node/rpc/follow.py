"""Following the log: a read that waits until there is something new.

The caller says from which record on, and is told where to go on: nothing is kept about it here. So
a caller that lost its connection misses nothing and gets nothing twice, one that is slow holds up
nobody but itself, and there is nothing to subscribe to and to forget.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import trio
from msgspec import Meta

from node.rpc.bounds import (
    FOLLOW_INTERVAL_S,
    FOLLOW_WAIT_MS_MAX,
    LOG_READ_COUNT_MAX,
    LOG_READ_SIZE_BYTES_MAX,
    LOG_READ_SLICE_COUNT,
    STORY_RECORD_COUNT_MAX,
)
from node.rpc.errors import InvalidParams
from node.rpc.filters import wanted_by
from node.rpc.interface import NodeApi
from node.rpc.params import AddressText, Count, EventNames, Hash32Text, Params, parse_hash32
from node.rpc.results import LogPage, RecordView
from node.rpc.views import record_view


class LogFollowParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which records, from where on, and how long to wait for the first."""

    from_seq: Count
    """The first record to look at: `next_seq` of the answer before. It may be ahead of the log."""
    limit: Annotated[int, Meta(ge=1, le=LOG_READ_COUNT_MAX)] = 100
    """How many at most."""
    wait_ms: Annotated[int, Meta(ge=0, le=FOLLOW_WAIT_MS_MAX)] = 10_000
    """How long to wait while nothing fits; then the answer is an empty page. A connection carries
    nothing else meanwhile."""
    channel_id: Hash32Text | None = None
    """Only records about this channel."""
    objective_id: Hash32Text | None = None
    """Only records about this objective; not together with channel_id."""
    names: EventNames | None = None
    """Only events of these names; all if left out."""
    peer: AddressText | None = None
    """Only records about this peer: what it did, and its channels."""


async def log_follow(node: NodeApi, p: LogFollowParams) -> LogPage:
    """Records from `from_seq` on that fit, as soon as there are any."""
    entity, wanted = _entity(p), wanted_by(node, p.names, p.peer)
    found: list[RecordView] = []
    next_seq, size_bytes = p.from_seq, 0
    give_up_at = trio.current_time() + p.wait_ms / 1000
    looked_at = 0
    while True:
        while next_seq <= node.seq and len(found) < p.limit:
            count = min(LOG_READ_SLICE_COUNT, p.limit - len(found))
            entries, next_seq = node.matching(next_seq, count, entity, wanted, node.seq)
            for entry in entries:
                found.append(record_view(entry))
                size_bytes += len(msgspec.json.encode(entry.payload))
            looked_at += count
            if size_bytes >= LOG_READ_SIZE_BYTES_MAX or looked_at >= STORY_RECORD_COUNT_MAX:
                return LogPage(found, next_seq)
            await trio.lowlevel.checkpoint()
        if found or trio.current_time() >= give_up_at:
            return LogPage(found, next_seq)
        # Asked again and again rather than told: what is written by the thousand is read together.
        await trio.sleep(FOLLOW_INTERVAL_S)


def _entity(p: LogFollowParams) -> bytes | None:
    if p.channel_id is not None and p.objective_id is not None:
        raise InvalidParams("objective_id", "give channel_id or objective_id, not both")
    if p.channel_id is not None:
        return parse_hash32("channel_id", p.channel_id)
    return None if p.objective_id is None else parse_hash32("objective_id", p.objective_id)
