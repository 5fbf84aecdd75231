"""Begins a state from a snapshot: the newest that is proved good, or nothing.

A snapshot is good if the log has its last record with its chain hash, and if what it holds sums to
what its manifest says. Entities stay in the store until somebody asks for them; views are small and
come at once. One that is not good is named and the one before it is tried; behind the oldest stands
the fold of the whole log.
"""

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

import msgspec

from node.store.errors import LogDamaged, SnapshotGone
from node.store.kv import KeyValue, KeyValueDamaged, KeyValueError
from node.store.log import EventLog
from node.store.snapshot_keys import (
    STORED_TABLES,
    NotGood,
    Part,
    ReadAhead,
    read_keys,
    require_place,
    take_table,
)
from node.store.snapshots import (
    VERSION_HEAD_SIZE_BYTES,
    Manifest,
    manifests,
    newest_version,
    newest_versions,
)
from protocols.digest import NamedTable, Sums, term
from protocols.entities import VALUE_TYPES, NodeState
from protocols.steps import finished
from protocols.table import StoredTable

_to_int = int.from_bytes  # Most significant byte first, unless it is told otherwise.


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A snapshot that was not used."""

    record_count: int
    reason: str


class Loaded(msgspec.Struct, frozen=True):
    """A state as of `record_count` records; an empty one, as of none, if no snapshot is good."""

    state: NodeState
    record_count: int
    refused: tuple[Refused, ...]
    """Newer ones, newest first."""
    newer_keys: list[bytes] = []
    """Versions that newer snapshots wrote, whole ones or not."""


def restore_state(log: EventLog, at_most_seq: int | None = None) -> tuple[NodeState, int]:
    """A state to fold on from, and the record to go on with.

    It is the newest that is stored, and of a moment that is not behind record `at_most_seq`
    (default: the last). With nothing stored, an empty state and 0. Works read-only.
    """
    loaded = load_snapshot(log, log.next_seq if at_most_seq is None else at_most_seq + 1)
    return loaded.state, loaded.record_count


def load_snapshot(
    log: EventLog, record_count_max: int, read_ahead: ReadAhead | None = None
) -> Loaded:
    """The newest good snapshot of at most so many records, and why newer ones are not used.

    What was read ahead of it need not be read again, and is taken away from there.
    """
    return finished(loading(log, record_count_max, read_ahead))


def loading(
    log: EventLog, record_count_max: int, read_ahead: ReadAhead | None = None
) -> Generator[None, None, Loaded]:
    """`load_snapshot` in steps of a millisecond or two: for who lets others run in between.

    But putting the keys of a table in order is one step: five milliseconds for 10,000 of them.
    """
    refused: list[Refused] = []
    try:
        found = list(manifests(log.store))
    except KeyValueDamaged as error:
        return Loaded(NodeState(), 0, (Refused(0, f"no snapshot can be read: {error}"),))
    for record_count, manifest in reversed(found):
        if record_count > record_count_max:
            continue
        try:
            loaded = yield from _load(log, manifest, read_ahead)
        except NotGood as error:
            refused.append(Refused(record_count, str(error)))
            continue
        return Loaded(loaded.state, record_count, tuple(refused), loaded.newer_keys)
    return Loaded(NodeState(), 0, tuple(refused))


def _load(
    log: EventLog, manifest: Manifest | None, read_ahead: ReadAhead | None
) -> Generator[None, None, "_Loading"]:
    if manifest is None:
        raise NotGood("its manifest is damaged, or of another version of this program")
    require_of_this_log(log, manifest)
    try:
        is_its_own = read_ahead is not None and read_ahead.manifest == manifest
        loaded = _Loading(log, manifest, read_ahead if is_its_own else None)
        yield from loaded.load()
    except KeyValueDamaged as error:
        raise NotGood(f"it cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise NotGood(f"it does not decode: {error}") from error
    return loaded


def require_of_this_log(log: EventLog, manifest: Manifest) -> None:
    """Raise `NotGood` unless the log has the snapshot's last record, with its chain hash."""
    if manifest.record_count > log.next_seq:
        raise NotGood(f"the log has {log.next_seq} records only")
    try:
        chain_hash = log.chain_at(manifest.record_count - 1)
    except LogDamaged as error:
        raise NotGood(f"its last record cannot be read: {error.reason}") from error
    if chain_hash != manifest.chain_hash:
        raise NotGood("its last record is another one in the log")


