"""The walk over record files: those that RocksDB wrote, and every way to break one."""

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.store import wal
from node.store.crc32c import masked_crc32c
from node.store.kv import ENTITY, LOG
from node.store.rocks import RocksKeyValue
from tests.support.logs import newest


def physical(kind: int, data: bytes, *, log_number: int | None = None) -> bytes:
    tail = bytes([kind]) + (b"" if log_number is None else log_number.to_bytes(4, "little")) + data
    return masked_crc32c(tail).to_bytes(4, "little") + len(data).to_bytes(2, "little") + tail


def write_file(records: list[bytes]) -> bytes:
    """A file as RocksDB's writer lays it out."""
    out = bytearray()
    for record in records:
        rest, kind_of_first = record, wal.FIRST
        while True:
            left = wal.BLOCK_SIZE_BYTES - len(out) % wal.BLOCK_SIZE_BYTES
            if left < wal.HEADER_SIZE_BYTES:
                out += bytes(left)
                left = wal.BLOCK_SIZE_BYTES
            room = left - wal.HEADER_SIZE_BYTES
            part, rest = rest[:room], rest[room:]
            if not rest:
                out += physical(wal.FULL if kind_of_first == wal.FIRST else wal.LAST, part)
                break
            out += physical(kind_of_first, part)
            kind_of_first = wal.MIDDLE
    return bytes(out)


def batch(number: int, size: int) -> bytes:
    return number.to_bytes(8, "little") + (1).to_bytes(4, "little") + bytes([number % 256]) * size


