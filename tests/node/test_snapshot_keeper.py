"""When snapshots are taken: after so many records, in slices, never for more than their share."""

from __future__ import annotations

import math

import pytest

from node import snapshot_keeper
from node.limits import (
    SNAPSHOT_FLUSH_RECORD_COUNT,
    SNAPSHOT_INTERVAL_RECORD_COUNT,
    SNAPSHOT_PAUSE_FACTOR,
)
from node.snapshot_keeper import SnapshotKeeper
from node.store.errors import LogWriteFailed
from node.store.kv import SNAPSHOTS, KeyValueDamaged, KeyValueError
from node.store.memory import MemoryKeyValue
from node.store.snapshot_loading import restore_state
from node.store.snapshots import manifests
from protocols import events
from tests.support.actors import BOB
from tests.support.network import opened
from tests.support.snapshot_logs import SnapshotLog, look

OPENED = opened().alice.log


class Journalled(MemoryKeyValue):
    """Notes flushes; fails or is damaged when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes: list[bool] = []
        self.fails = False
        self.is_damaged = False

    def flush(self, family: str, *, wait: bool) -> None:
        assert family == SNAPSHOTS
        if self.fails:
            raise KeyValueError("no space left on device")
        self.flushes.append(wait)

    def blocks(self, family, start=b"", stop=None):  # type: ignore[no-untyped-def]
        if self.is_damaged and family == SNAPSHOTS:
            raise KeyValueDamaged("a bad block")
        return super().blocks(family, start, stop)


class Kept:
    """A log, its keeper, and a clock that goes on by `step_s` each time it is looked at."""

    def __init__(self) -> None:
        self.kv = Journalled()
        self.log = SnapshotLog(self.kv)
        self.now_s = 100.0
        self.step_s = 0.0
        self.keeper = SnapshotKeeper(self.log.log, self.log.state, 0, self.timer_s)
        self.log.write(OPENED)

    def timer_s(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def record(self, count: int) -> bool:
        """So many records, and word of the batch."""
        fault = events.PeerMisbehaved(BOB.address, "X", "why", 1)
        self.log.write([(OPENED[-1][0], fault)] * count)
        return self.keeper.after_batch()

    def until_done(self) -> list[events.StateDigestRecorded]:
        found = []
        while self.keeper.is_working:
            found.append(self.keeper.work())
            self.now_s += self.keeper.wait_s()
        return [digest for digest in found if digest is not None]


def test_a_snapshot_is_begun_after_so_many_records_and_not_before() -> None:
    kept = Kept()
    missing = SNAPSHOT_INTERVAL_RECORD_COUNT - kept.log.log.next_seq
    assert not kept.record(missing - 1)
    assert kept.keeper.wait_s() == math.inf
    assert kept.record(1)
    assert kept.keeper.wait_s() == 0
    (digest,) = kept.until_done()
    assert (digest.record_count, digest.clean_stop) == (SNAPSHOT_INTERVAL_RECORD_COUNT, False)
    assert digest.digest == kept.log.state.digest()
    assert kept.keeper.newest_record_count == SNAPSHOT_INTERVAL_RECORD_COUNT
    assert not kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT - 1)
    assert kept.record(1)


def test_the_owner_may_set_another_interval() -> None:
    kept = Kept()
    kept.keeper = SnapshotKeeper(kept.log.log, kept.log.state, 0, kept.timer_s, 150)
    missing = 150 - kept.log.log.next_seq
    assert not kept.record(missing - 1)
    assert kept.record(1)


def test_one_that_is_under_way_is_finished_before_the_next_is_begun() -> None:
    kept = Kept()
    assert kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    assert not kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    assert len(kept.until_done()) == 1
    assert kept.record(1)


def test_a_busy_node_has_a_pause_after_each_slice_and_an_idle_one_none() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.step_s = 0.01
    kept.keeper.work()
    kept.step_s = 0.0
    assert kept.keeper.is_working
    assert kept.keeper.wait_s() >= 0.01 * SNAPSHOT_PAUSE_FACTOR
    kept.now_s += kept.keeper.wait_s()
    kept.step_s = 0.01
    kept.keeper.work()
    kept.step_s = 0.0
    assert kept.keeper.wait_s() == 0, "no batch was taken since"


def test_the_next_is_not_due_before_the_last_one_cost_its_share_alone() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.step_s = 0.05
    while kept.keeper.is_working:
        kept.keeper.work()
    kept.step_s = 0.0
    assert not kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.now_s += 0.05 * SNAPSHOT_PAUSE_FACTOR
    assert not kept.record(1)
    kept.now_s += 60 * SNAPSHOT_PAUSE_FACTOR
    assert kept.record(1)


def test_a_clean_stop_finishes_what_is_begun_and_takes_a_last_one_of_everything() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.keeper.work()
    kept.record(7)
    digest = kept.keeper.close()
    assert digest.clean_stop
    assert digest.record_count == kept.log.log.next_seq
    assert digest.digest == kept.log.state.digest()
    state, seq = restore_state(kept.log.log)
    assert (seq, look(state)) == (kept.log.log.next_seq, look(kept.log.state))
    assert kept.kv.flushes == [True]


def test_snapshots_become_durable_now_and_then() -> None:
    kept = Kept()
    for _ in range(SNAPSHOT_FLUSH_RECORD_COUNT // SNAPSHOT_INTERVAL_RECORD_COUNT + 1):
        kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
        kept.until_done()
    assert kept.kv.flushes == [False]


def test_old_snapshots_are_swept_away_after_a_start_and_when_enough_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot_keeper, "SNAPSHOT_SWEEP_VERSION_COUNT_MIN", 30)
    kept = Kept()
    for _ in range(40):
        kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
        kept.until_done()
    assert 10 <= len(list(manifests(kept.kv))) <= 40
    assert len(list(manifests(kept.kv))) < 40


def test_a_sweep_that_cannot_read_leaves_everything_as_it_is() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.kv.is_damaged = True
    assert len(kept.until_done()) == 1
    assert not kept.keeper.is_working


def test_a_flush_that_fails_is_a_failed_write() -> None:
    kept = Kept()
    kept.kv.fails = True
    with pytest.raises(LogWriteFailed, match="no space left"):
        kept.keeper.close()
