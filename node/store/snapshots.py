"""How snapshots lie in the store: versions of what a state holds, and what says they are whole.

A snapshot is the state that the first so many records fold to. What changed since the one before is
written as versions, one for each key of each table; a manifest, written behind them, completes it.

    table name || key || records u64  -> place u64 || crc32 || canonical bytes, or empty: removed
    "manifest|" || records u64        -> sha256 || manifest

A key's value in a snapshot is its newest version not above the snapshot's number of records.
Everything here follows from the log and is written beside the write-ahead log (ADR 0049): to lose
it costs time.
"""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from struct import Struct
from zlib import crc32

import msgspec

from node.store.kv import SNAPSHOTS, KeyValue
from node.store.record import SEQ_SIZE_BYTES, seq_key
from protocols.entities import VALUE_TYPES

PLACE_SIZE_BYTES = 8
VERSION_HEAD_SIZE_BYTES = PLACE_SIZE_BYTES + 4
"""Before the canonical bytes: the place, and the CRC-32 of name, key and place. The sums of a
manifest are over what values are, not over the order in which they came."""
_unpack_head = Struct(">QI").unpack_from
FORMAT_VERSION = 2
"""Of this layout, and of what the reducers make of events: raised when either changes."""
_MANIFEST = b"manifest|"
_CHECKSUM_SIZE_BYTES = 32


@lru_cache(maxsize=1)
def shape_of_values() -> bytes:
    """A hash of what values look like; a snapshot of another shape is not used."""
    schemas = msgspec.json.schema_components(VALUE_TYPES.values())
    return sha256(repr((FORMAT_VERSION, list(VALUE_TYPES), schemas)).encode()).digest()


class TableFigures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a manifest says of one table."""

    name: bytes
    count: int
    next_place: int
    """Of the key that is added next."""


class Manifest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What makes versions a snapshot."""

    shape: bytes
    """`shape_of_values` of the program that wrote it."""
    record_count: int
    """So many records, from the first on, fold to it."""
    chain_hash: bytes
    """Of the last of them."""
    digest: bytes
    """Of its entities (ADR 0025)."""
    entity_count: int
    views: bytes
    """The same sum over its views."""
    tables: tuple[TableFigures, ...]


_decode = msgspec.msgpack.Decoder(Manifest).decode
_encode = msgspec.msgpack.Encoder().encode


def manifest_key(record_count: int) -> bytes:
    """Where the manifest of the snapshot of so many records is."""
    return _MANIFEST + seq_key(record_count)


def encode_manifest(manifest: Manifest) -> bytes:
    """The stored value."""
    body = _encode(manifest)
    return sha256(body).digest() + body


def decode_manifest(value: bytes) -> Manifest | None:
    """The manifest; None if the value is not one of ours, whole and of this program's
    shape."""
    checksum, body = value[:_CHECKSUM_SIZE_BYTES], value[_CHECKSUM_SIZE_BYTES:]
    if sha256(body).digest() != checksum:
        return None
    try:
        manifest = _decode(body)
    except msgspec.DecodeError:
        return None
    return manifest if manifest.shape == shape_of_values() else None


def manifests(store: KeyValue) -> Iterator[tuple[int, Manifest | None]]:
    """(number of records, manifest) of every snapshot, oldest first; None where it is damaged.

    Raises `KeyValueDamaged`.
    """
    for key, value in store.iterate(SNAPSHOTS, *range_of(_MANIFEST)):
        manifest, count = decode_manifest(value), int.from_bytes(key[len(_MANIFEST) :], "big")
        is_its_own = manifest is not None and manifest_key(manifest.record_count) == key
        yield count, manifest if is_its_own else None


def manifest_count(store: KeyValue) -> int:
    """How many snapshots were completed and are kept. Raises `KeyValueDamaged`."""
    return sum(1 for _ in store.iterate(SNAPSHOTS, *range_of(_MANIFEST)))


def range_of(name: bytes) -> tuple[bytes, bytes]:
    """Between which keys a table's versions are; its name ends with "|"."""
    return name, name[:-1] + bytes([name[-1] + 1])


def is_manifest_key(key: bytes) -> bool:
    """Whether it is none of a version."""
    return key.startswith(_MANIFEST)


def version_key(name: bytes, key: bytes, record_count: int) -> bytes:
    """Where the version of a key is that a snapshot of so many records wrote."""
    return name + key + record_count.to_bytes(SEQ_SIZE_BYTES, "big")


def encode_version(named_key: bytes, place: int, encoded: bytes | None) -> bytes:
    """A version's stored value; `named_key` is the table's name with the key behind it."""
    if encoded is None:
        return b""
    stored = place.to_bytes(PLACE_SIZE_BYTES, "big")
    return stored + crc32(named_key + stored).to_bytes(4, "big") + encoded


def place_of(named_key: bytes, value: bytes) -> int | None:
    """The place in the stored value of a version that is no removal; None if it was changed."""
    if len(value) < VERSION_HEAD_SIZE_BYTES:
        return None
    place, checksum = _unpack_head(value)
    is_whole = checksum == crc32(value[:PLACE_SIZE_BYTES], crc32(named_key))
    return place if is_whole else None


def newest_versions(
    store: KeyValue,
    name: bytes,
    record_count: int,
    newer: list[bytes],
    between: tuple[bytes, bytes] | None = None,
) -> Iterator[list[tuple[bytes, bytes]]]:
    """(name || key, stored value) of the snapshot of so many records, many at a time, in key order.

    Of the whole table, or of keys from one on to before another. What was removed is left out.
    The keys of newer versions are added to `newer`. Raises `KeyValueDamaged`.
    """
    newest_seq = seq_key(record_count)
    before, held = b"", b""
    for block in store.blocks(SNAPSHOTS, *(between or range_of(name))):
        names = [key[:-SEQ_SIZE_BYTES] for key, _ in block]
        if _are_single(names, block, before, newest_seq):
            # Most keys have one version: nothing is to be chosen or left out.
            single = list(zip(names, map(itemgetter(1), block), strict=True))
            yield [(before, held), *single[:-1]] if held else single[:-1]
            before, held = single[-1]
            continue
        found = []
        for key, value in block:
            if key[-SEQ_SIZE_BYTES:] > newest_seq:
                newer.append(key)
                continue
            named = key[:-SEQ_SIZE_BYTES]
            if named != before:
                if held:
                    found.append((before, held))
                before = named
            held = value
        yield found
    if held:
        yield [(before, held)]


def _are_single(
    names: list[bytes], block: list[tuple[bytes, bytes]], before: bytes, newest_seq: bytes
) -> bool:
    """Whether each is the only version of its key, not above that number of records, and of
    something that is there. `before` is the name before them."""
    return (
        names[0] != before
        and len(set(names)) == len(names)
        and all(map(itemgetter(1), block))
        and max([key[-SEQ_SIZE_BYTES:] for key, _ in block]) <= newest_seq
    )


def newest_version(store: KeyValue, name: bytes, key: bytes, record_count: int) -> bytes | None:
    """The stored value of one key in that snapshot; None if it has none there.

    Raises `KeyValueDamaged`.
    """
    start, stop = version_key(name, key, 0), version_key(name, key, record_count + 1)
    value = None
    for _, value in store.iterate(SNAPSHOTS, start, stop):  # noqa: B007  the last one counts
        pass
    return value or None