@pytest.fixture(scope="module")
def rocks_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What RocksDB really writes for 300 batches, some longer than a block."""
    path = tmp_path_factory.mktemp("wal")
    store = RocksKeyValue(path / "live")
    for number in range(300):
        native = store.new_batch()
        size = 90_000 if number % 100 == 50 else 100 + number
        native.put(number.to_bytes(8, "big"), bytes([number % 256]) * size, store.handle(LOG))
        native.put(b"gone", b"", store.handle(ENTITY))
        native.delete(b"gone", store.handle(ENTITY))
        native.delete_range(b"a", b"z", store.handle(ENTITY))
        native.put(b"behind", b"it", store.handle(ENTITY))
        store.write(native)
    shutil.copytree(path / "live", path / "copy")
    store.close()
    return newest(path / "copy", ".log").read_bytes()


def test_a_file_of_rocksdb_is_walked_to_its_end(rocks_file: bytes) -> None:
    found = wal.walk(rocks_file, verify=True)
    assert (found.end, found.later) == (len(rocks_file), None)
    assert wal.walk(rocks_file) == found
    puts = [p for parts in found.entries for p in wal.batch_puts(wal.entry_data(rocks_file, parts))]
    numbers = [int.from_bytes(key, "big") for key, _ in puts if len(key) == 8]
    assert numbers == list(range(300))
    assert [entry for entry in puts if entry[0] == b"behind"] == [(b"behind", b"it")] * 300
    sizes = [len(value) for key, value in puts if len(key) == 8]
    assert sizes[50] == 90_000
    assert sizes[299] == 399


def test_a_file_cut_anywhere_in_its_last_write_has_a_torn_tail(rocks_file: bytes) -> None:
    last = wal.walk(rocks_file).entries[-1][0].offset
    for end in range(last + 1, len(rocks_file)):
        found = wal.walk(rocks_file[:end])
        assert (found.end, found.later) == (last, None)
        assert len(found.entries) == 299


def test_a_length_that_leads_beyond_the_end_does_not_hide_what_follows(rocks_file: bytes) -> None:
    entries = wal.walk(rocks_file).entries
    victim, following = entries[-20][0], entries[-19][0]
    broken = bytearray(rocks_file)
    broken[victim.offset + 5] = 0x7F
    found = wal.walk(bytes(broken))
    assert (found.end, found.later) == (victim.offset, following.offset)


def test_a_broken_checksum_stops_a_verifying_walk_alone(rocks_file: bytes) -> None:
    victim = wal.walk(rocks_file).entries[10][0]
    broken = bytearray(rocks_file)
    broken[victim.start + 3] ^= 1
    assert wal.walk(bytes(broken)).end == len(rocks_file)
    assert wal.walk(bytes(broken), verify=True).end == victim.offset


def test_a_write_torn_between_two_blocks_ends_before_its_first_part() -> None:
    data = write_file([batch(1, 10), batch(2, 70_000)])
    cut = data[: wal.BLOCK_SIZE_BYTES + 100]
    found = wal.walk(cut)
    assert len(found.entries) == 1
    assert found.end == found.entries[0][0].end
    assert found.later is None


def test_a_middle_part_without_a_first_does_not_fit() -> None:
    assert wal.walk(physical(wal.MIDDLE, batch(1, 10))).end == 0
    first = physical(wal.FIRST, batch(1, 10))
    assert wal.walk(first + physical(wal.FULL, batch(2, 10))).end == 0


def test_zeros_at_the_end_of_a_block_are_padding_and_other_bytes_are_not() -> None:
    size = wal.BLOCK_SIZE_BYTES - 2 * wal.HEADER_SIZE_BYTES - wal.BATCH_HEADER_SIZE_BYTES + 3
    data = write_file([batch(1, size), batch(2, 50)])
    assert data[wal.BLOCK_SIZE_BYTES - 4 : wal.BLOCK_SIZE_BYTES] == bytes(4)
    assert wal.walk(data).end == len(data)
    assert wal.walk(data[: wal.BLOCK_SIZE_BYTES - 2]).end == wal.BLOCK_SIZE_BYTES - 2
    broken = bytearray(data)
    broken[wal.BLOCK_SIZE_BYTES - 1] = 1
    found = wal.walk(bytes(broken))
    assert (found.end, found.later) == (wal.BLOCK_SIZE_BYTES - 4, wal.BLOCK_SIZE_BYTES)


def test_zeros_after_the_last_write_are_a_tail() -> None:
    data = write_file([batch(1, 10)])
    assert wal.walk(data + bytes(500)).end == len(data)


def test_records_about_the_file_itself_are_passed_over() -> None:
    data = physical(130, b"the file before") + write_file([batch(1, 10)])
    found = wal.walk(data, verify=True)
    assert (found.end, len(found.entries)) == (len(data), 1)


def test_recycled_headers_are_read_with_their_log_number() -> None:
    data = physical(wal.FULL + 4, batch(1, 10), log_number=7)
    found = wal.walk(data, verify=True)
    assert found.end == len(data)
    assert wal.entry_data(data, found.entries[0]) == batch(1, 10)


def test_an_unknown_kind_of_entry_ends_the_reading_of_a_batch() -> None:
    header = bytes(wal.BATCH_HEADER_SIZE_BYTES)
    put = b"\x01\x01k\x01v"
    assert list(wal.batch_puts(header + put + b"\x00\x01k" + put)) == [(b"k", b"v")] * 2
    assert list(wal.batch_puts(header + put + b"\x7f" + put)) == [(b"k", b"v")]
    assert list(wal.batch_puts(header + b"\x05\x80")) == [(b"", b"")]


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 300) | st.integers(30_000, 70_000), min_size=1, max_size=6),
    cut=st.integers(0, 200_000),
)
def test_whatever_is_cut_off_the_complete_writes_before_it_are_found(
    sizes: list[int], cut: int
) -> None:
    records = [batch(number, size) for number, size in enumerate(sizes)]
    data = write_file(records)
    whole = wal.walk(data, verify=True)
    assert [wal.entry_data(data, parts) for parts in whole.entries] == records
    kept = data[: max(0, len(data) - cut)]
    found = wal.walk(kept)
    complete = [parts for parts in whole.entries if parts[-1].end <= len(kept)]
    assert list(found.entries) == complete
    assert found.later is None


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_make_the_walk_fail(data: bytes) -> None:
    found = wal.walk(data)
    assert 0 <= found.end <= len(data)
    list(wal.batch_puts(data))
