"""The disk that fails on command: each fault is what it says, and nothing else."""

from __future__ import annotations

import pytest

from node.store.kv import LOG, OUTBOX, KeyValueDamaged, KeyValueError
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
