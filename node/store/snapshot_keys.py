"""The keys of a snapshot's large tables, in their order, and the sum of the values behind them.

Such a table is not held: its values stay in the store until somebody asks for one. But each is read
once when a snapshot is loaded, so that one that was changed is noticed before anything rests on it.
"""

from collections.abc import Generator, Iterable
from contextlib import suppress
from hashlib import sha256

import msgspec

from node.store.kv import KeyValue
from node.store.snapshots import (
    VERSION_HEAD_SIZE_BYTES,
    Manifest,
    manifests,
    newest_versions,
    place_of,
    range_of,
)

STORED_TABLES = {
    b"channel|": "channels",
    b"objective|": "objectives",
    b"transaction|": "transactions",
}
"""Tables whose values stay in the store, and what a state calls them."""
_SUM_SIZE_BYTES = 32


class NotGood(Exception):
    """The snapshot is not to be used; the text says why."""


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Some of a table: the keys whose first byte is `first` or more, and less than `end`."""

    name: bytes
    """The table's."""
    first: int = 0
    end: int = 256

    def between(self) -> tuple[bytes, bytes]:
        """Between which keys of the store its versions are."""
        start, stop = range_of(self.name)
        above = stop if self.end == 256 else self.name + bytes([self.end])
        return (self.name + bytes([self.first]) if self.first else start), above


class KeysRead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What reading a part of a table once leaves."""

    part: Part
    keys: list[bytes]
    """Bytes each, without the table's name, in the order of the table."""
    places: list[int]
    """Of each key in that order."""
    total: bytes
    """The sum of the values' terms, 32 bytes, big-endian: see `protocols.digest`."""
    newer_keys: list[bytes]
    """Versions that newer snapshots wrote, whole ones or not."""


class ReadAhead(msgspec.Struct, frozen=True, array_like=True):
    """What was read of a snapshot by another process than the one that loads it."""

    manifest: Manifest
    """Of the snapshot; of no other does it say anything."""
    parts: list[KeysRead]
    """In any order, and perhaps not all there are."""


encode_read_ahead = msgspec.msgpack.Encoder().encode
"""Its bytes, for the way between processes."""
_decode_read_ahead = msgspec.msgpack.Decoder(ReadAhead).decode


def decode_read_ahead(encoded: Iterable[bytes]) -> ReadAhead | None:
    """All that was read of one snapshot; None if there is nothing of the kind."""
    found: ReadAhead | None = None
    for one in encoded:
        with suppress(msgspec.DecodeError):
            decoded = _decode_read_ahead(one)
            found = found or ReadAhead(decoded.manifest, [])
            if decoded.manifest == found.manifest:
                found.parts.extend(decoded.parts)
    return found


def take_table(read_ahead: ReadAhead, name: bytes) -> KeysRead | None:
    """A whole table of which every part was read, in its order; None if one is missing.

    What is taken is there no longer, for the sake of memory.
    """
    parts = [read for read in read_ahead.parts if read.part.name == name]
    for read in parts:
        read_ahead.parts.remove(read)
    if sum(read.part.end - read.part.first for read in parts) != 256:
        return None
    if len(parts) == 1:
        return parts[0]
    by_place: dict[int, bytes] = {}
    newer: list[bytes] = []
    total = 0
    for read in parts:
        by_place.update(zip(read.places, read.keys, strict=True))
        newer += read.newer_keys
        total += int.from_bytes(read.total, "big")
    return _in_order(Part(name), by_place, total, newer)


def require_place(named_key: bytes, value: bytes) -> int:
    """Where the value stands in the order of its table. Raises `NotGood`."""
    place = place_of(named_key, value)
    if place is None:
        raise NotGood("a place in it was changed")
    return place


def read_keys(store: KeyValue, part: Part, record_count: int) -> Generator[None, None, KeysRead]:
    """The keys of a table in the snapshot of so many records, in steps of a millisecond or two.

    But putting them in order is one step. Raises `NotGood` or `KeyValueDamaged`.
    """
    by_place: dict[int, bytes] = {}
    newer: list[bytes] = []
    total = count = 0
    size, first = len(part.name), VERSION_HEAD_SIZE_BYTES
    to_int = int.from_bytes
    for block in newest_versions(store, part.name, record_count, newer, part.between()):
        # Block by block: a start with many channels spends most of its time here.
        hashes = [sha256(b"%b\x00%b" % (key, value[first:])).digest() for key, value in block]
        total += sum([to_int(hashed, "big") for hashed in hashes])
        for key, value in block:
            by_place[require_place(key, value)] = key[size:]
        count += len(block)
        yield
    if len(by_place) != count:
        raise NotGood("two values have the same place")
    return _in_order(part, by_place, total, newer)


def _in_order(
    part: Part, by_place: dict[int, bytes], total: int, newer_keys: list[bytes]
) -> KeysRead:
    places = sorted(by_place)
    summed = (total % 2 ** (8 * _SUM_SIZE_BYTES)).to_bytes(_SUM_SIZE_BYTES, "big")
    return KeysRead(part, [by_place[place] for place in places], places, summed, newer_keys)


def read_newest_keys(store: KeyValue, parts: Iterable[Part]) -> ReadAhead | None:
    """These parts of the newest snapshot that has a manifest; None if there is none.

    Raises `NotGood` or `KeyValueDamaged`.
    """
    found = [manifest for _, manifest in manifests(store) if manifest is not None]
    if not found:
        return None
    newest = found[-1]
    return ReadAhead(newest, [_drained(read_keys(store, p, newest.record_count)) for p in parts])


def _drained(steps: Generator[None, None, KeysRead]) -> KeysRead:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            read: KeysRead = done.value
            return read
