"""The processes that read a large snapshot while the daemon is being loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.store import read_ahead
from node.store.log import EventLog
from node.store.snapshot_keys import decode_read_ahead, read_newest_keys
from node.store.snapshot_loading import load_snapshot
from node.store.snapshot_writing import SnapshotWriting
from protocols.node_state import NodeState, apply
from tests.node.store.test_snapshot_loading import paid
from tests.support.snapshot_logs import look


def write_log(path: Path) -> NodeState:
    """A closed log on disk with a snapshot at its end; the state it folds to."""
    log, state = EventLog.open(path), NodeState()
    for time_ms, event in paid():
        batch = log.begin(time_ms)
        batch.append(event, None)
        log.commit(batch)
        apply(state, event, time_ms)
    writing = SnapshotWriting(log, state)
    while writing.advance(1_000, lambda: False) is None:
        pass
    log.close()
    return state


def test_children_read_what_the_parent_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = write_log(tmp_path / "data")
    monkeypatch.setattr(read_ahead, "SIZE_BYTES_MIN", 1)
    found = decode_read_ahead(read_ahead.read_ahead(tmp_path / "data"))
    assert found is not None
    log = EventLog.open(tmp_path / "data")
    try:
        everything = [part for child in range(2) for part in read_ahead.parts_of(child)]
        assert found == read_newest_keys(log.store, everything)
        loaded = load_snapshot(log, log.next_seq, found)
        assert found.parts == [], "it was taken up"
        assert loaded.record_count == log.next_seq
        assert look(loaded.state) == look(state)
    finally:
        log.close()


def test_a_small_store_is_not_worth_a_process(tmp_path: Path) -> None:
    write_log(tmp_path / "data")
    assert read_ahead.read_ahead(tmp_path / "data") == []
    assert read_ahead.read_ahead(tmp_path / "nothing") == []


def test_a_store_that_does_not_open_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start that follows opens it too, and says what is wrong."""
    monkeypatch.setattr(read_ahead, "SIZE_BYTES_MIN", 1)
    (tmp_path / "000007.sst").write_bytes(b"no table")
    assert read_ahead.read_ahead(tmp_path) == []


def test_without_a_snapshot_nothing_is_handed_over(tmp_path: Path) -> None:
    EventLog.open(tmp_path / "data").close()
    assert read_ahead.read_newest(tmp_path / "data", 0) == b""
