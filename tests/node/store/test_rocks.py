"""RocksDB's own traps, each shown once against the real library."""

import random
import shutil
from pathlib import Path

import pytest
from rocksdict import Rdict

from node.store.kv import (
    FAMILIES,
    LOG,
    SNAPSHOTS,
    KeyValueBusy,
    KeyValueDamaged,
    KeyValueError,
)
from node.store.rocks import (
    BLOCK_CACHE_SIZE_BYTES,
    MEMTABLE_SIZE_BYTES,
    OPEN_FILE_COUNT_MAX,
    WAL_SIZE_BYTES_MAX,
    RocksKeyValue,
    options,
    refused_opening,
)
from tests.support.logs import flip, newest


def fill(path: Path, count: int) -> RocksKeyValue:
    store = RocksKeyValue(path)
    for number in range(count):
        batch = store.new_batch()
        batch.put(number.to_bytes(8, "big"), bytes([number % 251]) * 300, store.handle(LOG))
        store.write(batch)
    return store


def test_content_survives_a_clean_close(tmp_path: Path) -> None:
    fill(tmp_path, 20).close()
    store = RocksKeyValue(tmp_path)
    assert len(list(store.iterate(LOG))) == 20
    store.close()


def test_the_database_runs_within_our_bounds(tmp_path: Path) -> None:
    fill(tmp_path, 1).close()
    written = max(tmp_path.glob("OPTIONS-*")).read_text().split()
    assert f"max_total_wal_size={WAL_SIZE_BYTES_MAX}" in written
    assert f"max_open_files={OPEN_FILE_COUNT_MAX}" in written
    assert written.count(f"write_buffer_size={MEMTABLE_SIZE_BYTES}") >= len(FAMILIES)


@pytest.mark.slow
def test_what_was_written_stays_in_small_logs_and_is_all_read_again(tmp_path: Path) -> None:
    store = RocksKeyValue(tmp_path)
    batch_size, count = 1024 * 1024, 3 * WAL_SIZE_BYTES_MAX // (1024 * 1024)
    for number in range(count):
        batch = store.new_batch()
        batch.put(
            number.to_bytes(8, "big"),
            random.Random(number).randbytes(batch_size),
            store.handle(LOG),
        )
        store.write(batch)
    logs_size = sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    assert logs_size <= 2 * WAL_SIZE_BYTES_MAX
    assert len(list(store.iterate(LOG))) == count
    store.close()


def unlogged(store: RocksKeyValue, number: int) -> None:
    batch = store.new_batch()
    batch.put(number.to_bytes(8, "big"), b"derived", store.handle(SNAPSHOTS))
    store.write_unlogged(batch)


def numbers(store: RocksKeyValue, family: str) -> list[int]:
    return [int.from_bytes(key, "big") for key, _ in store.iterate(family)]


def test_a_crash_loses_unlogged_writes_behind_the_last_flush_and_nothing_else(
    tmp_path: Path,
) -> None:
    store = fill(tmp_path / "live", 5)
    unlogged(store, 1)
    unlogged(store, 2)
    store.flush(SNAPSHOTS, wait=True)
    unlogged(store, 3)
    shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    unlogged(store, 4)
    store.close()
    crashed, closed = (RocksKeyValue(tmp_path / name) for name in ("crashed", "live"))
    assert (numbers(crashed, SNAPSHOTS), numbers(closed, SNAPSHOTS)) == ([1, 2], [1, 2, 3, 4])
    assert numbers(crashed, LOG) == numbers(closed, LOG) == list(range(5))
    crashed.close()
    closed.close()


def test_a_flush_that_fails_says_so(tmp_path: Path) -> None:
    store = fill(tmp_path, 1)
    store.close()
    with pytest.raises(KeyValueError, match="closed"):
        store.flush(SNAPSHOTS, wait=True)


def test_a_second_opener_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    store = fill(tmp_path, 1)
    with pytest.raises(KeyValueBusy):
        RocksKeyValue(tmp_path)
    store.close()
    RocksKeyValue(tmp_path).close()


def test_a_reader_beside_a_live_writer_sees_what_was_written_until_it_opened(
    tmp_path: Path,
) -> None:
    store = fill(tmp_path, 5)
    reader = RocksKeyValue.open_beside(tmp_path)
    batch = store.new_batch()
    batch.put(b"later", b"", store.handle(LOG))
    store.write(batch)
    assert len(list(reader.iterate(LOG))) == 5
    reader.close()
    reader = RocksKeyValue.open_beside(tmp_path)
    assert len(list(reader.iterate(LOG))) == 6
    with pytest.raises(KeyValueError, match="read only"):
        reader.write(reader.new_batch())
    reader.close()
    store.close()


