"""Tables that RocksDB wrote: every byte outside the data blocks is checked here."""

from pathlib import Path

import pytest

from node.store import table
from node.store.crc32c import masked_crc32c
from node.store.kv import ENTITY, LOG, META, OUTBOX
from node.store.rocks import RocksKeyValue
from node.store.table import TableDamaged, family_of
from tests.support.logs import flip, make_log


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    path = tmp_path_factory.mktemp("tables")
    make_log(path, 400).close()
    return sorted(path.glob("*.sst"))


def test_the_family_of_every_table_is_read(tables: list[Path]) -> None:
    assert sorted(family_of(file) for file in tables) == sorted([LOG, ENTITY, META, OUTBOX])


@pytest.mark.parametrize("left_count", [0, 1, 3])
def test_a_table_that_removes_ranges_is_read(left_count: int, tmp_path: Path) -> None:
    store = RocksKeyValue(tmp_path)
    for start in (0, 100):
        batch = store.new_batch()
        for number in range(start, start + 100):
            batch.put(bytes((number,)), b"it", store.handle(OUTBOX))
        store.write(batch)
        batch = store.new_batch()
        end = bytes((start + 100 - left_count,))
        batch.delete_range(bytes((start,)), end, store.handle(OUTBOX))
        store.write(batch)
        del batch
    store.close()
    (file,) = tmp_path.glob("*.sst")
    assert family_of(file) == OUTBOX
    again = RocksKeyValue(tmp_path)
    assert len(list(again.iterate(OUTBOX))) == 2 * left_count
    again.close()


@pytest.mark.slow
def test_every_flipped_byte_outside_the_data_blocks_is_found(
    tables: list[Path], tmp_path: Path
) -> None:
    file = min(tables, key=lambda file: file.stat().st_size)
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    size = copy.stat().st_size
    found = set()
    for offset in range(size):
        flip(copy, offset)
        try:
            family_of(copy)
        except TableDamaged:
            found.add(offset)
        flip(copy, offset)
    missed = set(range(size)) - found
    # The one data block comes first: RocksDB itself checks that one whenever it is read.
    assert missed == set(range(len(missed)))
    assert len(missed) < size // 8


@pytest.mark.parametrize("size", [0, 10, table.FOOTER_SIZE_BYTES - 1])
def test_a_file_shorter_than_a_footer_is_damaged(size: int, tmp_path: Path) -> None:
    file = tmp_path / "000001.sst"
    file.write_bytes(bytes(size))
    with pytest.raises(TableDamaged, match="shorter"):
        family_of(file)


def test_a_table_cut_off_anywhere_is_damaged(tables: list[Path], tmp_path: Path) -> None:
    file = min(tables, key=lambda file: file.stat().st_size)
    data = file.read_bytes()
    copy = tmp_path / file.name
    for size in range(0, len(data), 7):
        copy.write_bytes(data[:size])
        with pytest.raises(TableDamaged):
            family_of(copy)
        copy.write_bytes(data[size + 1 :])
        with pytest.raises(TableDamaged):
            family_of(copy)


def test_a_table_without_properties_names_no_family(tmp_path: Path) -> None:
    def block(contents: bytes) -> bytes:
        return contents + b"\x00" + masked_crc32c(contents + b"\x00").to_bytes(4, "little")

    empty = block(bytes(4) + (1).to_bytes(4, "little"))
    handles = bytes([1, 13, 8, 0, 8])
    footer = handles.ljust(41, b"\x00") + (5).to_bytes(4, "little")
    footer += (0x88E241B785F4CFF7).to_bytes(8, "little")
    file = tmp_path / "000001.sst"
    file.write_bytes(empty + empty + footer)
    with pytest.raises(TableDamaged, match="do not name a family"):
        family_of(file)
    file.write_bytes(empty + empty[:-5] + footer)
    with pytest.raises(TableDamaged):
        family_of(file)
    file.write_bytes(empty + empty + bytes([1]) + b"\xff" * 40 + footer[41:])
    with pytest.raises(TableDamaged, match="leads beyond"):
        family_of(file)
