"""Torn tails are cut and remembered; everything else at the end of a log is damage (M28)."""

import shutil
from pathlib import Path

import pytest

from node.store import tail, wal
from node.store.errors import LogDamaged
from node.store.log import EventLog
from node.store.tail import TailCut
from tests.support.logs import flip, make_log, newest


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The directory of a process that was killed: 200 records, all in the write-ahead log."""
    log = make_log(tmp_path / "live", 200)
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    log.close()
    return tmp_path / "crashed"


def last_write(file: Path) -> wal.Part:
    return wal.walk(file.read_bytes()).entries[-1][0]


def truncate(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def test_a_whole_log_has_no_cut(crashed: Path, tmp_path: Path) -> None:
    assert tail.inspect(crashed) is None
    assert tail.inspect(tmp_path / "live") is None
    assert tail.inspect(tmp_path / "nothing here") is None


def test_a_torn_last_write_is_a_cut_with_its_size(crashed: Path) -> None:
    file = newest(crashed, ".log")
    part = last_write(file)
    truncate(file, part.offset + 30)
    assert tail.inspect(crashed) == TailCut(file.name, 30)


def test_a_wrong_length_before_the_last_write_is_damage_with_its_records(crashed: Path) -> None:
    file = newest(crashed, ".log")
    # Batches: records 0, 1-10, 11-20, ..., 191-199.
    victim = wal.walk(file.read_bytes()).entries[-3][0]
    flip(file, victim.offset + 5, 0x40)
    with pytest.raises(LogDamaged) as caught:
        tail.inspect(crashed)
    assert (caught.value.first_seq, caught.value.last_seq) == (171, 180)
    assert caught.value.file == file.name


def test_damage_at_the_very_beginning_leaves_the_first_record_open(crashed: Path) -> None:
    file = newest(crashed, ".log")
    flip(file, 6, 0x40)
    with pytest.raises(LogDamaged) as caught:
        tail.inspect(crashed)
    assert (caught.value.first_seq, caught.value.last_seq) == (None, 0)


def test_only_the_newest_file_may_be_torn(crashed: Path) -> None:
    file = newest(crashed, ".log")
    truncate(file, last_write(file).offset + 30)
    (crashed / "999999.log").write_bytes(b"")
    with pytest.raises(LogDamaged, match="30 bytes") as caught:
        tail.inspect(crashed)
    assert (caught.value.first_seq, caught.value.last_seq) == (191, None)


def test_a_cut_that_is_remembered_is_no_damage_behind_a_newer_file(crashed: Path) -> None:
    file = newest(crashed, ".log")
    truncate(file, last_write(file).offset + 30)
    tail.remember(crashed, TailCut(file.name, 30))
    (crashed / "999999.log").write_bytes(b"")
    assert tail.inspect(crashed) == TailCut(file.name, 30)


def test_a_manifest_that_ends_in_half_an_entry_is_damage(crashed: Path) -> None:
    manifest = tail.manifest_file(crashed)
    assert manifest is not None
    truncate(manifest, manifest.stat().st_size - 1)
    with pytest.raises(LogDamaged, match="no complete entry") as caught:
        tail.inspect(crashed)
    assert caught.value.file == manifest.name


@pytest.mark.parametrize("content", [b"MANIFEST-000005", b"MANIFEST-777777\n", b"", b"\xff\n"])
def test_a_current_that_names_no_manifest_is_damage(content: bytes, crashed: Path) -> None:
    (crashed / "CURRENT").write_bytes(content)
    assert tail.manifest_file(crashed) is None
    with pytest.raises(LogDamaged) as caught:
        tail.inspect(crashed)
    assert (caught.value.file, caught.value.first_seq) == ("CURRENT", 0)


def test_a_missing_current_beside_records_is_damage_and_not_a_new_log(
    crashed: Path, tmp_path: Path
) -> None:
    for path in (crashed, tmp_path / "live"):
        (path / "CURRENT").unlink()
        with pytest.raises(LogDamaged, match="there are records") as caught:
            EventLog.open(path)
        assert caught.value.file == "CURRENT"


def test_a_verifying_look_finds_a_flipped_byte_that_headers_do_not_show(crashed: Path) -> None:
    file = newest(crashed, ".log")
    entries = wal.walk(file.read_bytes()).entries
    flip(file, entries[5][0].start + 60)
    assert tail.inspect(crashed) is None
    with pytest.raises(LogDamaged) as caught:
        tail.inspect(crashed, verify=True)
    assert (caught.value.first_seq, caught.value.last_seq) == (41, 50)
    manifest = tail.manifest_file(crashed)
    assert manifest is not None
    flip(manifest, 20)
    with pytest.raises(LogDamaged) as caught:
        tail.inspect(crashed, verify=True)
    assert caught.value.file == manifest.name


def test_a_cut_is_remembered_until_it_is_forgotten(tmp_path: Path) -> None:
    assert tail.remembered(tmp_path) is None
    tail.remember(tmp_path, TailCut("000004.log", 12))
    assert tail.remembered(tmp_path) == TailCut("000004.log", 12)
    tail.forget(tmp_path)
    tail.forget(tmp_path)
    assert tail.remembered(tmp_path) is None


def test_beside_a_writer_only_what_stays_broken_is_reported(
    crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = newest(crashed, ".log")
    whole = file.read_bytes()
    truncate(file, len(whole) - 5)
    monkeypatch.setattr(tail.time, "sleep", lambda _: file.write_bytes(whole))
    assert tail.inspect_live(crashed) is None
    monkeypatch.undo()
    truncate(file, len(whole) - 5)
    assert tail.inspect_live(crashed) == tail.inspect(crashed) != None  # noqa: E711


def test_beside_a_writer_lasting_damage_is_still_damage(crashed: Path) -> None:
    flip(newest(crashed, ".log"), 6, 0x40)
    with pytest.raises(LogDamaged):
        tail.inspect_live(crashed)