def test_a_damaged_block_raises_instead_of_ending_the_iteration(tmp_path: Path) -> None:
    fill(tmp_path, 500).close()
    table = max(tmp_path.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, table.stat().st_size // 2)
    store = RocksKeyValue(tmp_path)
    read = []
    with pytest.raises(KeyValueDamaged, match="checksum mismatch"):
        read.extend(key for key, _ in store.iterate(LOG))
    assert 0 < len(read) < 500
    with pytest.raises(KeyValueDamaged):
        store.get(LOG, len(read).to_bytes(8, "big"))
    store.close()


def test_a_damaged_last_block_is_noticed_by_last(tmp_path: Path) -> None:
    fill(tmp_path, 3).close()
    table = max(tmp_path.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, 20)
    store = RocksKeyValue(tmp_path)
    with pytest.raises(KeyValueDamaged):
        store.last(LOG)
    store.close()


def test_a_flipped_byte_in_the_middle_of_the_write_ahead_log_refuses_to_open(
    tmp_path: Path,
) -> None:
    store = fill(tmp_path / "live", 100)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    store.close()
    file = newest(tmp_path / "copy", ".log")
    flip(file, file.stat().st_size // 2)
    with pytest.raises(KeyValueDamaged):
        RocksKeyValue(tmp_path / "copy")
    with pytest.raises(KeyValueDamaged):
        RocksKeyValue.open_beside(tmp_path / "copy")
    salvaged = RocksKeyValue.open_beside(tmp_path / "copy", salvage=True)
    assert 0 < len(list(salvaged.iterate(LOG))) < 100
    salvaged.close()


def test_a_table_that_cannot_be_opened_still_lists_its_range_when_salvaging(
    tmp_path: Path,
) -> None:
    fill(tmp_path, 50).close()
    table = max(tmp_path.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, table.stat().st_size - 1)
    with pytest.raises(KeyValueDamaged, match=table.name):
        RocksKeyValue(tmp_path)
    store = RocksKeyValue.open_beside(tmp_path, salvage=True)
    (live,) = [live for live in store.live_files() if live["name"].endswith(table.name)]
    assert int.from_bytes(live["end_key"], "big") == 49
    with pytest.raises(KeyValueDamaged):
        list(store.iterate(LOG))
    store.close()


def test_a_closed_store_has_no_files_to_tell_of(tmp_path: Path) -> None:
    store = fill(tmp_path, 1)
    store.close()
    with pytest.raises(KeyValueError, match="closed"):
        store.live_files()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IO error: No space left on device", KeyValueError),
        ("IO error: While open a file: Permission denied", KeyValueError),
        ("IO error: No such file or directory: /x/000012.sst", KeyValueDamaged),
        ("IO error: While lock file: /x/LOCK: Resource temporarily unavailable", KeyValueBusy),
        ("Corruption: checksum mismatch", KeyValueDamaged),
        ("Invalid argument: Column family not found: entity", KeyValueDamaged),
    ],
)
def test_a_refusal_to_open_is_told_apart_by_its_words(text: str, kind: type[KeyValueError]) -> None:
    assert type(refused_opening(Exception(text))) is kind


def test_a_directory_that_lost_its_families_is_damaged(tmp_path: Path) -> None:
    Rdict(str(tmp_path), options()).close()
    with pytest.raises(KeyValueDamaged, match="Column family not found"):
        RocksKeyValue.open_beside(tmp_path)


def test_all_families_share_one_bounded_cache(tmp_path: Path) -> None:
    store = RocksKeyValue(tmp_path)
    batch = store.new_batch()
    batch.put(b"key", bytes(2_000), store.handle(LOG))
    store.write(batch)
    store.close()
    store = RocksKeyValue(tmp_path)
    assert store.get(LOG, b"key") == bytes(2_000)
    columns = [store._columns[family] for family in FAMILIES]
    capacities = {one.property_int_value("rocksdb.block-cache-capacity") for one in columns}
    assert capacities == {BLOCK_CACHE_SIZE_BYTES}
    (used,) = {one.property_int_value("rocksdb.block-cache-usage") for one in columns}
    assert used is not None
    assert used >= 2_000, "what one family read is in the cache of all"
    store.close()
