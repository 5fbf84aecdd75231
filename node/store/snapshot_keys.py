"""The keys of a snapshot's large tables, in their order, and the sum of the values behind them.

Such a table is not held: its values stay in the store until somebody asks for one. But each is read
once when a snapshot is loaded, so that one that was changed is noticed before anything rests on it.
"""

from collections.abc import Generator
from hashlib import sha256

import msgspec

from node.store.kv import KeyValue
from node.store.snapshots import (
    VERSION_HEAD_SIZE_BYTES,
    Manifest,
    manifests,
    newest_versions,
    place_of,
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


class KeysRead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What reading a table once leaves."""

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
    tables: dict[bytes, KeysRead]
    """By name; who takes one up removes it, for the sake of memory."""


encode_read_ahead = msgspec.msgpack.Encoder().encode
"""Its bytes, for the way between processes."""
_decode_read_ahead = msgspec.msgpack.Decoder(ReadAhead).decode


def decode_read_ahead(encoded: bytes) -> ReadAhead | None:
    """What `encode_read_ahead` encoded; None if it is nothing of the kind."""
    try:
        return _decode_read_ahead(encoded)
    except msgspec.DecodeError:
        return None


def require_place(named_key: bytes, value: bytes) -> int:
    """Where the value stands in the order of its table. Raises `NotGood`."""
    place = place_of(named_key, value)
    if place is None:
        raise NotGood("a place in it was changed")
    return place


def read_keys(store: KeyValue, name: bytes, record_count: int) -> Generator[None, None, KeysRead]:
    """The keys of a table in the snapshot of so many records, in steps of a millisecond or two.

    But putting them in order is one step. Raises `NotGood` or `KeyValueDamaged`.
    """
    by_place: dict[int, bytes] = {}
    newer: list[bytes] = []
    total = count = 0
    size, first = len(name), VERSION_HEAD_SIZE_BYTES
    to_int = int.from_bytes
    for block in newest_versions(store, name, record_count, newer):
        # Block by block: a start with many channels spends most of its time here.
        hashes = [sha256(b"%b\x00%b" % (key, value[first:])).digest() for key, value in block]
        total += sum([to_int(hashed, "big") for hashed in hashes])
        for key, value in block:
            by_place[require_place(key, value)] = key[size:]
        count += len(block)
        yield
    if len(by_place) != count:
        raise NotGood("two values have the same place")
    places = sorted(by_place)
    yield
    summed = (total % 2 ** (8 * _SUM_SIZE_BYTES)).to_bytes(_SUM_SIZE_BYTES, "big")
    return KeysRead([by_place[place] for place in places], places, summed, newer)


def read_newest_keys(store: KeyValue) -> ReadAhead | None:
    """The stored tables of the newest snapshot that has a manifest; None if there is none.

    Raises `NotGood` or `KeyValueDamaged`.
    """
    found = [manifest for _, manifest in manifests(store) if manifest is not None]
    if not found:
        return None
    newest = found[-1]
    tables = {name: _drained(read_keys(store, name, newest.record_count)) for name in STORED_TABLES}
    return ReadAhead(newest, tables)


def _drained(steps: Generator[None, None, KeysRead]) -> KeysRead:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            read: KeysRead = done.value
            return read
