"""Snapshots are written in slices beside a state that goes on, and are whole or not there."""

from __future__ import annotations

import pytest

from node.store.errors import LogWriteFailed
from node.store.kv import SNAPSHOTS, KeyValueError, WriteBatch
from node.store.memory import MemoryKeyValue
from node.store.snapshot_loading import load_snapshot, restore_state
from node.store.snapshot_writing import SnapshotWriting
from node.store.snapshots import manifests
from tests.support.network import opened, pay
from tests.support.snapshot_logs import Recorded, SnapshotLog, look


def paid(count: int) -> list[Recorded]:
    network = opened()
    for number in range(1, count + 1):
        pay(network, 10, number)
        network.settle()
    return network.bob.log


RECORDED = paid(8)


def begun(count: int, kv: MemoryKeyValue | None = None) -> tuple[SnapshotLog, SnapshotWriting]:
    log = SnapshotLog(kv)
    log.write(RECORDED[:count])
    return log, SnapshotWriting(log.log, log.state)


def test_what_happens_while_a_snapshot_is_written_is_not_in_it() -> None:
    log, writing = begun(20)
    expected = look(log.folded())
    rest = list(RECORDED[20:])
    while writing.advance(1, lambda: False) is None:
        log.write([rest.pop(0)] if rest else [])
    assert log.log.next_seq > 20
    state, seq = restore_state(log.log)
    assert (seq, look(state)) == (20, expected)
    log.snapshot()
    assert look(restore_state(log.log)[0]) == look(log.folded())


def test_a_snapshot_without_its_manifest_is_not_there_and_a_start_removes_what_it_wrote() -> None:
    log, writing = begun(20)
    assert writing.advance(3, lambda: False) is None
    assert list(manifests(log.kv)) == []
    assert restore_state(log.log)[1] == 0
    assert list(log.kv.iterate(SNAPSHOTS)) != []
    again = log.restarted()
    assert list(again.kv.iterate(SNAPSHOTS)) == []


def test_what_was_written_behind_the_newest_whole_one_is_removed_by_a_start() -> None:
    log, writing = begun(20)
    while writing.advance(64, lambda: False) is None:
        pass
    whole = list(log.kv.iterate(SNAPSHOTS))
    log.write(RECORDED[20:30])
    assert SnapshotWriting(log.log, log.state).advance(2, lambda: False) is None
    assert len(list(log.kv.iterate(SNAPSHOTS))) > len(whole)
    again = log.restarted()
    assert list(again.kv.iterate(SNAPSHOTS)) == whole
    assert look(again.state) == look(again.folded())


def test_newer_snapshots_that_are_not_good_are_removed_with_their_versions() -> None:
    log, writing = begun(20)
    while writing.advance(64, lambda: False) is None:
        pass
    whole = list(log.kv.iterate(SNAPSHOTS))
    log.write(RECORDED[20:])
    manifest = log.snapshot()
    assert manifest.record_count == len(RECORDED)
    loaded = load_snapshot(log.log, 20)
    assert loaded.record_count == 20
    assert loaded.newer_keys != []
    batch = log.kv.new_batch()
    batch.put(b"manifest|" + len(RECORDED).to_bytes(8, "big"), b"damaged", SNAPSHOTS)
    log.kv.write_unlogged(batch)
    again = log.restarted()
    assert list(again.kv.iterate(SNAPSHOTS)) == whole


def test_what_did_not_change_is_not_written_again() -> None:
    log, writing = begun(20)
    while writing.advance(64, lambda: False) is None:
        pass
    assert writing.version_count > 4
    log.write(RECORDED[20:21])
    second = SnapshotWriting(log.log, log.state)
    while second.advance(64, lambda: False) is None:
        pass
    assert 0 < second.version_count <= 2


def test_what_came_back_to_a_table_keeps_its_new_place() -> None:
    log = SnapshotLog()
    log.write(RECORDED[:20])
    mined = log.state.unconfirmed.mined
    for intent_id in (b"a", b"b", b"c"):
        mined[intent_id] = 7
    log.snapshot()
    log.write(RECORDED[20:21])
    mined[b"a"] = mined.pop(b"a")
    writing = SnapshotWriting(log.log, log.state)
    mined[b"b"] = mined.pop(b"b")  # Not in this one.
    del mined[b"c"]
    while writing.advance(1, lambda: False) is None:
        pass
    held = load_snapshot(log.log, 21).state.unconfirmed.mined
    assert list(held) == [b"b", b"c", b"a"]


def test_a_slice_ends_when_it_is_time() -> None:
    _, writing = begun(30)
    asked: list[int] = []

    def is_time() -> bool:
        asked.append(writing.version_count)
        return True

    assert writing.advance(10**6, is_time) is None
    assert asked == [1]


def test_the_digest_is_of_the_moment_the_snapshot_was_begun() -> None:
    log, writing = begun(25)
    digest = log.state.digest()
    log.write(RECORDED[25:])
    while (manifest := writing.advance(64, lambda: False)) is None:
        pass
    assert (manifest.digest, manifest.record_count) == (digest, 25)
    assert manifest.chain_hash == log.log.chain_at(24)
    assert manifest.entity_count == len(list(log.folded(25).entities()))


class Full(MemoryKeyValue):
    """No room for what is derived."""

    def write_unlogged(self, batch: WriteBatch) -> None:
        raise KeyValueError("no space left on device")


def test_a_write_that_fails_is_a_failed_write() -> None:
    with pytest.raises(LogWriteFailed, match="no space left"):
        SnapshotLog(Full())
    log, _ = begun(20)
    full = Full.write_unlogged.__get__(log.kv)
    log.kv.write_unlogged = full  # type: ignore[method-assign]
    with pytest.raises(LogWriteFailed, match="no space left"):
        log.snapshot()
