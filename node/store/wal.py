"""RocksDB's record-file format, read by ourselves: write-ahead logs and MANIFESTs.

RocksDB tells nobody where a log ended or that it dropped a torn tail. This module walks the
physical records of such a file and finds the first byte that belongs to no complete record, and
whether anything complete comes after it. It opens nothing and changes nothing.

A file is 32 KiB blocks. A record is crc32c (4) || length (2, little-endian) || type (1) || data;
a long one is split into first, middle and last parts; under seven bytes at a block's end are zero.
Source: RocksDB's db/log_format.h and db/write_batch.cc.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from node.store.crc32c import masked_crc32c

BLOCK_SIZE_BYTES = 32 * 1024
HEADER_SIZE_BYTES = 7
RECYCLED_HEADER_SIZE_BYTES = 11
"""With the log's number (4) behind the type: the checksum covers type and number too."""

FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
_RECYCLED_OFFSET = 4
"""Types 5 to 8 are the same four in a recycled file."""
_METADATA_TYPES = frozenset({9, 10, 11, 130, 131})
"""Facts about the file itself (compression, timestamps, the file before): one part each."""

_WITHOUT_FAMILY = frozenset({0x00, 0x01, 0x0F})
_WITH_FAMILY = frozenset({0x04, 0x05, 0x0E})
_PUTS = frozenset({0x01, 0x05})
_OF_TWO = _PUTS | {0x0E, 0x0F}
"""Tags of a batch's entries: remove, put and remove a range, of which the last two have a value, or
an end, behind the key."""
BATCH_HEADER_SIZE_BYTES = 12
"""Sequence number (8) and count of entries (4), both little-endian, before a batch's entries."""


_WRITE_BEGINS = re.compile(
    rb"[\x01\x02](?=.{7}\x00)|[\x05\x06](?=.{11}\x00)",  # FULL and FIRST, plain and recycled
    re.DOTALL,
)
"""The type of a part in which a write begins, and the highest byte of its sequence number: they
have 56 bits, so it is zero, which spares most sums. A first part counts like a whole record: it is
the beginning of another write."""


@dataclass(frozen=True, slots=True)
class Part:
    """One physical record: where its header begins, its kind and where its data lies."""

    offset: int
    kind: int
    """FULL, FIRST, MIDDLE, LAST, or 0 for a record about the file itself."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What a file holds, from its beginning to the first byte that does not fit."""

    entries: tuple[tuple[Part, ...], ...]
    """Complete records in order, each of one part or more."""
    end: int
    """Offset behind the last complete record."""
    later: int | None
    """Offset of a complete record that begins behind the bytes that do not fit; None: there is
    none, so those bytes can be the torn end of the last write."""


def part_at(data: bytes, offset: int) -> Part | None:
    """The physical record whose header begins at `offset`, unverified; None if none fits there."""
    block_left = BLOCK_SIZE_BYTES - offset % BLOCK_SIZE_BYTES
    if offset + HEADER_SIZE_BYTES > len(data) or block_left < HEADER_SIZE_BYTES:
        return None
    kind = data[offset + 6]
    header = HEADER_SIZE_BYTES
    if LAST < kind <= LAST + _RECYCLED_OFFSET:
        kind -= _RECYCLED_OFFSET
        header = RECYCLED_HEADER_SIZE_BYTES
    elif kind in _METADATA_TYPES:
        kind = 0
    elif not FULL <= kind <= LAST:
        return None
    size = header + int.from_bytes(data[offset + 4 : offset + 6], "little")
    if size > block_left or offset + size > len(data):
        return None
    return Part(offset, kind, offset + header, offset + size)


def is_intact(data: bytes, part: Part) -> bool:
    """Whether the part's checksum holds."""
    stored = int.from_bytes(data[part.offset : part.offset + 4], "little")
    return stored == masked_crc32c(memoryview(data)[part.offset + 6 : part.end])


def walk(data: bytes, *, verify: bool = False, start: int = 0) -> Walk:
    """Walk the file from its beginning, or from the record that begins at `start`.

    Without `verify` only headers are read: RocksDB checks the sums of all it reads, but takes a
    length that leads beyond the file's end for a torn tail, and that is what shows here.
    """
    entries: list[tuple[Part, ...]] = []
    pending: list[Part] = []
    offset = end = start
    while offset < len(data):
        block_left = BLOCK_SIZE_BYTES - offset % BLOCK_SIZE_BYTES
        if block_left < HEADER_SIZE_BYTES:
            if any(data[offset : offset + block_left]):
                break
            if not pending:
                end = min(offset + block_left, len(data))
            offset += block_left
            continue
        part = part_at(data, offset)
        if part is None or not _continues(pending, part) or (verify and not is_intact(data, part)):
            break
        offset = part.end
        if part.kind:
            pending.append(part)
        if part.kind in (0, FULL, LAST):
            if pending:
                entries.append(tuple(pending))
            pending = []
            end = offset
    later = find_later(data, offset + 1) if end < len(data) else None
    return Walk(tuple(entries), end, later)


def _continues(pending: list[Part], part: Part) -> bool:
    return (part.kind in (MIDDLE, LAST)) == bool(pending)


def find_later(data: bytes, start: int) -> int | None:
    """The first offset from `start` on where a complete write batch begins, checksum verified."""
    for found in _WRITE_BEGINS.finditer(data, start + HEADER_SIZE_BYTES - 1):
        part = part_at(data, found.start() - HEADER_SIZE_BYTES + 1)
        if part is None or part.end - part.start < BATCH_HEADER_SIZE_BYTES:
            continue
        if is_intact(data, part):
            return part.offset
    return None


def intact_entries(data: bytes) -> Iterator[tuple[Part, ...]]:
    """Every complete record whose checksums hold, also behind damaged ones."""
    start: int | None = 0
    while start is not None:
        found = walk(data, verify=True, start=start)
        yield from found.entries
        start = found.later


def entry_data(data: bytes, parts: tuple[Part, ...]) -> bytes:
    """The data of one complete record."""
    return b"".join(data[part.start : part.end] for part in parts)


def batch_puts(batch: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values that a write batch puts, whatever their family.

    Ends at the first entry of a kind this node never writes.
    """
    offset = BATCH_HEADER_SIZE_BYTES
    while offset < len(batch):
        tag = batch[offset]
        offset += 1
        if tag not in _WITHOUT_FAMILY and tag not in _WITH_FAMILY:
            return
        if tag in _WITH_FAMILY:
            _, offset = _varint(batch, offset)
        key, offset = _length_prefixed(batch, offset)
        if tag in _OF_TWO:
            value, offset = _length_prefixed(batch, offset)
            if tag in _PUTS:
                yield key, value


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(data):
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, offset


def _length_prefixed(data: bytes, offset: int) -> tuple[bytes, int]:
    size, offset = _varint(data, offset)
    return data[offset : offset + size], offset + size
