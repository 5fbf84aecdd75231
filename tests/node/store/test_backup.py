"""Copies of a log: what they say of themselves, and what is refused as one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from node.store import backup, reducer_files
from node.store.errors import BackupReducerUnusable, BackupUnusable
from node.store.kv import KeyValueError
from node.store.limits import REDUCER_COUNT_MAX
from node.store.log import EventLog
from tests.support.logs import GENESIS, TIME_MS, fill, make_log


def backup_of(log: EventLog, target: Path) -> Path:
    """What `tally backup` makes of an open log."""
    target.mkdir()
    manifest = backup.manifest_of(log, TIME_MS)
    log.disk().copy_to(target / "data")
    backup.write_manifest(target / "data", manifest)
    return target


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    log = make_log(tmp_path / "live", 25)
    made = backup_of(log, tmp_path / "copy")
    log.close()
    return made


def test_a_copy_of_a_log_that_is_written_on_is_the_log_as_it_was(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 25)
    log.disk().begin_flush()
    while log.disk().is_flushing():
        pass
    fill(log, 30)
    made, chain_hash = backup_of(log, tmp_path / "copy"), log.chain_hash
    fill(log, 60)
    log.close()
    manifest = backup.verified(made)
    assert (manifest.records, manifest.chain_hash) == (30, "0x" + chain_hash.hex())
    assert manifest.node_address == "0x" + GENESIS.node_address.hex()
    copy = EventLog.open(made / "data")
    assert (copy.next_seq, copy.chain_hash, copy.tail_cut) == (30, chain_hash, None)
    copy.close()


def test_a_directory_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with backup.made_whole(tmp_path / "copy") as partial:
        (partial / "file").write_bytes(b"all of it")
        assert not (tmp_path / "copy").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_half_a_directory_is_gone_whatever_stopped_it(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def stopped() -> None:
        with backup.made_whole(tmp_path / "copy") as partial:
            (partial / "file").write_bytes(b"half of it")
            raise error

    with pytest.raises(error):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 2)
    (tmp_path / "taken").mkdir()
    with pytest.raises(KeyValueError):
        log.disk().copy_to(tmp_path / "taken")
    log.close()


def test_a_backup_is_found_by_its_own_name_or_by_that_of_its_data(copied: Path) -> None:
    assert backup.verified(copied) == backup.verified(copied / "data")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("records", 24),
        ("chain_hash", "0x" + "00" * 32),
        ("node_address", "0x" + "00" * 20),
        ("chain_id", 1),
        ("adjudicator", "0x" + "00" * 20),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    copied: Path, field: str, value: object
) -> None:
    manifest = backup.read_manifest(copied / "data")
    assert manifest is not None
    backup.write_manifest(copied / "data", msgspec.structs.replace(manifest, **{field: value}))
    with pytest.raises(BackupUnusable, match=field):
        backup.verified(copied)


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b'{"format_version": 1}'])
def test_a_manifest_that_is_none_is_refused_and_never_forgotten(copied: Path, text: bytes) -> None:
    (copied / "data" / backup.MANIFEST_NAME).write_bytes(text)
    with pytest.raises(BackupUnusable):
        backup.read_manifest(copied / "data")


def test_a_manifest_of_a_later_program_is_refused(copied: Path) -> None:
    manifest = backup.read_manifest(copied / "data")
    assert manifest is not None
    later = msgspec.structs.replace(manifest, format_version=3)
    backup.write_manifest(copied / "data", later)
    with pytest.raises(BackupUnusable, match="later"):
        backup.read_manifest(copied / "data")


def test_what_has_no_manifest_is_no_backup(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 2)
    log.close()
    for path in (tmp_path / "live", tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BackupUnusable, match=r"BACKUP\.json"):
            backup.verified(path)


def test_a_backup_with_a_damaged_record_is_refused(copied: Path) -> None:
    (table,) = [file for file in (copied / "data").glob("*.sst") if file.stat().st_size > 2_000]
    data = bytearray(table.read_bytes())
    data[200] ^= 1
    # The tables of a copy may be links to those of the log it is of.
    table.unlink()
    table.write_bytes(data)
    with pytest.raises(BackupUnusable):
        backup.verified(copied)


def test_a_backup_without_its_log_is_refused(copied: Path) -> None:
    (copied / "data" / "CURRENT").unlink()
    with pytest.raises(BackupUnusable):
        backup.verified(copied)


def test_a_manifest_is_forgotten_once_and_for_all(copied: Path) -> None:
    backup.forget_manifest(copied / "data")
    assert backup.read_manifest(copied / "data") is None
    backup.forget_manifest(copied / "data")


def test_files_are_copied_but_for_the_lock(copied: Path, tmp_path: Path) -> None:
    (copied / "data" / backup.LOCK_NAME).touch()
    done = backup.copy_files(copied / "data", tmp_path / "again")
    names = {file.name for file in (tmp_path / "again").iterdir()}
    assert backup.LOCK_NAME not in names
    assert backup.MANIFEST_NAME in names
    assert done == backup.measured(tmp_path / "again")
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    backup.verified(tmp_path / "again")


def test_a_restore_that_stopped_half_way_is_noticed_before_a_log_begins_anew(
    copied: Path, tmp_path: Path
) -> None:
    data = tmp_path / "home" / "data"
    data.parent.mkdir()
    backup.require_in_place(data)
    (copied / "data").rename(backup.incoming_of(data))
    with pytest.raises(BackupUnusable, match="interrupted"):
        backup.require_in_place(data)
    backup.put_in_place(data, backup.incoming_of(data), tmp_path / "aside")
    backup.require_in_place(data)


def with_a_reducer(copied: Path, code: bytes = b"code") -> Path:
    """The backup as it is with one reducer in it; the reducer's file."""
    manifest, name = backup.read_manifest(copied / "data"), hashlib.sha256(code).digest()
    assert manifest is not None
    backup.write_manifest(copied / "data", backup.with_reducers(manifest, [name]))
    file = reducer_files.path_in(copied / "reducers", name)
    file.parent.mkdir()
    file.write_bytes(code)
    return file


