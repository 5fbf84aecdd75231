"""Entries that stand for many records say exactly what single ones would."""

from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store.index import (
    RUN_COUNT_MAX,
    range_below,
    range_of_entity,
    run_entries,
    seq_below,
    seqs_of_entity,
    single_keys,
)
from node.store.record import seq_key

CHANNEL = b"\xc1" * 32


def numbered(first: int, how_many: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in islice(count(first), how_many)]


def singles(columns: list[list[bytes]], first_seq: int) -> set[bytes]:
    return {
        entity + seq_key(seq) for column in columns for seq, entity in enumerate(column, first_seq)
    }


def expanded(columns: list[list[bytes]], first_seq: int) -> set[bytes]:
    entries = list(run_entries(columns, first_seq))
    assert len(dict(entries)) == len(set(entries)), "no entry takes another's place"
    return {single for entry in entries for single in single_keys(*entry)}


# Few entities, near each other: runs, repetitions and collisions all occur.
near = st.integers(0, 12).map(lambda number: number.to_bytes(32, "big"))


@given(st.lists(st.tuples(near, near), min_size=1, max_size=60), st.integers(1, 2**40))
def test_entries_of_any_run_stand_for_its_records(
    run: list[tuple[bytes, bytes]], first_seq: int
) -> None:
    columns = [list(column) for column in zip(*run, strict=True)]
    assert expanded(columns, first_seq) == singles(columns, first_seq)
    assert expanded(columns[:1], first_seq) == singles(columns[:1], first_seq)


def test_a_batch_costs_an_entry_for_many_payments() -> None:
    ids = numbered(7 << 32, 1_000)
    entries = list(run_entries([[CHANNEL] * 1_000, ids], 50))
    assert len(entries) == 2 * -(-1_000 // RUN_COUNT_MAX)
    assert {key for entry in entries for key in single_keys(*entry)} == singles(
        [[CHANNEL] * 1_000, ids], 50
    )


def test_two_batches_in_one_run_cost_little_more_than_two_entries() -> None:
    ids = [*numbered(7 << 32, 40), *numbered(9 << 32, 24)]
    assert len(list(run_entries([ids], 1))) <= 6
    assert expanded([ids], 1) == singles([ids], 1)


def test_ids_in_no_order_have_an_entry_each() -> None:
    ids = [number.to_bytes(32, "big") for number in (5, 900, 3, 7_000, 1, 2**255, 4, 2, 6, 10)]
    assert list(run_entries([ids], 1)) == [
        (entity + seq_key(seq), b"") for seq, entity in enumerate(ids, 1)
    ]


def test_a_payment_named_after_its_channel_hides_neither() -> None:
    columns = [[CHANNEL] * 20, [CHANNEL, *numbered(1, 19)]]
    assert expanded(columns, 5) == singles(columns, 5)


@given(
    st.integers(1, 2**32), st.integers(0, 2**256 - 600), st.integers(1, 600), st.integers(0, 599)
)
def test_an_ascending_entity_is_found_from_the_entry_below_it(
    first_seq: int, first: int, how_many: int, place: int
) -> None:
    place %= how_many
    ids = numbered(first, how_many)
    entity, entries = ids[place], sorted(run_entries([ids], first_seq))
    low, high = range_below(entity)
    below = [seq_below(entity, *entry) for entry in entries if low <= entry[0] < high]
    start, stop = range_of_entity(entity, 0, 2**40)
    own = [seq for entry in entries if start <= entry[0] < stop for seq in seqs_of_entity(*entry)]
    assert [seq for seq in below if seq is not None] + own == [first_seq + place]


@given(st.integers(1, 600), st.integers(0, 599), st.integers(1, 600))
def test_a_part_of_a_run_is_found_from_its_first_record_on(
    how_many: int, from_place: int, length: int
) -> None:
    entries = sorted(run_entries([[CHANNEL] * how_many], 1_000))
    from_seq, to_seq = 1_000 + from_place, 1_000 + from_place + length
    start, stop = range_of_entity(CHANNEL, from_seq, to_seq)
    within = [
        seq for key, value in entries if start <= key < stop for seq in seqs_of_entity(key, value)
    ]
    found = [seq for seq in within if from_seq <= seq < to_seq]
    assert found == list(range(from_seq, min(to_seq, 1_000 + how_many)))


@pytest.mark.parametrize(
    "value", [b"\x01", b"\x03\x00\x02", b"\x01\x00\x01", b"\x02\xff\xff", b"\x01\x00\x02\x00"]
)
def test_what_is_no_entry_is_refused(value: bytes) -> None:
    key = CHANNEL + seq_key(5)
    for read in (single_keys, seqs_of_entity):
        with pytest.raises(ValueError, match="no entry of the index"):
            read(key, value)
    with pytest.raises(ValueError, match="no entry of the index"):
        seq_below(CHANNEL, key, value)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="no key of the index"):
        single_keys(CHANNEL, b"")
