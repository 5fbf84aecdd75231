"""When snapshots are taken, and in what slices, so that nobody waits for them.

One is due every so many records, and not before the last one's cost is a small share of the time
since. A slice is about a millisecond; while the engine is busy a pause follows that is many times
as long, while it is idle none. Behind a snapshot, now and then, what no kept one needs is swept
away.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import structlog

from node.limits import (
    SNAPSHOT_FLUSH_RECORD_COUNT,
    SNAPSHOT_INTERVAL_RECORD_COUNT,
    SNAPSHOT_PAUSE_FACTOR,
    SNAPSHOT_SLICE_CHANGE_COUNT_MAX,
    SNAPSHOT_SLICE_S,
    SNAPSHOT_SWEEP_VERSION_COUNT_MIN,
)
from node.store.errors import LogWriteFailed
from node.store.kv import SNAPSHOTS, KeyValueDamaged, KeyValueError
from node.store.log import EventLog
from node.store.snapshot_sweeping import SnapshotSweep
from node.store.snapshot_writing import SnapshotWriting
from node.store.snapshots import Manifest, manifest_count, shape_of_values
from protocols import events
from protocols.node_state import NodeState

log = structlog.get_logger()


class SnapshotKeeper:
    """Takes the snapshots of one engine's state."""

    def __init__(
        self,
        event_log: EventLog,
        state: NodeState,
        record_count: int,
        timer_s: Callable[[], float] = time.perf_counter,
        interval_count: int = SNAPSHOT_INTERVAL_RECORD_COUNT,
    ) -> None:
        """`record_count`: of the snapshot that `state` was begun from, 0 for none;
        `interval_count`: records between two.
        """
        self._log = event_log
        self._state = state
        self._timer_s = timer_s
        self._started_s = timer_s()
        self.interval_count = interval_count
        self._writing: SnapshotWriting | None = None
        self._sweep: SnapshotSweep | None = None
        self.newest_record_count = record_count
        """Of the newest snapshot that is whole."""
        self._begun_at = self._flushed_at = record_count
        self._spent_s = 0.0
        """On the snapshot that is being written, or was last."""
        self._spent_before_s = 0.0
        """On all before that one."""
        self._due_s = self._next_slice_s = -math.inf
        self._is_busy = False
        """Whether a batch was taken since the last slice."""
        shape_of_values()  # Takes longer than a slice, and is remembered.
        # The first sweep finds what earlier runs left.
        self._unswept_count = SNAPSHOT_SWEEP_VERSION_COUNT_MIN

    @property
    def is_working(self) -> bool:
        """True while there is something to be written or swept."""
        return self._writing is not None or self._sweep is not None

    @property
    def is_writing(self) -> bool:
        """True while a snapshot is begun and not whole."""
        return self._writing is not None

    def time_share(self) -> float:
        """What part of the time since the start went into snapshots and sweeps, 0 to 1."""
        past_s = self._timer_s() - self._started_s
        return (self._spent_before_s + self._spent_s) / past_s if past_s > 0 else 0.0

    def kept_count(self) -> int | None:
        """How many snapshots the store holds whole; None if that cannot be read."""
        try:
            return manifest_count(self._log.store)
        except KeyValueDamaged:
            return None

    def wait_s(self) -> float:
        """Seconds until the next slice should be done; infinite if there is none."""
        if not self.is_working:
            return math.inf
        return max(0.0, self._next_slice_s - self._timer_s())

    def after_batch(self) -> bool:
        """A batch is durable and folded. True if a snapshot is begun with it."""
        self._is_busy = True
        is_due = self._log.next_seq - self._begun_at >= self.interval_count
        if not is_due or self.is_working or self._timer_s() < self._due_s:
            return False
        self._begin()
        return True

    def work(self) -> events.StateDigestRecorded | None:
        """Do a slice; the digest to be recorded once a snapshot is whole. Raises `LogWriteFailed`.

        Between two batches only.
        """
        started_s = self._timer_s()
        manifest: Manifest | None = None
        if self._writing is not None:
            until_s = started_s + SNAPSHOT_SLICE_S
            manifest = self._write(
                SNAPSHOT_SLICE_CHANGE_COUNT_MAX, lambda: self._timer_s() >= until_s
            )
        elif self._sweep is not None:
            self._sweep_on()
        ended_s = self._timer_s()
        took_s = ended_s - started_s
        self._spent_s += took_s
        self._next_slice_s = ended_s + (took_s * SNAPSHOT_PAUSE_FACTOR if self._is_busy else 0.0)
        self._is_busy = False
        if not self.is_working:
            self._due_s = ended_s + self._spent_s * SNAPSHOT_PAUSE_FACTOR
        return None if manifest is None else _digest_of(manifest, clean_stop=False)

    def close(self) -> events.StateDigestRecorded:
        """Take a snapshot of all there is, at once and durable; its digest. For a clean stop."""
        while self._writing is not None:
            self._write(SNAPSHOT_SLICE_CHANGE_COUNT_MAX, lambda: False)
        self._begin()
        manifest = None
        while manifest is None:
            manifest = self._write(SNAPSHOT_SLICE_CHANGE_COUNT_MAX, lambda: False)
        self._flush(wait=True)
        return _digest_of(manifest, clean_stop=True)

    def _begin(self) -> None:
        self._writing = SnapshotWriting(self._log, self._state)
        self._begun_at = self._log.next_seq
        self._spent_before_s += self._spent_s
        self._spent_s = 0.0

    def _write(self, change_count_max: int, is_time: Callable[[], bool]) -> Manifest | None:
        assert self._writing is not None
        manifest = self._writing.advance(change_count_max, is_time)
        if manifest is None:
            return None
        self._unswept_count += self._writing.version_count
        self._writing = None
        self.newest_record_count = manifest.record_count
        if self._log.next_seq - self._flushed_at >= SNAPSHOT_FLUSH_RECORD_COUNT:
            self._flush(wait=False)
        key_count = sum(table.count for table in manifest.tables)
        if self._unswept_count >= max(SNAPSHOT_SWEEP_VERSION_COUNT_MIN, key_count // 2):
            self._begin_sweep()
        return manifest

    def _flush(self, *, wait: bool) -> None:
        try:
            self._log.store.flush(SNAPSHOTS, wait=wait)
        except KeyValueError as error:
            raise LogWriteFailed(str(error)) from error
        self._flushed_at = self._log.next_seq

    def _begin_sweep(self) -> None:
        self._unswept_count = 0
        try:
            self._sweep = SnapshotSweep(self._log)
        except KeyValueDamaged as error:
            self._not_swept(error)

    def _sweep_on(self) -> None:
        assert self._sweep is not None
        try:
            is_done = self._sweep.advance()
        except KeyValueDamaged as error:
            self._not_swept(error)
            return
        if is_done:
            self._sweep = None

    def _not_swept(self, error: KeyValueDamaged) -> None:
        """Nothing is lost but room."""
        self._sweep = None
        log.warning("old snapshots cannot be read, and stay", reason=str(error))


def _digest_of(manifest: Manifest, *, clean_stop: bool) -> events.StateDigestRecorded:
    return events.StateDigestRecorded(
        manifest.digest, manifest.entity_count, clean_stop, manifest.record_count
    )
