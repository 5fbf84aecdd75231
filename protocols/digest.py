"""The digest of a state, kept up to date by what changed (ADR 0025, ADR 0049).

    sum over entities of sha256(key || 0x00 || canonical bytes), modulo 2**256

A key is that of the entity behind the name of its table. The views of a state are summed in the
same way, apart: they follow from the same events and are nobody's to compare but a snapshot's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from protocols.table import KeySet, Table
from protocols.types import Bytes32

_ENCODER = msgspec.json.Encoder()


def canonical(entity: Any) -> bytes:
    """The entity's canonical bytes: JSON arrays, bytes as base64, integers of any size."""
    return _ENCODER.encode(entity)


def term(name: bytes, key: bytes, encoded: bytes) -> int:
    """What one entity adds to the sum of all."""
    hashed = hashlib.sha256(b"%b%b\x00%b" % (name, key, encoded))
    return int.from_bytes(hashed.digest(), "big")


def digest_of_sum(total: int) -> Bytes32:
    """32 bytes of a sum of terms."""
    return (total % 2**256).to_bytes(32, "big")


class NamedTable(Struct, frozen=True, gc=False):
    """One of the tables that a state is made of."""

    name: bytes
    """What precedes its keys in the digest and in snapshots; ends with "|"."""
    table: Table[Any, Any] | KeySet[Any]
    is_digested: bool
    """True for entities, False for views."""


class Change(Struct, frozen=True, gc=False):
    """What became of one key since the notes were taken the time before."""

    named: NamedTable
    key: bytes
    before: bytes | None
    """Canonical bytes; None for nothing."""
    after: bytes | None
    place: int
    """Of the key in the order of its table."""
    is_moved: bool = False
    """Whether it was removed and came back, so that its place is another."""


def take_changes(tables: Iterable[NamedTable]) -> Iterator[Change]:
    """Take all tables' notes now; the changes they stand for, encoded as they are asked for.

    However late that is, they are those of now. Nobody else takes notes until the end is reached.
    """
    taken = [(named, named.table.moved, named.table.take()) for named in tables]
    return _changes([(named, moved, notes) for named, moved, notes in taken if notes])


def _changes(
    taken: list[tuple[NamedTable, Mapping[bytes, int], dict[bytes, Any]]],
) -> Iterator[Change]:
    for named, moved, notes in taken:
        table = named.table
        for key, kept_before in notes.items():
            kept = table.kept_at_taking(key)
            is_moved = kept is not None and key in moved
            if kept is kept_before and not is_moved:
                continue
            before = None if kept_before is None else table.encoded(key, kept_before, canonical)
            after = None if kept is None else table.encoded(key, kept, canonical)
            yield Change(named, key, before, after, table.place_at_taking(key), is_moved)


class Sums:
    """The digest, the views' sum and the number of keys by table: of all but untaken changes."""

    def __init__(self, entities: int = 0, views: int = 0) -> None:
        self._entities = entities
        self._views = views
        self.counts: dict[bytes, int] = {}
        """By the name of a table: its keys."""
        self.entity_count = 0

    @property
    def digest(self) -> Bytes32:
        """Of the entities."""
        return digest_of_sum(self._entities)

    @property
    def views(self) -> Bytes32:
        """The same of the views."""
        return digest_of_sum(self._views)

    def note(self, change: Change) -> None:
        """One key's change."""
        name, key = change.named.name, change.key
        added = count = 0
        if change.before is not None:
            added, count = -term(name, key, change.before), -1
        if change.after is not None:
            added, count = added + term(name, key, change.after), count + 1
        self.add(change.named, added, count)

    def add(self, named: NamedTable, added: int, count: int) -> None:
        """So many keys more in that table, with that sum of their terms."""
        if named.is_digested:
            self._entities += added
            self.entity_count += count
        else:
            self._views += added
        self.counts[named.name] = self.counts.get(named.name, 0) + count
