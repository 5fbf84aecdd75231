"""One suite for every adapter of the key-value port: what the log relies on."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.store.kv import (
    BLOCK_COUNT_MAX,
    FAMILIES,
    LOG,
    META,
    OUTBOX,
    SNAPSHOTS,
    KeyValue,
    KeyValueError,
)
from node.store.memory import MemoryKeyValue
from node.store.rocks import RocksKeyValue
from tests.simulation.simulator.disk import FaultyKeyValue

ADAPTERS: dict[str, Callable[[Path], KeyValue]] = {
    "memory": lambda path: MemoryKeyValue(),
    "faulty": lambda path: FaultyKeyValue(),
    "rocks": RocksKeyValue,
}
"""The faulty one here without a fault: what they are is tested where they are used."""


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValue]:
    opened = ADAPTERS[request.param](tmp_path / "db")
    yield opened
    opened.close()


def put(store: KeyValue, family: str, **entries: bytes) -> None:
    batch = store.new_batch()
    for key, value in entries.items():
        batch.put(key.encode(), value, store.handle(family))
    store.write(batch)


def test_what_is_written_is_read_back(store: KeyValue) -> None:
    put(store, LOG, a=b"1", b=b"")
    assert store.get(LOG, b"a") == b"1"
    assert store.get(LOG, b"b") == b""
    assert store.get(LOG, b"c") is None


def test_families_are_separate_key_spaces_of_one_batch(store: KeyValue) -> None:
    batch = store.new_batch()
    for family in FAMILIES:
        batch.put(b"key", family.encode(), store.handle(family))
    store.write(batch)
    assert [store.get(family, b"key") for family in FAMILIES] == [f.encode() for f in FAMILIES]


def test_unlogged_writes_are_seen_at_once_and_last_beyond_a_close(store: KeyValue) -> None:
    for value in (b"1", b"2"):
        batch = store.new_batch()
        batch.put(b"a", value, store.handle(SNAPSHOTS))
        batch.delete(b"b", store.handle(SNAPSHOTS))
        store.write_unlogged(batch)
        assert store.get(SNAPSHOTS, b"a") == value
    store.flush(SNAPSHOTS, wait=False)
    store.flush(SNAPSHOTS, wait=True)
    assert list(store.iterate(SNAPSHOTS)) == [(b"a", b"2")]


def test_a_batch_is_invisible_until_it_is_written(store: KeyValue) -> None:
    batch = store.new_batch()
    batch.put(b"a", b"1", store.handle(META))
    assert store.get(META, b"a") is None
    store.write(batch)
    assert store.get(META, b"a") == b"1"


def test_within_a_batch_the_last_change_of_a_key_wins(store: KeyValue) -> None:
    batch = store.new_batch()
    handle = store.handle(OUTBOX)
    batch.put(b"a", b"1", handle)
    batch.delete(b"a", handle)
    batch.delete(b"b", handle)
    batch.put(b"b", b"2", handle)
    batch.delete(b"never there", handle)
    store.write(batch)
    assert list(store.iterate(OUTBOX)) == [(b"b", b"2")]


def test_a_range_is_removed_without_its_end_and_where_it_stands_in_its_batch(
    store: KeyValue,
) -> None:
    put(store, OUTBOX, a=b"1", b=b"1", c=b"1", d=b"1")
    put(store, LOG, b=b"1")
    batch, handle = store.new_batch(), store.handle(OUTBOX)
    batch.put(b"bb", b"2", handle)
    batch.delete_range(b"b", b"d", handle)
    batch.put(b"c", b"3", handle)
    batch.delete_range(b"x", b"z", handle)
    store.write(batch)
    assert list(store.iterate(OUTBOX)) == [(b"a", b"1"), (b"c", b"3"), (b"d", b"1")]
    assert list(store.iterate(LOG)) == [(b"b", b"1")]
    assert store.get(OUTBOX, b"b") is None


def test_iteration_is_in_key_order_between_the_bounds(store: KeyValue) -> None:
    put(store, LOG, c=b"3", a=b"1", d=b"4", b=b"2")
    assert list(store.iterate(LOG)) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")]
    assert [key for key, _ in store.iterate(LOG, b"b", b"d")] == [b"b", b"c"]
    assert [key for key, _ in store.iterate(LOG, b"bb")] == [b"c", b"d"]
    assert list(store.iterate(LOG, b"x")) == []


def test_blocks_hold_the_same_entries_many_at_a_time(store: KeyValue) -> None:
    count = 2 * BLOCK_COUNT_MAX + 1
    put(store, LOG, **{f"{number:04}": b"" for number in range(count)})
    blocks = list(store.blocks(LOG))
    assert [len(block) for block in blocks] == [BLOCK_COUNT_MAX, BLOCK_COUNT_MAX, 1]
    assert list(chain.from_iterable(blocks)) == list(store.iterate(LOG))
    inside = list(store.iterate(LOG, b"0003", b"0400"))
    assert list(chain.from_iterable(store.blocks(LOG, b"0003", b"0400"))) == inside
    assert [key for key, _ in inside] == [b"%04d" % number for number in range(3, 400)]
    assert list(store.blocks(LOG, b"1")) == []


def test_the_last_entry_is_the_one_with_the_largest_key(store: KeyValue) -> None:
    assert store.last(LOG) is None
    put(store, LOG, b=b"2", a=b"1")
    assert store.last(LOG) == (b"b", b"2")


def test_a_closed_store_refuses_and_closing_twice_is_fine(store: KeyValue) -> None:
    batch = store.new_batch()
    store.close()
    store.close()
    with pytest.raises(KeyValueError, match="closed"):
        store.get(LOG, b"a")
    with pytest.raises(KeyValueError, match="closed"):
        store.last(LOG)
    with pytest.raises(KeyValueError, match="closed"):
        list(store.iterate(LOG))
    with pytest.raises(KeyValueError, match="closed"):
        store.write(batch)


def test_a_batch_of_another_store_is_a_bug(store: KeyValue) -> None:
    with pytest.raises(AssertionError, match="another store"):
        store.write(object())  # type: ignore[arg-type]


KEYS = st.binary(max_size=3)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=4)), max_size=20)


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(batches=st.lists(CHANGES, max_size=5), start=KEYS, stop=st.none() | KEYS)
def test_any_changes_leave_what_a_dict_would_hold(
    store: KeyValue,
    batches: list[list[tuple[bytes, bytes | None]]],
    start: bytes,
    stop: bytes | None,
) -> None:
    handle = store.handle(OUTBOX)
    clean = store.new_batch()
    for key, _ in list(store.iterate(OUTBOX)):
        clean.delete(key, handle)
    store.write(clean)
    expected: dict[bytes, bytes] = {}
    for changes in batches:
        batch = store.new_batch()
        for key, value in changes:
            if value is None:
                batch.delete(key, handle)
                expected.pop(key, None)
            else:
                batch.put(key, value, handle)
                expected[key] = value
        store.write(batch)
    inside = [k for k in sorted(expected) if k >= start and (stop is None or k < stop)]
    assert list(store.iterate(OUTBOX, start, stop)) == [(key, expected[key]) for key in inside]
    assert store.last(OUTBOX) == (max(expected.items()) if expected else None)
