"""The disk that fails on command: each fault is what it says, and nothing else."""

from __future__ import annotations

from random import Random

import pytest

from node.store.kv import LOG, OUTBOX, SNAPSHOTS, KeyValueDamaged, KeyValueError
from node.store.memory import MemoryBatch
from tests.simulation.simulator.disk import (
    FULL,
    FULL_KEPT,
    KEPT,
    LOST,
    TORN,
    FaultyKeyValue,
    PowerCut,
)


def batch(*keys: bytes, value: bytes = b"value") -> MemoryBatch:
    changes = MemoryBatch()
    for key in keys:
        changes.put(key, value, LOG)
    return changes


def disk(fault: str = "") -> FaultyKeyValue:
    """Three writes: the second has the fault."""
    made = FaultyKeyValue()
    made.write(batch(b"1"))
    if fault:
        made.faults[2] = fault
    return made


@pytest.mark.parametrize(
    ("fault", "error", "is_there", "is_cut"),
    [
        (LOST, PowerCut, False, False),
        (KEPT, PowerCut, True, False),
        (TORN, PowerCut, False, True),
        (FULL, KeyValueError, False, False),
        (FULL_KEPT, KeyValueError, True, False),
    ],
)
def test_a_write_that_fails_leaves_what_its_fault_says(
    fault: str, error: type[BaseException], is_there: bool, is_cut: bool
) -> None:
    made = disk(fault)
    with pytest.raises(error):
        made.write(batch(b"2", b"3"))
    assert made.get(LOG, b"1") == b"value"
    assert [made.get(LOG, key) is not None for key in (b"2", b"3")] == [is_there, is_there]
    assert (made.cut is not None) == is_cut
    made.write(batch(b"4"))
    assert made.get(LOG, b"4") == b"value"


def unlogged(made: FaultyKeyValue, value: bytes) -> None:
    """A write beside the write-ahead log: of a key of its own, over one, and of none any more."""
    changes = MemoryBatch()
    changes.put(b"key " + value, value, SNAPSHOTS)
    changes.put(b"newest", value, SNAPSHOTS)
    changes.delete_range(b"old", b"old~", SNAPSHOTS)
    made.write_unlogged(changes)


def kept_after_a_crash(seed: int, *, flush_at: int = 0) -> int:
    """How many of five unlogged writes; a logged one is between them."""
    made = FaultyKeyValue(random=Random(seed))
    for number in range(1, 6):
        unlogged(made, b"%d" % number)
        if number == flush_at:
            made.flush(SNAPSHOTS, wait=True)
        if number == 3:
            made.write(batch(b"logged"))
    made.reopen()
    assert made.get(LOG, b"logged") == b"value"
    kept = [key for key, _ in made.iterate(SNAPSHOTS, b"key ", b"key~")]
    assert kept == [b"key %d" % number for number in range(1, len(kept) + 1)]
    assert made.get(SNAPSHOTS, b"newest") == (b"%d" % len(kept) if kept else None)
    made.reopen()
    assert len(list(made.iterate(SNAPSHOTS, b"key ", b"key~"))) == len(kept)
    return len(kept)


def test_a_crash_keeps_the_oldest_unlogged_writes_and_those_before_a_flush() -> None:
    assert {kept_after_a_crash(seed) for seed in range(60)} == {0, 1, 2, 3, 4, 5}
    assert {kept_after_a_crash(seed, flush_at=4) for seed in range(30)} == {4, 5}


def test_what_an_unlogged_write_removed_is_back_when_it_is_lost() -> None:
    made = FaultyKeyValue(random=Random(1))
    old = MemoryBatch()
    old.put(b"old 1", b"1", SNAPSHOTS)
    made.write_unlogged(old)
    made.flush(SNAPSHOTS, wait=True)
    found = set()
    for _ in range(20):
        unlogged(made, b"1")
        assert made.get(SNAPSHOTS, b"old 1") is None
        made.reopen()
        found.add(made.get(SNAPSHOTS, b"old 1"))
        if None in found:
            break
    assert found == {b"1", None}


@pytest.mark.parametrize(
    ("fault", "error", "is_there"),
    [
        (LOST, PowerCut, False),
        (KEPT, PowerCut, True),
        (FULL, KeyValueError, False),
        (FULL_KEPT, KeyValueError, True),
    ],
)
def test_an_unlogged_write_that_fails_leaves_what_its_fault_says(
    fault: str, error: type[BaseException], is_there: bool
) -> None:
    made = FaultyKeyValue()
    made.unlogged_faults[1] = fault
    with pytest.raises(error):
        unlogged(made, b"1")
    assert (made.get(SNAPSHOTS, b"newest") is not None) == is_there


def test_damage_to_a_snapshot_need_not_be_noticed_by_the_store_for_its_sums_tell() -> None:
    made = FaultyKeyValue()
    changes = MemoryBatch()
    changes.put(b"key", b"place...value", SNAPSHOTS)
    made.write_unlogged(changes)
    made.flip((SNAPSHOTS, b"key"), 64, is_noticed=False)
    assert made.get(SNAPSHOTS, b"key") == b"place...walue"
    made.flip((SNAPSHOTS, b"key"), 0, is_noticed=False)
    assert made.get(SNAPSHOTS, b"key") == b"qlace...walue"
    made.flip((SNAPSHOTS, b"key"), 0, is_noticed=True)
    with pytest.raises(KeyValueDamaged):
        made.get(SNAPSHOTS, b"key")
    made.mend()
    assert made.get(SNAPSHOTS, b"key") == b"place...value"


def test_the_newest_batch_can_be_forgotten_whatever_it_changed() -> None:
    made = disk()
    made.write(batch(b"2"))
    changes = batch(b"1", b"3", value=b"other")
    changes.delete_range(b"2", b"3", LOG)
    made.write(changes)
    assert made.forget_newest()
    assert list(made.iterate(LOG)) == [(b"1", b"value"), (b"2", b"value")]
    assert made.cut is not None
    assert not made.forget_newest()


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_flip_is_a_wrong_bit_or_a_checksum_that_fails_until_it_is_mended(
    is_noticed: bool,
) -> None:
    made = disk()
    made.write(batch(b"2", b"3"))
    made.flip((LOG, b"2"), 9, is_noticed=is_noticed)
    assert made.damage == [(LOG, b"2")]
    assert made.right_value(LOG, b"2") == b"value"
    if is_noticed:
        with pytest.raises(KeyValueDamaged):
            made.get(LOG, b"2")
        blocks = made.blocks(LOG)
        assert next(blocks) == [(b"1", b"value")]
        with pytest.raises(KeyValueDamaged):
            next(blocks)
    else:
        assert made.get(LOG, b"2") == b"vclue"
    made.mend()
    assert made.get(LOG, b"2") == b"value"
    assert not made.is_damaged


def test_outside_the_log_every_flip_is_noticed_and_a_later_write_heals_it() -> None:
    made = disk()
    changes = MemoryBatch()
    changes.put(b"a", b"1", OUTBOX)
    made.write(changes)
    made.flip((OUTBOX, b"a"), 0, is_noticed=False)
    with pytest.raises(KeyValueDamaged):
        made.last(OUTBOX)
    made.write(changes)
    assert made.last(OUTBOX) == (b"a", b"1")
    assert not made.is_damaged