class Pin:
    """Where the values of a snapshot are fetched. While it lives, its versions are kept."""

    def __init__(self, store: KeyValue, record_count: int) -> None:
        self._store = store
        self.record_count = record_count

    def fetch(self, name: bytes, key: bytes) -> bytes:
        """The canonical bytes of one value. Raises `SnapshotGone`."""
        try:
            value = newest_version(self._store, name, key, self.record_count)
        except KeyValueError as error:
            raise SnapshotGone(self.record_count, str(error)) from error
        if value is None:
            raise SnapshotGone(self.record_count, f"{name!r} 0x{key.hex()} is not there")
        return value[VERSION_HEAD_SIZE_BYTES:]


class _Loading:
    """One snapshot on its way into a state."""

    def __init__(self, log: EventLog, manifest: Manifest, read_ahead: ReadAhead | None) -> None:
        self._ahead = read_ahead
        self._log = log
        self._store = log.store
        self._manifest = manifest
        self._pin = Pin(log.store, manifest.record_count)
        self._figures = {table.name: table for table in manifest.tables}
        self._sums = Sums()
        self.newer_keys: list[bytes] = []
        self.state = NodeState()
        """Once `load` is at its end."""

    def load(self) -> Iterator[None]:
        """Fill the state, in steps. Raises `NotGood`, `KeyValueDamaged`, `msgspec.DecodeError`."""
        # From the first step on: what is read is not to be swept between two of them.
        self._log.pins.add(self._pin)
        stored: dict[str, Any] = {}
        for name, attribute in STORED_TABLES.items():
            stored[attribute] = yield from self._stored_table(name)
        self.state = state = NodeState(**stored)
        for named in state.tables():
            if named.name not in STORED_TABLES:
                entries = yield from self._entries(named)
                named.table.restore(entries, self._next_place(named.name))
        self._require_sums()
        state.sums = self._sums
        state.rebuild()

    def _versions(self, name: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
        return newest_versions(self._store, name, self._manifest.record_count, self.newer_keys)

    def _stored_table(self, name: bytes) -> Generator[None, None, StoredTable[Any, Any]]:
        """A table of keys alone, in their order. Each value was read once, for the sum."""
        read = None if self._ahead is None else take_table(self._ahead, name)
        if read is None:
            read = yield from read_keys(self._store, Part(name), self._manifest.record_count)
        self.newer_keys += read.newer_keys
        yield
        decode = msgspec.json.Decoder(VALUE_TYPES[name]).decode
        fetch = partial(self._pin.fetch, name)
        table: StoredTable[Any, Any] = StoredTable(
            read.keys, read.places, self._next_place(name), fetch, decode
        )
        self._sums.add(
            NamedTable(name, table, is_digested=True), _to_int(read.total, "big"), len(read.keys)
        )
        return table

    def _entries(self, named: NamedTable) -> Generator[None, None, list[tuple[bytes, Any, int]]]:
        """Keys, decoded values and places of a table that is held whole."""
        entries: list[tuple[int, bytes, Any]] = []
        name, total = named.name, 0
        decode = msgspec.json.Decoder(VALUE_TYPES[name]).decode
        for block in self._versions(name):
            for named_key, value in block:
                place, encoded = require_place(named_key, value), value[VERSION_HEAD_SIZE_BYTES:]
                key = named_key[len(name) :]
                total += term(name, key, encoded)
                entries.append((place, key, decode(encoded)))
            yield
        entries.sort(key=lambda entry: entry[0])
        self._sums.add(named, total, len(entries))
        return [(key, value, place) for place, key, value in entries]

    def _next_place(self, name: bytes) -> int:
        figures = self._figures.get(name)
        return 0 if figures is None else figures.next_place

    def _require_sums(self) -> None:
        manifest, sums = self._manifest, self._sums
        if (sums.digest, sums.views) != (manifest.digest, manifest.views):
            raise NotGood("what it holds does not sum to its digest")
        counts = {figures.name: figures.count for figures in manifest.tables}
        if (sums.entity_count, sums.counts) != (manifest.entity_count, counts):
            raise NotGood("it does not hold as much as it says")
