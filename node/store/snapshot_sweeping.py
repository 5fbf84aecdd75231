"""Removes what no kept snapshot needs, a slice at a time.

Kept are the newest, and for the past one of every 20,000 records. A version is needed as
long as some kept snapshot, or one that a state in memory still fetches from, has no newer one of
its key.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import groupby

from node.store.errors import LogWriteFailed
from node.store.kv import SNAPSHOTS, KeyValueError
from node.store.log import EventLog
from node.store.record import SEQ_SIZE_BYTES
from node.store.snapshots import is_manifest_key, manifest_key, manifests

KEPT_COUNT = 10
"""The newest snapshots, all of them: one that is not good has others behind it."""
KEPT_INTERVAL_RECORD_COUNT = 20_000
"""Of older ones the first behind so many records, behind twice as many, and so on: from there the
past is folded, in a tenth of a second where nothing else runs and in twice that on a busy machine
(ADR 0055). Five of them are the 100,000 records in which one is the least to keep."""


def kept_counts(record_counts: Iterable[int]) -> list[int]:
    """Of snapshots of these numbers of records those that are kept, ascending."""
    ordered = sorted(record_counts)
    first_of: dict[int, int] = {}
    for count in ordered:
        first_of.setdefault(count // KEPT_INTERVAL_RECORD_COUNT, count)
    milestones = {count for interval, count in first_of.items() if interval > 0}
    return sorted(milestones.union(ordered[-KEPT_COUNT:]))


class SnapshotSweep:
    """One pass over all versions."""

    def __init__(self, log: EventLog) -> None:
        """Manifests that are not kept go at once. Raises `LogWriteFailed`, `KeyValueDamaged`."""
        self._store = log.store
        counts = [count for count, _ in manifests(log.store)]
        kept = kept_counts(counts)
        self._remove([manifest_key(count) for count in counts if count not in set(kept)])
        self._kept = sorted({*kept, *(pin.record_count for pin in log.pins)})
        self.removed_count = 0
        """Versions removed so far."""
        self._from = b""
        self._carried: list[tuple[bytes, bytes]] = []
        """Versions of a key whose others may be in the next block."""

    def advance(self) -> bool:
        """Look at one block of versions; True at the end of the pass.

        Raises `LogWriteFailed`, `KeyValueDamaged`.
        """
        block = next(self._store.blocks(SNAPSHOTS, self._from), None)
        entries = [*self._carried, *(block or ())]
        if block is not None:
            self._from = block[-1][0] + b"\x00"
        groups = [list(group) for _, group in groupby(entries, key=_entity)]
        self._carried = groups.pop() if block is not None and groups else []
        gone = [key for group in groups for key in self._not_needed(group)]
        self._remove(gone)
        self.removed_count += len(gone)
        return block is None

    def _not_needed(self, versions: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
        """Keys of versions of one entity, oldest first, that no kept snapshot shows."""
        if is_manifest_key(versions[0][0]):
            return
        seqs = [int.from_bytes(key[-SEQ_SIZE_BYTES:], "big") for key, _ in versions]
        is_first = True
        for place, (key, value) in enumerate(versions):
            at = bisect_left(self._kept, seqs[place])
            is_behind_all = at == len(self._kept)
            is_newest = place + 1 == len(seqs)
            is_shown = is_behind_all or is_newest or self._kept[at] < seqs[place + 1]
            # A removal says nothing if no older version is left.
            if not is_shown or (not value and is_first and not is_behind_all):
                yield key
            else:
                is_first = False

    def _remove(self, keys: list[bytes]) -> None:
        if not keys:
            return
        batch = self._store.new_batch()
        for key in keys:
            batch.delete(key, self._store.handle(SNAPSHOTS))
        try:
            self._store.write_unlogged(batch)
        except KeyValueError as error:
            raise LogWriteFailed(str(error)) from error


def _entity(entry: tuple[bytes, bytes]) -> bytes:
    return entry[0][:-SEQ_SIZE_BYTES]
