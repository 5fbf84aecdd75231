"""Reading in spite of damage: what is whole is read, what is not is placed."""

import shutil
from pathlib import Path

import pytest

from node.audit.reader import Gap, LogReader, Stored
from node.store import wal
from node.store.errors import LogDamaged
from node.store.kv import ENTITY, LOG, META, KeyValueDamaged
from node.store.log import EventLog
from node.store.record import seq_key
from node.store.rocks import RocksKeyValue
from tests.support.logs import fill, flip, make_log, newest


def read(path: Path) -> tuple[list[int], list[Gap], LogReader]:
    reader = LogReader.open(path)
    items = list(reader.records())
    seqs = [item.seq for item in items if isinstance(item, Stored)]
    gaps = [item for item in items if isinstance(item, Gap)]
    reader.close()
    return seqs, gaps, reader


def log_table(path: Path) -> Path:
    return max(path.glob("*.sst"), key=lambda file: file.stat().st_size)


def change(path: Path, family: str, key: bytes, value: bytes | None) -> None:
    store = RocksKeyValue(path)
    batch = store.new_batch()
    if value is None:
        batch.delete(key, store.handle(family))
    else:
        batch.put(key, value, store.handle(family))
    store.write(batch)
    store.close()


def test_a_whole_log_is_read_in_order(tmp_path: Path) -> None:
    make_log(tmp_path, 100).close()
    seqs, gaps, reader = read(tmp_path)
    assert (seqs, gaps, reader.damage) == (list(range(100)), [], None)


def test_it_reads_beside_a_live_writer(tmp_path: Path) -> None:
    log = make_log(tmp_path, 50)
    reader = LogReader.open(tmp_path)
    fill(log, 60)
    assert [item.seq for item in reader.records() if isinstance(item, Stored)] == list(range(50))
    assert reader.known_length() == reader.synced_length() == 50
    reader.close()
    log.close()


