"""The tree beside a log: the root of its records however it came about, and proofs of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.store.errors import LogDamaged
from node.store.kv import LOG, TREE
from node.store.limits import (
    TREE_KEPT_COUNT_MAX,
    TREE_SLICE_COUNT_MAX,
    TREE_UNWRITTEN_COUNT_MAX,
)
from node.store.log import EventLog
from node.store.log_tree import node_key
from node.store.memory import MemoryKeyValue
from node.store.record import seq_key
from protocols.mountain_range import (
    BLOCK_HEIGHT,
    BLOCK_LEAF_COUNT,
    MountainRange,
    require_consistent,
    root_of_proof,
)
from tests.support.logs import TIME_MS, fill, make_log, payment

NOWHERE = Path()


def chain_hashes(log: EventLog, length: int) -> list[bytes]:
    return [log.chain_at(seq) for seq in range(length)]


def root_of(log: EventLog, length: int) -> bytes:
    whole = MountainRange()
    whole.extend(chain_hashes(log, length))
    return whole.root()


def grown(log: EventLog) -> EventLog:
    while log.grow_tree():
        pass
    return log


def stored(kv: MemoryKeyValue) -> list[bytes]:
    return [key for key, _ in kv.iterate(TREE)]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 70), st.lists(st.integers(0, 2), max_size=5))
def test_the_root_is_the_records_whatever_was_kept_or_read(
    length: int, by: int, grow_counts: list[int]
) -> None:
    kv = MemoryKeyValue()
    log = make_log(None, 1, kv=kv)
    for grow_count in grow_counts:
        for _ in range(grow_count):
            log.grow_tree()
        fill(log, log.next_seq + length // 4, by=by)
    fill(log, length, by=by)
    grown(log)
    assert log.tree.length == log.next_seq
    for upto in {1, log.next_seq // 2, log.next_seq} - {0}:
        assert log.tree.root(upto) == root_of(log, upto)
    log.close()


def test_every_record_is_proved_under_every_length() -> None:
    log = grown(make_log(None, 3 * BLOCK_LEAF_COUNT + 9, kv=MemoryKeyValue(), by=50))
    hashes = chain_hashes(log, log.next_seq)
    for length in (1, 2, BLOCK_LEAF_COUNT, 2 * BLOCK_LEAF_COUNT + 1, log.next_seq):
        root = log.tree.root(length)
        for seq in range(length):
            path, peaks = log.tree.proof(seq, length)
            assert root_of_proof(hashes[seq], seq, length, path, peaks) == root
    log.close()


def test_every_length_is_shown_to_begin_every_longer_one() -> None:
    log = grown(make_log(None, 3 * BLOCK_LEAF_COUNT + 9, kv=MemoryKeyValue(), by=50))
    roots = {length: log.tree.root(length) for length in range(1, log.next_seq + 1)}
    for new in (1, 2, 63, 64, 65, 128, 191, log.next_seq):
        for old in range(1, new + 1):
            path = log.tree.consistency(old, new)
            require_consistent(old, roots[old], new, roots[new], path)
    log.close()


def test_nodes_are_written_with_the_next_batch_and_found_after_a_restart() -> None:
    kv = MemoryKeyValue()
    log = grown(make_log(None, 4 * BLOCK_LEAF_COUNT + 5, kv=kv))
    root = log.tree.root(log.next_seq)
    assert stored(kv) == []
    assert log.tree.unwritten_count == 7
    fill(log, log.next_seq + 1)
    assert len(stored(kv)) == 7
    assert log.tree.unwritten_count == 0
    kv.close()
    kv.reopen()
    again = EventLog.open(NOWHERE, kv=kv)
    assert again.tree.length == 4 * BLOCK_LEAF_COUNT
    grown(again)
    assert again.tree.root(again.next_seq - 1) == root
    assert again.tree.unwritten_count == 0


def test_what_was_not_written_is_made_again_from_the_log() -> None:
    kv = MemoryKeyValue()
    log = grown(make_log(None, 200, kv=kv))
    root = log.tree.root(200)
    again = grown(EventLog.open(NOWHERE, kv=kv))
    assert again.tree.root(200) == root


@pytest.mark.parametrize("harm", ["other records", "shorter log", "no peak", "odd key"])
def test_nodes_of_another_log_are_thrown_away(harm: str) -> None:
    kv = MemoryKeyValue()
    log = grown(make_log(None, 4 * BLOCK_LEAF_COUNT, kv=kv))
    fill(log, log.next_seq + 1)
    batch = kv.new_batch()
    if harm == "other records":
        batch.put(node_key(BLOCK_HEIGHT, 4 * BLOCK_LEAF_COUNT), b"\x00" * 32, TREE)
    elif harm == "shorter log":
        batch.put(node_key(BLOCK_HEIGHT, 8 * BLOCK_LEAF_COUNT), b"\x00" * 32, TREE)
    elif harm == "odd key":
        batch.put(node_key(BLOCK_HEIGHT, 4 * BLOCK_LEAF_COUNT + 1), b"\x00" * 32, TREE)
    else:
        batch.delete(node_key(BLOCK_HEIGHT + 2, 4 * BLOCK_LEAF_COUNT), TREE)
    kv.write(batch)
    again = EventLog.open(NOWHERE, kv=kv)
    assert again.tree.length == 0
    grown(again)
    assert again.tree.root(again.next_seq) == root_of(again, again.next_seq)
    fill(again, again.next_seq + 1)
    assert len(stored(kv)) == 7


def test_a_flood_of_records_is_read_from_the_log_instead_of_kept() -> None:
    log = make_log(None, 1, kv=MemoryKeyValue())
    assert log.tree.lag_count == 1
    batch = log.begin(TIME_MS)
    batch.append_run([payment(seq) for seq in range(TREE_KEPT_COUNT_MAX + 1)], None, None)
    log.commit(batch)
    fill(log, log.next_seq + 10)
    lag = log.tree.lag_count
    assert lag == log.next_seq
    log.grow_tree()
    assert log.tree.lag_count == lag - TREE_SLICE_COUNT_MAX
    grown(log)
    assert log.tree.root(log.next_seq) == root_of(log, log.next_seq)


def test_a_tree_made_anew_is_written_although_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node.store.log.TREE_UNWRITTEN_COUNT_MAX", 4)
    assert TREE_UNWRITTEN_COUNT_MAX > 4
    kv = MemoryKeyValue()
    log = grown(make_log(None, 10 * BLOCK_LEAF_COUNT, kv=kv, by=100))
    assert stored(kv) == []
    log.save_tree()
    assert len(stored(kv)) == 10 + 5 + 2 + 1
    log.save_tree()
    length = log.next_seq
    assert EventLog.open(NOWHERE, kv=kv).next_seq == length


def test_a_missing_node_or_record_is_damage_with_its_place() -> None:
    kv = MemoryKeyValue()
    log = grown(make_log(None, 2 * BLOCK_LEAF_COUNT, kv=kv))
    fill(log, log.next_seq + 1)
    batch = kv.new_batch()
    batch.delete(node_key(BLOCK_HEIGHT, BLOCK_LEAF_COUNT), TREE)
    batch.delete(seq_key(3), LOG)
    kv.write(batch)
    with pytest.raises(LogDamaged, match="node of the tree") as missing:
        log.tree.proof(BLOCK_LEAF_COUNT, 2 * BLOCK_LEAF_COUNT)
    assert (missing.value.first_seq, missing.value.last_seq) == (0, BLOCK_LEAF_COUNT - 1)
    with pytest.raises(LogDamaged, match="records are missing"):
        log.tree.proof(1, 2 * BLOCK_LEAF_COUNT)


def test_a_log_on_disk_keeps_its_tree(tmp_path: Path) -> None:
    log = grown(make_log(tmp_path, 3 * BLOCK_LEAF_COUNT))
    fill(log, log.next_seq + 1)
    root = log.tree.root(100)
    log.close()
    reading = EventLog.open(tmp_path, read_only=True)
    assert reading.tree.length == 3 * BLOCK_LEAF_COUNT
    assert reading.tree.root(100) == root
    assert grown(reading).tree.lag_count == 0
    reading.close()
