"""What no kept snapshot shows is removed, and nothing else."""

from __future__ import annotations

import random

import pytest

from node.store import snapshot_sweeping
from node.store.kv import SNAPSHOTS
from node.store.snapshot_loading import restore_state
from node.store.snapshot_sweeping import (
    KEPT_COUNT,
    KEPT_INTERVAL_RECORD_COUNT,
    SnapshotSweep,
    kept_counts,
)
from node.store.snapshots import manifests
from tests.simulation.test_virtual_web import run
from tests.support.snapshot_logs import SnapshotLog, look


def test_the_newest_are_kept_and_the_first_behind_every_interval() -> None:
    assert 100_000 % KEPT_INTERVAL_RECORD_COUNT == 0
    counts = list(range(1_000, 90_000, 1_000))
    kept = kept_counts(counts)
    assert kept == [20_000, 40_000, 60_000, *counts[-KEPT_COUNT:]]
    assert kept_counts([5, 7]) == [5, 7]
    assert kept_counts([]) == []
    assert kept_counts([19_999, 250_001, 250_000, *range(250_002, 250_030)])[0] == 250_000


def swept(log: SnapshotLog) -> int:
    sweep = SnapshotSweep(log.log)
    while not sweep.advance():
        pass
    return sweep.removed_count


@pytest.mark.parametrize("seed", range(3))
def test_every_kept_snapshot_is_what_it_was_and_the_least_that_shows_it_is_left(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_sweeping, "KEPT_COUNT", 3)
    monkeypatch.setattr(snapshot_sweeping, "KEPT_INTERVAL_RECORD_COUNT", 50)
    rng = random.Random(seed)
    log = SnapshotLog()
    recorded = list(run(seed).row[0].log)
    while recorded:
        count = rng.randrange(1, 20)
        log.write(recorded[:count])
        del recorded[:count]
        log.snapshot()
    counts = [count for count, _ in manifests(log.kv)]
    kept = kept_counts(counts)
    shown = {count: look(restore_state(log.log, count - 1)[0]) for count in kept}
    assert swept(log) > 0
    assert [count for count, _ in manifests(log.kv)] == kept
    for count in kept:
        state, seq = restore_state(log.log, count - 1)
        assert (seq, look(state)) == (count, shown[count])
    del state
    assert swept(log) == 0
    for key, value in list(log.kv.iterate(SNAPSHOTS)):
        assert is_shown_by_some(log, key, value, kept)


def is_shown_by_some(log: SnapshotLog, key: bytes, value: bytes, kept: list[int]) -> bool:
    """Whether a kept snapshot would be another without this entry."""
    if key.startswith(b"manifest|"):
        return True
    seq = int.from_bytes(key[-8:], "big")
    later = [
        int.from_bytes(other[-8:], "big")
        for other, _ in log.kv.iterate(SNAPSHOTS, key + b"\x00", key[:-8] + b"\xff" * 8)
    ]
    older = list(log.kv.iterate(SNAPSHOTS, key[:-8], key))
    is_newest_of_one = any(seq <= count and not any(v <= count for v in later) for count in kept)
    return is_newest_of_one and (bool(value) or bool(older))


def test_what_a_state_in_memory_fetches_from_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_sweeping, "KEPT_COUNT", 1)
    log = SnapshotLog()
    recorded = run(0).row[0].log
    for begin in range(0, 120, 20):
        log.write(recorded[begin : begin + 20])
        log.snapshot()
    held, _ = restore_state(log.log, 59)
    expected = look(log.folded(60))
    swept(log)
    assert [count for count, _ in manifests(log.kv)] == [120]
    assert look(held) == expected
    del held
    assert swept(log) > 0


def test_a_sweep_of_many_blocks_and_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert swept(SnapshotLog()) == 0
    monkeypatch.setattr(snapshot_sweeping, "KEPT_COUNT", 1)
    log = SnapshotLog()
    batch = log.kv.new_batch()
    for number in range(500):
        for count in (1, 2, 3):
            key = b"channel|" + number.to_bytes(32, "big") + count.to_bytes(8, "big")
            batch.put(key, b"\x00" * 8 + b"%d" % count, SNAPSHOTS)
    log.kv.write_unlogged(batch)
    log.write(run(0).row[0].log[:3])
    log.snapshot()
    assert swept(log) == 1_000
    assert len(list(log.kv.iterate(SNAPSHOTS, b"channel|", b"channel}"))) == 500
