"""The keys of a snapshot's large tables: read once, handed over, taken for that snapshot only."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.store.memory import MemoryKeyValue
from node.store.snapshot_keys import (
    STORED_TABLES,
    NotGood,
    ReadAhead,
    decode_read_ahead,
    encode_read_ahead,
    read_newest_keys,
    require_place,
)
from node.store.snapshot_loading import load_snapshot
from node.store.snapshots import encode_version, manifest_key, version_key
from tests.node.store.test_snapshot_loading import edit, paid, with_snapshots
from tests.support.snapshot_logs import SnapshotLog, fold_on, look


def read(log: SnapshotLog) -> ReadAhead:
    """What another process would read, and send."""
    found = read_newest_keys(log.kv)
    assert found is not None, "there is a snapshot"
    decoded = decode_read_ahead(encode_read_ahead(found))
    assert decoded == found
    return decoded


def test_a_state_begun_with_what_was_read_ahead_is_that_of_the_snapshot() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    assert set(ahead.tables) == set(STORED_TABLES)
    loaded = load_snapshot(log.log, 30, ahead)
    assert (loaded.record_count, loaded.refused) == (30, ())
    assert ahead.tables == {}, "it was taken up"
    assert look(loaded.state) == look(log.folded(30))
    assert loaded.state.sums.digest == loaded.state.digest()
    assert look(fold_on(log.log, loaded.state, 30)) == look(log.state)


def test_of_another_snapshot_it_says_nothing() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    for table in ahead.tables.values():
        table.keys.clear()
    edit(log, manifest_key(30), None)
    loaded = load_snapshot(log.log, log.log.next_seq, ahead)
    assert (loaded.record_count, loaded.refused) == (20, ())
    assert look(loaded.state) == look(log.folded(20))


@pytest.mark.parametrize("name", [b"channel|", b"objective|"])
def test_what_was_read_ahead_has_to_sum_to_the_digest(name: bytes) -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    ahead.tables[name] = replace(ahead.tables[name], total=bytes(32))
    loaded = load_snapshot(log.log, log.log.next_seq, ahead)
    assert loaded.record_count == 20
    assert loaded.refused[0].reason == "what it holds does not sum to its digest"


def test_what_was_read_ahead_has_to_be_all() -> None:
    log = with_snapshots(paid(), 20, 30)
    ahead = read(log)
    ahead.tables[b"objective|"].keys.clear()
    ahead.tables[b"objective|"].places.clear()
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
    assert read_newest_keys(MemoryKeyValue()) is None
    assert decode_read_ahead(b"") is None
    assert decode_read_ahead(b"not ours") is None


def test_two_values_in_one_place_are_not_good() -> None:
    log = with_snapshots(paid(), 30)
    key = b"another"
    edit(log, version_key(b"objective|", key, 30), encode_version(b"objective|" + key, 0, b"{}"))
    with pytest.raises(NotGood, match="same place"):
        read_newest_keys(log.kv)
    assert load_snapshot(log.log, log.log.next_seq).record_count == 0


def test_a_changed_place_is_not_good() -> None:
    stored = encode_version(b"t|a", 7, b"value")
    assert require_place(b"t|a", stored) == 7
    with pytest.raises(NotGood, match="a place in it was changed"):
        require_place(b"t|b", stored)
