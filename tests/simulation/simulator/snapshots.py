"""Small stories are to meet snapshots, too: they are taken often here, and in small slices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from node import snapshot_keeper
from node.store import snapshot_sweeping
from node.store.kv import SNAPSHOTS
from node.store.record import SEQ_SIZE_BYTES
from tests.simulation.simulator.disk import FaultyKeyValue, Place

INTERVAL_RECORD_COUNT = 12
"""Records from one snapshot to the next."""
_SMALL = (
    (snapshot_keeper, "SNAPSHOT_SLICE_CHANGE_COUNT_MAX", 3),
    (snapshot_keeper, "SNAPSHOT_FLUSH_RECORD_COUNT", 30),
    (snapshot_keeper, "SNAPSHOT_SWEEP_VERSION_COUNT_MIN", 40),
    (snapshot_sweeping, "KEPT_COUNT", 3),
    (snapshot_sweeping, "KEPT_INTERVAL_RECORD_COUNT", 60),
)
"""Limits of the node, and what they are here."""


@contextmanager
def frequent_snapshots() -> Iterator[None]:
    """Until the end of the block."""
    with ExitStack() as stack:
        for room, name, value in _SMALL:
            stack.callback(setattr, room, name, getattr(room, name))
            setattr(room, name, value)
        yield


def newest_versions(disk: FaultyKeyValue) -> list[Place]:
    """What the newest snapshot wrote, its manifest with it."""
    places = disk.places((SNAPSHOTS,))
    newest = max((key[-SEQ_SIZE_BYTES:] for _, key in places), default=b"")
    return [place for place in places if place[1][-SEQ_SIZE_BYTES:] == newest]
