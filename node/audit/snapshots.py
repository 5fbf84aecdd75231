"""Every kept snapshot against the fold, and its manifest against what it holds.

A snapshot is derived, and a start that finds one wrong uses another. But one that is whole, of this
log and not what its records fold to shows a bug: then the state in memory was wrong as well.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby

from node.audit.checks import Check, Fault, Ground
from node.audit.reader import LogReader
from node.store.damage import file_in
from node.store.kv import LOG, SNAPSHOTS, KeyValue, KeyValueDamaged
from node.store.record import CHAIN_SIZE_BYTES, SEQ_SIZE_BYTES, seq_key
from node.store.snapshots import (
    VERSION_HEAD_SIZE_BYTES,
    Manifest,
    is_manifest_key,
    manifests,
    place_of,
)
from protocols.digest import digest_of_sum, term
from protocols.node_state import NodeState

_Sums = tuple[bytes, int, bytes]
"""Digest of the entities, their number, and the views' sum."""


class SnapshotCheck(Check):
    """What a start could begin from is what the log says."""

    name = "snapshots"
    is_of_channels = False

    def __init__(self) -> None:
        self._manifests: dict[int, Manifest] = {}
        self._folds: dict[int, _Sums] = {}

    def stops(self, reader: LogReader) -> Iterable[int]:
        """Where there are snapshots."""
        try:
            found = [manifest for _, manifest in manifests(reader.store) if manifest is not None]
        except KeyValueDamaged:
            return ()  # Named at the end, where all of them are read.
        self._manifests = {
            manifest.record_count: manifest
            for manifest in found
            if _is_of_this_log(reader.store, manifest)
        }
        return self._manifests

    def look(self, seq: int, state: NodeState) -> Iterator[str]:
        """The manifest against the fold of as many records."""
        sums, manifest = state.sum_up(), self._manifests[seq]
        self._folds[seq] = sums.digest, sums.entity_count, sums.views
        told = manifest.digest, manifest.entity_count, manifest.views
        if told != self._folds[seq]:
            yield (
                f"{seq} records fold to {sums.entity_count} entities with digest "
                f"0x{sums.digest.hex()}, their snapshot says {manifest.entity_count} with "
                f"0x{manifest.digest.hex()}"
            )

    def finish(self, ground: Ground) -> Iterator[Fault]:
        """What each snapshot holds against its manifest."""
        counts = sorted(self._manifests)
        try:
            held, misplaced = _held(ground.reader.store, counts)
        except KeyValueDamaged as error:
            message = f"snapshots cannot be read (they hold no records): {error}"
            yield Fault(message, file=file_in(str(error)))
            return
        if misplaced:
            name, _, key = misplaced[0].partition(b"|")
            yield Fault(
                f"{len(misplaced)} values in snapshots stand at places that were changed, the "
                f"first is {name.decode()} 0x{key.hex()}"
            )
        for count, sums in zip(counts, held, strict=True):
            manifest = self._manifests[count]
            if sums != (manifest.digest, manifest.entity_count, manifest.views):
                yield Fault(
                    f"the snapshot of {count} records holds {sums[1]} entities with digest "
                    f"0x{sums[0].hex()}, its manifest says {manifest.entity_count} with "
                    f"0x{manifest.digest.hex()}"
                )


def _is_of_this_log(store: KeyValue, manifest: Manifest) -> bool:
    """Snapshots of a tail that was cut are left until the next start: they are nobody's."""
    try:
        last = store.get(LOG, seq_key(manifest.record_count - 1))
    except KeyValueDamaged:
        return False
    return last is not None and last[:CHAIN_SIZE_BYTES] == manifest.chain_hash


def _held(store: KeyValue, counts: list[int]) -> tuple[list[_Sums], list[bytes]]:
    """What the snapshots of so many records hold, in one pass over all versions; and whose place
    was changed."""
    misplaced = []
    digested = {named.name for named in NodeState().tables() if named.is_digested}
    size = len(counts) + 1
    entities, numbers, views = [0] * size, [0] * size, [0] * size
    for named_key, group in groupby(_versions(store), key=lambda version: version[0]):
        name, _, key = named_key.partition(b"|")
        name += b"|"
        versions = [(bisect_left(counts, seq), value) for _, seq, value in group]
        ends = [*(first for first, _ in versions[1:]), len(counts)]
        for (first, value), end in zip(versions, ends, strict=True):
            if not value:
                continue
            if place_of(named_key, value) is None:
                misplaced.append(named_key)
            added = term(name, key, value[VERSION_HEAD_SIZE_BYTES:])
            sums = entities if name in digested else views
            sums[first] += added
            sums[end] -= added
            if name in digested:
                numbers[first] += 1
                numbers[end] -= 1
    rows = zip(accumulate(entities), accumulate(numbers), accumulate(views), strict=True)
    return [(digest_of_sum(e), n, digest_of_sum(v)) for e, n, v in list(rows)[:-1]], misplaced


def _versions(store: KeyValue) -> Iterator[tuple[bytes, int, bytes]]:
    for key, value in store.iterate(SNAPSHOTS):
        if not is_manifest_key(key):
            seq = int.from_bytes(key[-SEQ_SIZE_BYTES:], "big")
            yield key[:-SEQ_SIZE_BYTES], seq, value
