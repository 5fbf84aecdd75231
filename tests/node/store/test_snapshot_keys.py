"""The keys of a snapshot's large tables: read once, handed over, taken for that snapshot only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.store.memory import MemoryKeyValue
from node.store.read_ahead import parts_of
from node.store.snapshot_keys import (
    STORED_TABLES,
    NotGood,
    Part,
    ReadAhead,
    decode_read_ahead,
    encode_read_ahead,
    read_newest_keys,
    require_place,
    take_table,
)
from node.store.snapshot_loading import load_snapshot
from node.store.snapshots import encode_version, manifest_key, range_of, version_key
from tests.node.store.test_snapshot_loading import edit, paid, with_snapshots
from tests.support.snapshot_logs import SnapshotLog, fold_on, look

HALVES = (Part(b"channel|", 0, 128), Part(b"channel|", 128))


def read_parts(log: SnapshotLog, *parts: Part) -> bytes:
    """What another process would send."""
    found = read_newest_keys(log.kv, parts)
    assert found is not None, "there is a snapshot"
    return encode_read_ahead(found)


def read(log: SnapshotLog) -> ReadAhead:
    """Everything that is read ahead, as it arrives."""
    found = decode_read_ahead(read_parts(log, *parts_of(child)) for child in range(2))
    assert found is not None
    return found


def changed(ahead: ReadAhead, name: bytes, **fields: object) -> None:
    """Let the first part of that table say something else."""
    place = next(n for n, one in enumerate(ahead.parts) if one.part.name == name)
    ahead.parts[place] = replace(ahead.parts[place], **fields)


def test_a_state_begun_with_what_was_read_ahead_is_that_of_the_snapshot() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    assert {one.part.name for one in ahead.parts} == set(STORED_TABLES)
    loaded = load_snapshot(log.log, 30, ahead)
    assert (loaded.record_count, loaded.refused) == (30, ())
    assert ahead.parts == [], "it was taken up"
    assert look(loaded.state) == look(log.folded(30))
    assert loaded.state.sums.digest == loaded.state.digest()
    assert look(fold_on(log.log, loaded.state, 30)) == look(log.state)


def test_of_another_snapshot_it_says_nothing() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    for name in STORED_TABLES:
        changed(ahead, name, keys=[], places=[])
    edit(log, manifest_key(30), None)
    loaded = load_snapshot(log.log, log.log.next_seq, ahead)
    assert (loaded.record_count, loaded.refused) == (20, ())
    assert look(loaded.state) == look(log.folded(20))


@pytest.mark.parametrize("name", [b"channel|", b"objective|"])
def test_what_was_read_ahead_has_to_sum_to_the_digest(name: bytes) -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    changed(ahead, name, total=b"\x01" * 32)
    loaded = load_snapshot(log.log, log.log.next_seq, ahead)
    assert loaded.record_count == 20
    assert loaded.refused[0].reason == "what it holds does not sum to its digest"


def test_what_was_read_ahead_has_to_be_all() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    changed(ahead, b"objective|", keys=[], places=[])
    loaded = load_snapshot(log.log, log.log.next_seq, ahead)
    assert loaded.refused[0].reason == "it does not hold as much as it says"


def test_versions_of_newer_snapshots_are_named() -> None:
    log = with_snapshots(paid(), 20, 30)
    edit(log, manifest_key(30), None)
    expected = load_snapshot(log.log, log.log.next_seq)
    assert expected.newer_keys
    loaded = load_snapshot(log.log, log.log.next_seq, read(log))
    assert sorted(loaded.newer_keys) == sorted(expected.newer_keys)


def test_without_a_snapshot_there_is_nothing_to_read() -> None:
    assert read_newest_keys(MemoryKeyValue(), HALVES) is None
    assert decode_read_ahead([]) is None
    assert decode_read_ahead([b"", b"not ours"]) is None


# --- parts ---


def with_more_channels(count: int) -> SnapshotLog:
    """A snapshot in which keys of every first byte stand, in no order of theirs."""
    log = with_snapshots(paid(), 30)
    for number in range(1, count):
        key = bytes([number * 37 % 256]) * 32
        value = encode_version(b"channel|" + key, number, b"{}")
        edit(log, version_key(b"channel|", key, 30), value)
    return log


def test_halves_of_a_table_are_put_together_in_its_order() -> None:
    log = with_more_channels(200)
    halves = decode_read_ahead([read_parts(log, half) for half in HALVES])
    whole = decode_read_ahead([read_parts(log, Part(b"channel|"))])
    assert halves is not None
    assert whole is not None
    assert all(30 < len(half.keys) < 170 for half in halves.parts)
    together = take_table(halves, b"channel|")
    assert together == take_table(whole, b"channel|")
    assert together is not None
    assert together.places == list(range(200))
    assert halves.parts == []


def test_a_table_is_taken_up_with_all_its_parts_or_read_anew() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = decode_read_ahead([read_parts(log, HALVES[0])])
    assert ahead is not None
    assert take_table(ahead, b"objective|") is None
    loaded = load_snapshot(log.log, 30, ahead)
    assert (loaded.record_count, loaded.refused) == (30, ())
    assert look(loaded.state) == look(log.folded(30))


def test_parts_of_two_snapshots_are_not_put_together() -> None:
    log = with_snapshots(paid(), 20, 30)
    newer = read_parts(log, HALVES[0])
    edit(log, manifest_key(30), None)
    mixed = decode_read_ahead([newer, read_parts(log, HALVES[1])])
    assert mixed is not None
    assert [one.part for one in mixed.parts] == [HALVES[0]]


def test_all_children_together_read_every_stored_table() -> None:
    parts = [part for child in range(2) for part in parts_of(child)]
    for name in STORED_TABLES:
        ends = sorted((part.first, part.end) for part in parts if part.name == name)
        assert ends[0][0] == 0
        assert ends[-1][1] == 256
        assert [end for _, end in ends[:-1]] == [first for first, _ in ends[1:]]


def test_the_whole_of_a_table_is_what_lies_under_its_name() -> None:
    assert Part(b"channel|").between() == range_of(b"channel|")


def test_two_values_in_one_place_are_not_good() -> None:
    log = with_snapshots(paid(), 30)
    key = b"another"
    edit(log, version_key(b"objective|", key, 30), encode_version(b"objective|" + key, 0, b"{}"))
    with pytest.raises(NotGood, match="same place"):
        read_newest_keys(log.kv, [Part(b"objective|")])
    assert load_snapshot(log.log, log.log.next_seq).record_count == 0


def test_a_changed_place_is_not_good() -> None:
    stored = encode_version(b"t|a", 7, b"value")
    assert require_place(b"t|a", stored) == 7
    with pytest.raises(NotGood, match="a place in it was changed"):
        require_place(b"t|b", stored)
