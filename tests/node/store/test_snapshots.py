"""The layout of snapshots: what is read back, and what is seen to be wrong."""

from __future__ import annotations

from msgspec.structs import replace

from node.store import snapshots
from node.store.kv import SNAPSHOTS
from node.store.memory import MemoryKeyValue
from node.store.snapshots import (
    VERSION_HEAD_SIZE_BYTES,
    Manifest,
    TableFigures,
    decode_manifest,
    encode_manifest,
    encode_version,
    manifest_key,
    manifests,
    newest_version,
    newest_versions,
    place_of,
    version_key,
)

MANIFEST = Manifest(
    snapshots.shape_of_values(), 7, b"c" * 32, b"d" * 32, 3, b"v" * 32, (TableFigures(b"t|", 3, 9),)
)


def stored(entries: dict[bytes, bytes]) -> MemoryKeyValue:
    store = MemoryKeyValue()
    batch = store.new_batch()
    for key, value in entries.items():
        batch.put(key, value, SNAPSHOTS)
    store.write_unlogged(batch)
    return store


def version(key: bytes, count: int, text: bytes | None, name: bytes = b"t|") -> dict[bytes, bytes]:
    return {version_key(name, key, count): encode_version(name + key, 5, text)}


def test_a_manifest_is_read_back() -> None:
    assert decode_manifest(encode_manifest(MANIFEST)) == MANIFEST


def test_a_changed_byte_of_a_manifest_is_seen() -> None:
    value = encode_manifest(MANIFEST)
    for place in range(len(value)):
        changed = value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
        assert decode_manifest(changed) is None
    assert decode_manifest(b"") is None


def test_a_manifest_of_another_shape_of_values_is_none() -> None:
    assert decode_manifest(encode_manifest(replace(MANIFEST, shape=b"other"))) is None


def test_manifests_come_oldest_first_and_a_damaged_or_misplaced_one_as_none() -> None:
    later = replace(MANIFEST, record_count=300)
    store = stored(
        {
            manifest_key(300): encode_manifest(later),
            manifest_key(7): encode_manifest(MANIFEST),
            manifest_key(8): encode_manifest(MANIFEST),
            manifest_key(9): b"damaged",
            **version(b"k", 2**40, b"1"),
        }
    )
    found = list(manifests(store))
    assert found == [(7, MANIFEST), (8, None), (9, None), (300, later)]


def test_of_each_key_the_newest_version_counts_that_is_not_above_the_snapshot() -> None:
    store = stored(
        version(b"a", 1, b"a1")
        | version(b"a", 5, b"a5")
        | version(b"a", 9, b"a9")
        | version(b"b", 2, b"b2")
        | version(b"b", 5, None)
        | version(b"c", 6, b"c6")
        | version(b"a", 1, b"other table", name=b"u|")
    )
    newer: list[bytes] = []
    rows = [row for block in newest_versions(store, b"t|", 5, newer) for row in block]
    assert [(key, value[VERSION_HEAD_SIZE_BYTES:]) for key, value in rows] == [(b"t|a", b"a5")]
    assert newer == [version_key(b"t|", b"a", 9), version_key(b"t|", b"c", 6)]
    assert newest_version(store, b"t|", b"a", 4) == encode_version(b"t|a", 5, b"a1")
    assert newest_version(store, b"t|", b"b", 4) == encode_version(b"t|b", 5, b"b2")
    assert newest_version(store, b"t|", b"b", 5) is None
    assert newest_version(store, b"t|", b"c", 5) is None
    assert newest_version(store, b"t|", b"z", 5) is None


def test_a_place_is_read_back_and_a_changed_bit_of_it_is_seen() -> None:
    stored_value = encode_version(b"t|a", 2**40 + 7, b"value")
    assert place_of(b"t|a", stored_value) == 2**40 + 7
    assert place_of(b"t|b", stored_value) is None
    for bit in range(8 * VERSION_HEAD_SIZE_BYTES):
        changed = bytearray(stored_value)
        changed[bit // 8] ^= 1 << bit % 8
        assert place_of(b"t|a", bytes(changed)) is None
    assert place_of(b"t|a", b"") is None


def test_versions_of_a_key_that_lie_in_two_blocks_are_one_key() -> None:
    entries: dict[bytes, bytes] = {}
    for number in range(400):
        for count in (1, 2, 3):
            entries |= version(number.to_bytes(2, "big"), count, b"%d" % count)
    rows = [row for block in newest_versions(stored(entries), b"t|", 2, []) for row in block]
    assert [value[VERSION_HEAD_SIZE_BYTES:] for _, value in rows] == [b"2"] * 400
    assert [key for key, _ in rows] == [b"t|" + number.to_bytes(2, "big") for number in range(400)]
