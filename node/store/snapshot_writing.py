"""Writes snapshots a slice at a time, and removes what is newer than the one a start went on from.

To begin one takes the notes of what changed, which costs nothing; while its slices are written the
state goes on changing. The manifest comes last, so that a snapshot is whole or is not there.
"""

from collections.abc import Callable, Iterator

from node.store.errors import LogWriteFailed
from node.store.kv import SNAPSHOTS, KeyValueError
from node.store.log import EventLog
from node.store.snapshot_loading import Loaded
from node.store.snapshots import (
    Manifest,
    TableFigures,
    encode_manifest,
    encode_version,
    manifest_key,
    shape_of_values,
    version_key,
)
from protocols.digest import Change, take_changes
from protocols.entities import NodeState
from protocols.types import UINT64_MAX

_BEHIND_ALL = b"\xff" * 256
REMOVED_COUNT_MAX = 4_096
"""Versions removed by one write."""


class SnapshotWriting:
    """One snapshot of a state, from the moment it is begun to its manifest."""

    def __init__(self, log: EventLog, state: NodeState) -> None:
        """Take the notes of `state`, which is what the whole of `log` folds to."""
        self._store = log.store
        self._state = state
        self.record_count = log.next_seq
        self.version_count = 0
        """Versions written so far."""
        self._chain_hash = log.chain_hash
        self._next_places = {named.name: named.table.next_place for named in state.tables()}
        self._changes: Iterator[Change] = take_changes(state.tables())

    def advance(self, change_count_max: int, is_time: Callable[[], bool]) -> Manifest | None:
        """Write about so many changes, fewer when `is_time`; the manifest once it is written.

        Raises `LogWriteFailed`.
        """
        batch = self._store.new_batch()
        handle = self._store.handle(SNAPSHOTS)
        sums, record_count = self._state.sums, self.record_count
        manifest: Manifest | None = None
        for _ in range(change_count_max):
            change = next(self._changes, None)
            if change is None:
                manifest = self._manifest()
                batch.put(manifest_key(record_count), encode_manifest(manifest), handle)
                break
            sums.note(change)
            if change.before != change.after or change.is_moved:
                key = version_key(change.named.name, change.key, record_count)
                named_key = change.named.name + change.key
                batch.put(key, encode_version(named_key, change.place, change.after), handle)
                self.version_count += 1
            # Looked at each time: a ledger with many guarantees takes as long as a slice.
            if is_time():
                break
        try:
            self._store.write_unlogged(batch)
        except KeyValueError as error:
            raise LogWriteFailed(str(error)) from error
        return manifest

    def _manifest(self) -> Manifest:
        sums = self._state.sums
        tables = tuple(
            TableFigures(name, sums.counts.get(name, 0), next_place)
            for name, next_place in self._next_places.items()
        )
        return Manifest(
            shape_of_values(),
            self.record_count,
            self._chain_hash,
            sums.digest,
            sums.entity_count,
            sums.views,
            tables,
        )


def remove_newer(log: EventLog, loaded: Loaded) -> None:
    """Remove what is newer than the snapshot that was loaded: it is of no use, and a snapshot to
    come may be of as many records.

    If none was good all is removed, and not read for it. Raises `LogWriteFailed`.
    """
    store = log.store
    handle = store.handle(SNAPSHOTS)
    try:
        for start in range(0, len(loaded.newer_keys), REMOVED_COUNT_MAX):
            batch = store.new_batch()
            for key in loaded.newer_keys[start : start + REMOVED_COUNT_MAX]:
                batch.delete(key, handle)
            store.write_unlogged(batch)
        batch = store.new_batch()
        first = manifest_key(loaded.record_count + 1) if loaded.record_count else b""
        stop = manifest_key(UINT64_MAX) + b"\xff" if loaded.record_count else _BEHIND_ALL
        batch.delete_range(first, stop, handle)
        store.write_unlogged(batch)
    except KeyValueError as error:
        raise LogWriteFailed(str(error)) from error
