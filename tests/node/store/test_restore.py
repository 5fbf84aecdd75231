"""A backup in the place of a log: what is kept, what is refused, and by which words it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace as with_fields

from node.store import backup
from node.store.errors import BackupReducerUnusable, BackupUnusable, LogInUse, RestoreRefused
from node.store.log import EventLog
from node.store.restore import FORCE_WORDS, restore
from tests.node.store.test_backup import backup_of, with_a_reducer
from tests.support.logs import GENESIS, TIME_MS, fill, make_log, newest


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A backup of 25 records of a log that went on to 40."""
    log = make_log(tmp_path / "data", 25)
    made = backup_of(log, tmp_path / "copy")
    fill(log, 40)
    log.close()
    return made


def length(path: Path) -> int:
    log = EventLog.open(path, read_only=True)
    try:
        return log.next_seq
    finally:
        log.close()


def test_where_there_is_no_log_it_is_put_in_place(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "new home" / "data"
    done = restore(copied, data)
    assert (done.aside, done.lost_count, done.manifest.records) == (None, 0, 25)
    assert length(data) == 25
    assert backup.read_manifest(data) == done.manifest
    assert sorted(path.name for path in data.parent.iterdir()) == ["data"]


def test_a_longer_log_is_not_replaced_without_the_words(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for words in ("", "yes", FORCE_WORDS.upper()):
        with pytest.raises(RestoreRefused, match="the last 15 would be forgotten"):
            restore(copied, data, force=words)
    assert length(data) == 40
    done = restore(copied, data, force=FORCE_WORDS)
    assert length(data) == 25
    assert done.lost_count == 15
    assert done.aside is not None
    assert length(done.aside) == 40


def test_a_log_as_long_as_the_backup_is_not_replaced(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    restore(copied, data)
    with pytest.raises(RestoreRefused):
        restore(copied, data)


def test_a_shorter_log_is_replaced_and_kept(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "short"
    make_log(data, 3).close()
    done = restore(copied, data)
    assert (length(data), done.lost_count) == (25, 0)
    assert done.aside is not None
    assert length(done.aside) == 3


def test_a_log_that_cannot_be_read_is_replaced_and_kept(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    newest(data, ".sst").unlink()
    done = restore(copied, data)
    assert (length(data), done.lost_count) == (25, None)
    assert done.aside is not None
    assert any(done.aside.iterdir())


def test_another_nodes_log_is_not_replaced(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "others"
    log = EventLog.open(data)
    batch = log.begin(TIME_MS)
    batch.append(with_fields(GENESIS, node_address=b"\x01" * 20))
    log.commit(batch)
    log.close()
    with pytest.raises(RestoreRefused, match="is the log of"):
        restore(copied, data, force=FORCE_WORDS)
    assert length(data) == 1


def test_a_log_that_is_open_is_not_replaced(copied: Path, tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "data")
    with pytest.raises(LogInUse):
        restore(copied, tmp_path / "data", force=FORCE_WORDS)
    log.close()


def test_a_backup_that_is_not_whole_replaces_nothing(copied: Path, tmp_path: Path) -> None:
    (copied / "data" / "CURRENT").unlink()
    with pytest.raises(BackupUnusable):
        restore(copied, tmp_path / "data", force=FORCE_WORDS)
    assert length(tmp_path / "data") == 40


def test_what_an_interrupted_restore_left_is_replaced(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.rmtree(data)
    backup.incoming_of(data).mkdir()
    (backup.incoming_of(data) / "000001.sst").touch()
    restore(copied, data)
    assert length(data) == 25
    backup.require_in_place(data)


def test_two_restores_within_a_second_keep_both_logs(copied: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = [restore(copied, data, force=FORCE_WORDS).aside for _ in range(3)]
    assert len(set(kept)) == 3
    assert all(path is not None and path.exists() for path in kept)


def test_a_restored_log_can_be_written_on(copied: Path, tmp_path: Path) -> None:
    done = restore(copied, tmp_path / "data", force=FORCE_WORDS)
    log = EventLog.open(done.data)
    fill(log, 33)
    log.close()
    assert length(done.data) == 33
    assert done.manifest == backup.verified(copied)


def test_its_reducers_are_put_back_before_the_log_is_in_place(copied: Path, tmp_path: Path) -> None:
    file, data = with_a_reducer(copied), tmp_path / "new home" / "data"
    restore(copied, data)
    assert (tmp_path / "new home" / "data-apps" / "reducers" / file.name).read_bytes() == b"code"
    file.write_bytes(b"other code")
    with pytest.raises(BackupReducerUnusable):
        restore(copied, tmp_path / "third home" / "data")
    assert not (tmp_path / "third home").exists()
