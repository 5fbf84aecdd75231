"""The daemon's refusals name the file and the records it can hold."""

import shutil
from pathlib import Path

import pytest

from node.store import damage, tail
from node.store.errors import LogDamaged
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.rocks import RocksKeyValue
from tests.support.logs import flip, make_log, newest


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stopped")
    make_log(path, 300).close()
    return path


@pytest.fixture
def copy(stopped: Path, tmp_path: Path) -> Path:
    shutil.copytree(stopped, tmp_path / "copy")
    return tmp_path / "copy"


def refusal(path: Path) -> LogDamaged:
    with pytest.raises(LogDamaged) as caught:
        EventLog.open(path)
    return caught.value


def largest_table(path: Path) -> Path:
    return max(path.glob("*.sst"), key=lambda file: file.stat().st_size)


def test_the_file_in_rocksdbs_words_is_found() -> None:
    assert damage.file_in("Corruption: x in /a/b/000012.sst offset 3") == "000012.sst"
    assert damage.file_in("While opening a file: /a/MANIFEST-000005: No") == "MANIFEST-000005"
    assert damage.file_in("CURRENT file corrupted") == "CURRENT"
    assert damage.file_in("checksum mismatch") is None


def test_a_table_that_does_not_open_is_named_with_its_records(copy: Path) -> None:
    table = largest_table(copy)
    flip(table, table.stat().st_size - 1)
    error = refusal(copy)
    assert (error.file, error.first_seq, error.last_seq) == (table.name, 0, 299)


def test_a_table_of_another_family_has_no_records_to_lose(copy: Path) -> None:
    table = largest_table(copy)
    others = [file for file in copy.glob("*.sst") if file != table]
    for file in others:
        flip(file, file.stat().st_size - 1)
    error = refusal(copy)
    assert error.file in {file.name for file in others}
    assert (error.first_seq, error.last_seq) == (None, None)


def test_a_flipped_manifest_is_named(copy: Path) -> None:
    manifest = next(copy.glob("MANIFEST-*"))
    flip(manifest, manifest.stat().st_size // 2)
    error = refusal(copy)
    assert (error.file, error.first_seq, error.last_seq) == (manifest.name, 0, None)


def test_a_missing_table_is_named(copy: Path) -> None:
    table = largest_table(copy)
    table.unlink()
    assert refusal(copy).file == table.name


def test_a_flipped_write_is_named_with_its_records(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 100)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    log.close()
    file = newest(tmp_path / "copy", ".log")
    flip(file, file.stat().st_size // 2)
    error = refusal(tmp_path / "copy")
    assert error.file == file.name
    assert error.first_seq is not None
    assert error.last_seq == error.first_seq + 9
    assert "checksum mismatch" in error.reason


@pytest.mark.parametrize("by", [100, 10])
def test_a_last_write_with_its_length_and_not_its_content_is_named(by: int, tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 100, by=by)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    log.close()
    file = newest(tmp_path / "copy", ".log")
    flip(file, file.stat().st_size - 1)
    error = refusal(tmp_path / "copy")
    assert (error.file, error.first_seq, error.last_seq) == (
        file.name,
        1 if by == 100 else 91,
        None,
    )


def test_a_file_without_a_whole_record_has_no_length(tmp_path: Path) -> None:
    (tmp_path / "000004.log").write_bytes(b"")
    assert tail.length_of(tmp_path / "000004.log") is None


def test_a_directory_that_opens_in_no_way_keeps_rocksdbs_words(copy: Path) -> None:
    error = damage.unopenable(copy, "Corruption: in 000999.sst")
    assert (error.file, error.first_seq) == ("000999.sst", None)
    manifest = next(copy.glob("MANIFEST-*"))
    (copy / "MANIFEST-999998").write_bytes(b"")
    (copy / "CURRENT").write_bytes(b"MANIFEST-999998\n")
    error = damage.unopenable(copy, "Corruption: in 000999.sst")
    assert (error.file, error.reason) == ("000999.sst", "Corruption: in 000999.sst")
    assert manifest.exists()
    error = damage.unopenable(copy, "Corruption: something")
    assert error.file is None


def test_only_a_table_of_records_has_a_range(copy: Path) -> None:
    store = RocksKeyValue.open_beside(copy)
    assert damage.seqs_in(store, largest_table(copy).name) == (0, 299)
    ranges = [damage.seqs_in(store, file.name) for file in copy.glob("*.sst")]
    assert [found for found in ranges if found is not None] == [(0, 299)]
    table = largest_table(copy).name
    assert damage.unreadable(store, f"bad block in {table}", 17).last_seq == 299
    assert damage.unreadable(store, f"bad block in {table}", None).last_seq is None
    store.close()
    assert damage.unreadable(MemoryKeyValue(), f"bad block in {table}", 17).last_seq is None