def test_a_backup_is_checked_with_its_reducers(copied: Path) -> None:
    file = with_a_reducer(copied)
    for source in (copied, copied / "data"):
        assert [file.stem] == [name.hex() for name in backup.verified(source).reducer_hashes]
        assert backup.reducers_of(source) == file.parent
    file.write_bytes(b"other code")
    with pytest.raises(BackupReducerUnusable, match="not what was copied"):
        backup.verified(copied)
    file.unlink()
    with pytest.raises(BackupReducerUnusable, match="missing"):
        backup.verified(copied)


def test_a_backup_of_before_there_were_reducers_in_it_is_read_as_ever(copied: Path) -> None:
    path = copied / "data" / backup.MANIFEST_NAME
    fields = msgspec.json.decode(path.read_bytes())
    del fields["reducers"]
    path.write_bytes(msgspec.json.encode({**fields, "format_version": 1}))
    manifest = backup.verified(copied)
    assert (manifest.format_version, manifest.records, manifest.reducers) == (1, 25, ())


def test_a_manifest_has_room_for_all_reducers_and_for_no_more(copied: Path) -> None:
    manifest = backup.read_manifest(copied / "data")
    assert manifest is not None
    names = [number.to_bytes(32, "big") for number in range(REDUCER_COUNT_MAX + 1)]
    full = backup.with_reducers(manifest, names[:-1])
    backup.write_manifest(copied / "data", full)
    assert backup.read_manifest(copied / "data") == full
    backup.write_manifest(copied / "data", backup.with_reducers(manifest, names))
    with pytest.raises(BackupUnusable, match="cannot be read"):
        backup.read_manifest(copied / "data")
