"""The longest that anybody waits for a snapshot: ten thousand open channels, all of them paid in.

Batches are written as fast as the disk takes them; whenever the keeper of snapshots wants a slice,
it gets it, as in the engine. What a slice takes is counted in processor time: what others do on the
machine is no pause of ours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

from node.snapshot_keeper import SnapshotKeeper
from node.store.log import EventLog
from protocols import events
from protocols.node_state import NodeState, apply_all
from scripts.benchmarks.machine import without_gc
from scripts.benchmarks.many_channels import channel_id_of, opening, voucher, write

_TIME_MS = 1_700_000_000_000
BATCH_PAYMENT_COUNT = 32
"""Payments of a batch, each with its receipt."""


@dataclass(frozen=True)
class PausePlan:
    """How much is open, and how much is paid."""

    channels: int = 10_000
    batches: int = 3_000


def measure_pauses(path: Path, plan: PausePlan) -> tuple[dict[str, float], dict[str, float]]:
    """The longest slice, and further figures."""
    created = events.NodeCreated(1, 31_337, b"\xad" * 20, b"\xab" * 20, b"\xac" * 20, b"\xb0" * 20)
    log, state = EventLog.open(path), NodeState()
    try:
        openings = (opening(number, created) for number in range(plan.channels))
        write(log, state, chain([created], chain.from_iterable(openings)))
        with without_gc():
            return _measure(log, state, created, plan)
    finally:
        log.close()


def _measure(
    log: EventLog, state: NodeState, created: events.NodeCreated, plan: PausePlan
) -> tuple[dict[str, float], dict[str, float]]:
    keeper = SnapshotKeeper(log, state, 0)
    ids = cycle([channel_id_of(number, created) for number in range(plan.channels)])
    slices_s, begun_s, digest_count = [0.0], time.thread_time(), 0
    for number in range(plan.batches):
        count = number * BATCH_PAYMENT_COUNT // plan.channels + 1
        paid = (voucher(channel_id, count) for channel_id in islice(ids, BATCH_PAYMENT_COUNT))
        taken = list(chain.from_iterable(paid))
        batch = log.begin(_TIME_MS)
        for event in taken:
            batch.append(event)
        log.commit(batch)
        apply_all(state, [(event, _TIME_MS) for event in taken])
        started_s = time.thread_time()
        keeper.after_batch()
        digest = keeper.work() if keeper.wait_s() == 0 else None
        slices_s.append(time.thread_time() - started_s)
        digest_count += digest is not None
    whole_s = time.thread_time() - begun_s
    figures = {"snapshot_pause_ms": max(slices_s) * 1_000}
    details = {
        "snapshot_share_percent": 100 * sum(slices_s) / whole_s,
        "snapshots_taken": float(digest_count),
    }
    return figures, details
