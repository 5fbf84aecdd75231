"""RocksDB's table files, as far as reading their records does not reach.

Iterating a family makes RocksDB verify every data and index block. What it does not verify then is
read here: the footer, the index of meta blocks and the meta blocks themselves, so that no byte of
a table goes unchecked. Only the layout this node writes is known: block-based, footer version 5,
CRC-32C.

    data blocks | meta blocks | index blocks | meta index | footer (53 bytes)
    block: contents || compression type (1) || masked crc32c of both (4)

Source: RocksDB's table/format.cc and table/block_based/block_builder.cc.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.store.crc32c import masked_crc32c

FOOTER_SIZE_BYTES = 53
TRAILER_SIZE_BYTES = 5
_HANDLES_SIZE_BYTES = 41
"""Checksum type (1) and two block handles, padded with zeros."""
_MAGIC = 0x88E241B785F4CFF7
_CRC32C = 1
_FORMAT_VERSION = 5
_PROPERTIES = b"rocksdb.properties"
_FAMILY_NAME = b"rocksdb.column.family.name"


class TableDamaged(Exception):
    """The file is not what the writer of tables leaves."""


@dataclass(frozen=True, slots=True)
class Handle:
    """Where a block is: offset and size, without its trailer."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset behind the trailer."""
        return self.offset + self.size + TRAILER_SIZE_BYTES


def family_of(file: Path) -> str:
    """The family whose entries the table holds.

    Checks the footer and every meta block on the way; raises `TableDamaged`.
    """
    data = file.read_bytes()
    meta_index, index = _footer(data)
    blocks = {name: _handle(value) for name, value in _entries(_block(data, meta_index))}
    contents = {name: _block(data, handle) for name, handle in blocks.items()}
    _block(data, index)
    _require_contiguous([*blocks.values(), index, meta_index], len(data) - FOOTER_SIZE_BYTES)
    properties = dict(_entries(contents.get(_PROPERTIES, bytes(4))))
    name = properties.get(_FAMILY_NAME)
    if name is None:
        raise TableDamaged("its properties do not name a family")
    return name.decode("utf-8", "replace")


def _footer(data: bytes) -> tuple[Handle, Handle]:
    if len(data) < FOOTER_SIZE_BYTES:
        raise TableDamaged("it is shorter than a footer")
    footer = data[-FOOTER_SIZE_BYTES:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise TableDamaged("its footer does not end with the magic number")
    version = int.from_bytes(footer[_HANDLES_SIZE_BYTES:-8], "little")
    if version != _FORMAT_VERSION or footer[0] != _CRC32C:
        raise TableDamaged(f"footer version {version}, checksum type {footer[0]}")
    position = 1
    numbers = []
    for _ in range(4):
        number, position = _varint(footer, position)
        numbers.append(number)
    if any(footer[position:_HANDLES_SIZE_BYTES]):
        raise TableDamaged("its footer's padding is not zero")
    return Handle(*numbers[:2]), Handle(*numbers[2:])


def _block(data: bytes, handle: Handle) -> bytes:
    """A block's contents, checked; those read here are never compressed but the index may be."""
    if handle.end > len(data) - FOOTER_SIZE_BYTES:
        raise TableDamaged(f"a block at offset {handle.offset} leads beyond the end")
    body = memoryview(data)[handle.offset : handle.end - 4]
    if int.from_bytes(data[handle.end - 4 : handle.end], "little") != masked_crc32c(body):
        raise TableDamaged(f"checksum mismatch in the block at offset {handle.offset}")
    return data[handle.offset : handle.offset + handle.size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of an uncompressed block; its checksum was checked before."""
    restart_count = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restart_count
    position = 0
    key = b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        size, position = _varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + size]
        position += size


def _handle(value: bytes) -> Handle:
    offset, position = _varint(value, 0)
    size, _ = _varint(value, position)
    return Handle(offset, size)


def _require_contiguous(handles: list[Handle], end: int) -> None:
    """Every byte between the first of these blocks and the footer belongs to one of them."""
    ordered = sorted(handles, key=lambda handle: handle.offset)
    ends = [handle.end for handle in ordered]
    if [handle.offset for handle in ordered[1:]] != ends[:-1] or ends[-1] != end:
        raise TableDamaged("its blocks leave bytes between them")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise TableDamaged("a number leads beyond its block")
