"""Time travel: how long the node takes to stand at a moment of a long past.

The log is a payee's of a million records in one channel, a receipt for every ten vouchers, with
snapshots as far apart as a node keeps them of its past. A moment right before the next
of these is as far behind one as any can be. Nothing is remembered from one moment to the next.
"""

from __future__ import annotations

import shutil
import time
from itertools import islice
from pathlib import Path

import trio

from node.history import History
from node.store.log import EventLog
from node.store.snapshot_sweeping import KEPT_INTERVAL_RECORD_COUNT
from node.store.snapshot_writing import SnapshotWriting
from protocols.node_state import NodeState, apply_all
from scripts.benchmarks.machine import without_gc
from scripts.benchmarks.store import opening, payments, write

EVENT_COUNT = 1_000_000
MOMENT_COUNT = 5
"""Moments that are gone to: right before as many snapshots, and as many half way to one."""
ATTEMPT_COUNT = 3
"""Of each moment the best counts: what else the machine does is no part of it."""


def time_travel_ms(path: Path, event_count: int) -> float:
    """Milliseconds to the moment that takes longest; the log is made at `path`, and removed."""
    interval = min(KEPT_INTERVAL_RECORD_COUNT, event_count // MOMENT_COUNT)
    _write(path, event_count, interval)
    log = EventLog.open(path, read_only=True)
    try:
        with without_gc():
            slowest_ms = max(_travel_ms(log, seq) for seq in moments(log.next_seq, interval))
    finally:
        log.close()
    shutil.rmtree(path)
    return slowest_ms


def moments(event_count: int, interval: int) -> list[int]:
    """The last record that is not in each of some snapshots, and one half way to it."""
    found = []
    for number in range(1, MOMENT_COUNT + 1):
        snapshot = event_count // interval * number // MOMENT_COUNT * interval
        found += [snapshot - 2, snapshot - 2 - interval // 2]
    return found


def _travel_ms(log: EventLog, seq: int) -> float:
    """To that record's moment, from nothing but the log and its snapshots."""
    taken = []
    for _ in range(ATTEMPT_COUNT):
        past = History(log, lambda: 2**62)
        started = time.perf_counter()
        state = trio.run(past.state_at, seq)
        taken.append(time.perf_counter() - started)
        assert len(state.channels) == 1, "the channel is there at every moment"
    return min(taken) * 1_000


def _write(path: Path, event_count: int, interval: int) -> None:
    log, state = EventLog.open(path), NodeState()
    try:
        source = payments()
        recorded = opening()
        while log.next_seq < event_count:
            write(log, recorded)
            apply_all(state, [(event, 0) for event in recorded])
            if log.next_seq % interval == 0:
                _take_snapshot(log, state)
            room = min(interval - log.next_seq % interval, event_count - log.next_seq)
            recorded = list(islice(source, min(1_000, room)))
    finally:
        log.close()


def _take_snapshot(log: EventLog, state: NodeState) -> None:
    writing = SnapshotWriting(log, state)
    while writing.advance(1_000, lambda: False) is None:
        pass