def test_behind_a_bad_block_reading_goes_on(tmp_path: Path) -> None:
    make_log(tmp_path, 600).close()
    table = log_table(tmp_path)
    flip(table, table.stat().st_size // 2)
    seqs, gaps, reader = read(tmp_path)
    (gap,) = gaps
    assert reader.damage is None
    assert gap.file == table.name
    assert gap.last_seq is not None
    assert seqs == [seq for seq in range(600) if not gap.first_seq <= seq <= gap.last_seq]
    assert 0 < gap.last_seq - gap.first_seq < 100


def test_two_bad_blocks_are_two_gaps(tmp_path: Path) -> None:
    make_log(tmp_path, 900).close()
    table = log_table(tmp_path)
    for part in (1, 2):
        flip(table, table.stat().st_size * part // 3)
    seqs, gaps, _ = read(tmp_path)
    assert len(gaps) == 2
    missing = {seq for gap in gaps for seq in range(gap.first_seq, (gap.last_seq or 0) + 1)}
    assert sorted({*seqs, *missing}) == list(range(900))
    assert not missing & set(seqs)


def test_a_bad_last_block_ends_with_the_known_length(tmp_path: Path) -> None:
    make_log(tmp_path, 10).close()
    flip(log_table(tmp_path), 50)
    seqs, gaps, _ = read(tmp_path)
    assert seqs == []
    assert [(gap.first_seq, gap.last_seq) for gap in gaps] == [(0, 9)]


def test_a_table_that_does_not_open_is_one_gap_between_its_neighbours(tmp_path: Path) -> None:
    make_log(tmp_path, 300).close()
    first = log_table(tmp_path)
    log = EventLog.open(tmp_path)
    fill(log, 400)
    log.close()
    flip(first, first.stat().st_size - 1)
    seqs, gaps, reader = read(tmp_path)
    assert reader.damage is not None
    assert reader.damage.file == first.name
    assert [(gap.first_seq, gap.last_seq, gap.file) for gap in gaps] == [(0, 299, first.name)]
    assert seqs == list(range(300, 400))


def test_a_record_missing_among_unreadable_ones_is_a_gap_of_its_own(tmp_path: Path) -> None:
    make_log(tmp_path, 300).close()
    change(tmp_path, LOG, seq_key(250), None)
    tables = sorted(tmp_path.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(tables[-1], tables[-1].stat().st_size // 3)
    seqs, gaps, _ = read(tmp_path)
    assert len(gaps) == 2
    assert (gaps[1].first_seq, gaps[1].last_seq, gaps[1].reason) == (
        250,
        250,
        "the records are missing",
    )
    assert seqs[-1] == 299


def test_behind_a_damaged_write_the_others_are_read_from_the_file(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 200)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    log.close()
    file = newest(tmp_path / "copy", ".log")
    entries = wal.walk(file.read_bytes()).entries
    for index in (4, 9):
        flip(file, entries[index][0].start + 40)
    seqs, gaps, reader = read(tmp_path / "copy")
    assert [(gap.first_seq, gap.last_seq) for gap in gaps] == [(31, 40), (81, 90)]
    assert len(seqs) == 180
    assert reader.damage is not None
    assert reader.damage.file == file.name


@pytest.mark.slow
def test_whichever_part_of_a_long_write_is_bad_the_writes_around_it_are_read(
    tmp_path: Path,
) -> None:
    # A bad last part of some lengths keeps RocksDB from opening anything, in any mode.
    log = make_log(tmp_path / "live", 300)
    fill(log, 1_500, by=1_200)
    fill(log, 1_700)
    shutil.copytree(tmp_path / "live", tmp_path / "sound")
    log.close()
    file = newest(tmp_path / "sound", ".log").name
    parts = max(wal.walk((tmp_path / "sound" / file).read_bytes()).entries, key=len)
    assert len(parts) > 10
    for part in parts:
        copy = tmp_path / f"bad at {part.offset}"
        shutil.copytree(tmp_path / "sound", copy)
        flip(copy / file, part.end - 1)
        seqs, gaps, reader = read(copy)
        assert [(gap.first_seq, gap.last_seq) for gap in gaps] == [(300, 1_499)]
        assert seqs == [*range(300), *range(1_500, 1_700)]
        assert reader.damage is not None
        assert reader.damage.file == file


def test_a_damaged_last_write_leaves_no_gap_anyone_can_measure(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 200)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    log.close()
    file = newest(tmp_path / "copy", ".log")
    flip(file, file.stat().st_size - 1)
    seqs, gaps, reader = read(tmp_path / "copy")
    assert (seqs, gaps) == (list(range(191)), [])
    assert reader.damage is not None
    assert (reader.damage.first_seq, reader.damage.last_seq) == (191, None)


def test_missing_records_are_gaps(tmp_path: Path) -> None:
    make_log(tmp_path, 50).close()
    for seq in (7, 20, 21, 48, 49):
        change(tmp_path, LOG, seq_key(seq), None)
    seqs, gaps, _ = read(tmp_path)
    assert [(gap.first_seq, gap.last_seq) for gap in gaps] == [(7, 7), (20, 21), (48, 49)]
    assert "50 records were synced" in gaps[-1].reason
    assert len(seqs) == 45


def test_a_key_that_is_no_number_is_a_finding_and_no_record(tmp_path: Path) -> None:
    make_log(tmp_path, 5).close()
    change(tmp_path, LOG, seq_key(2) + b"x", b"")
    seqs, gaps, _ = read(tmp_path)
    assert seqs == list(range(5))
    assert gaps[0].reason == "a key of 9 bytes among the records"


@pytest.mark.parametrize("value", [b"\xc1", b"\x01", b"\x91\x01", None])
def test_a_length_that_cannot_be_read_is_unknown(value: bytes | None, tmp_path: Path) -> None:
    make_log(tmp_path, 5).close()
    change(tmp_path, META, b"synced", value)
    reader = LogReader.open(tmp_path)
    assert reader.synced_length() is None
    assert reader.known_length() == 5
    reader.close()


def test_a_directory_that_does_not_open_is_refused_with_its_place(tmp_path: Path) -> None:
    make_log(tmp_path, 5).close()
    flip(tmp_path / "CURRENT", 3)
    with pytest.raises(LogDamaged) as caught:
        LogReader.open(tmp_path)
    assert caught.value.file == "CURRENT"


def test_other_families_are_read_or_refused(tmp_path: Path) -> None:
    make_log(tmp_path, 30).close()
    reader = LogReader.open(tmp_path)
    assert len(list(reader.entries(ENTITY))) == 2 * 29
    table = log_table(tmp_path)
    assert reader.seqs_in(table.name) == (0, 29)
    others = [file for file in tmp_path.glob("*.sst") if file != table]
    assert {reader.seqs_in(file.name) for file in others} == {None}
    reader.close()
    for file in others:
        flip(file, 3)
    reader = LogReader.open(tmp_path)
    with pytest.raises(KeyValueDamaged):
        list(reader.entries(ENTITY))
    reader.close()
