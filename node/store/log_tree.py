"""The Merkle mountain range over the records, kept beside the log: its root, and proofs.

Nothing is done for it while records are written but to keep their chain hashes in memory; `advance`
takes them in later, a bounded number at once. Of the nodes only those over whole blocks of 64
records are stored. They are written with the next batch, whatever it is of, so that a crash takes
nodes and records alike; what stands above or is missing after that is made again from the log.

    end of the node's last record, u64 || height u8 -> hash (32)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from node.store.errors import LogDamaged
from node.store.kv import TREE, KeyValue, KeyValueDamaged, WriteBatch
from node.store.limits import TREE_KEPT_COUNT_MAX, TREE_SLICE_COUNT_MAX
from node.store.record import SEQ_SIZE_BYTES
from protocols.mountain_range import (
    BLOCK_HEIGHT,
    BLOCK_LEAF_COUNT,
    HASH_SIZE_BYTES,
    MountainRange,
    bagged,
    consistency_path,
    leaf_hashes,
    levels,
    peaks_of_block,
    spans,
)

log = structlog.get_logger()


def node_key(height: int, end: int) -> bytes:
    """Key of a stored node: the number behind its last record, and how high it stands."""
    return end.to_bytes(SEQ_SIZE_BYTES, "big") + height.to_bytes(1, "big")


class LogTree:
    """The range of one log. `EventLog` makes it and tells it what was written."""

    def __init__(
        self, store: KeyValue, chain_hashes: Callable[[int, int], list[bytes]], length: int
    ) -> None:
        """Take up the stored nodes of a log of `length` records.

        `chain_hashes` reads those of records from one number to before another.
        """
        self._store = store
        self._chain_hashes = chain_hashes
        self.log_length = length
        """Records of the log that are durable."""
        self._kept: list[bytes] = []
        """Chain hashes of the newest records, from `_kept_from` to the end of the log."""
        self._kept_from = length
        self._unwritten: dict[bytes, bytes] = {}
        self._is_to_be_cleared = False
        self._range = self._stored_range()

    # --- growing ---

    @property
    def length(self) -> int:
        """Records that stand in the tree."""
        return self._range.length

    @property
    def lag_count(self) -> int:
        """Records of the log that do not stand in it yet."""
        return self.log_length - self._range.length

    @property
    def unwritten_count(self) -> int:
        """Nodes that wait for a batch."""
        return len(self._unwritten)

    def keep(self, chain_hashes: Sequence[bytes]) -> None:
        """These records are durable, behind those before."""
        if not self._kept:
            self._kept_from = self.log_length
        self.log_length += len(chain_hashes)
        self._kept += chain_hashes
        if len(self._kept) > TREE_KEPT_COUNT_MAX:
            self._kept = []
            self._kept_from = self.log_length

    def advance(self) -> None:
        """Take in at most `TREE_SLICE_COUNT_MAX` records of those that are not in it yet."""
        length = self._range.length
        if self._kept and length == self._kept_from:
            taken = self._kept[:TREE_SLICE_COUNT_MAX]
            del self._kept[: len(taken)]
            self._kept_from += len(taken)
        else:
            taken = self._chain_hashes(
                length, min(length + TREE_SLICE_COUNT_MAX, self._kept_from, self.log_length)
            )
        for height, end, node in self._range.extend(taken):
            self._unwritten[node_key(height, end)] = node

    def put_nodes(self, batch: WriteBatch) -> None:
        """Have what is not stored yet written with this batch, whose write must not fail."""
        if not self._unwritten and not self._is_to_be_cleared:
            return
        handle: Any = self._store.handle(TREE)
        if self._is_to_be_cleared:
            batch.delete_range(b"", node_key(0xFF, 2**64 - 1), handle)
            self._is_to_be_cleared = False
        for key, node in self._unwritten.items():
            batch.put(key, node, handle)
        self._unwritten.clear()

    # --- asking ---

    def root(self, length: int) -> bytes:
        """The root over the first `length` records, all of which stand in it; one at least."""
        if length == self._range.length:
            return self._range.root()
        return bagged(self._peaks(length))

    def proof(self, seq: int, length: int) -> tuple[list[bytes], list[bytes]]:
        """What leads from record `seq` to the root over `length` records: path and peaks.

        Raises `LogDamaged` if records or nodes on the way cannot be read.
        """
        assert 0 <= seq < length <= self._range.length, "it stands in the tree"
        height = next(h for h, first in spans(length) if seq < first + (1 << h))
        block_first = seq - seq % BLOCK_LEAF_COUNT
        by_height = levels(self._leaves(block_first, min(block_first + BLOCK_LEAF_COUNT, length)))
        place = seq - block_first
        path = [by_height[low][place >> low ^ 1] for low in range(min(height, BLOCK_HEIGHT))]
        path += [
            self._node(high, ((seq >> high ^ 1) + 1) << high)
            for high in range(BLOCK_HEIGHT, height)
        ]
        return path, self._peaks(length)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """What shows that the root over `old` records is of the beginning of those under the root
        over `new`, all of which stand in it. Raises `LogDamaged`."""
        assert 1 <= old <= new <= self._range.length, "both stand in the tree"
        return consistency_path(old, new, self._subtree_root)

    def _subtree_root(self, first: int, end: int) -> bytes:
        """Of a subtree of the RFC's: it begins where one of its size may."""
        whole = end - end % BLOCK_LEAF_COUNT
        if first > whole or first % BLOCK_LEAF_COUNT:
            return bagged(peaks_of_block(self._leaves(first, end)))
        high = [
            self._node(height, first + begin + (1 << height))
            for height, begin in spans(whole - first)
        ]
        return bagged(high + peaks_of_block(self._leaves(whole, end)))

    def _peaks(self, length: int) -> list[bytes]:
        high = [(height, first) for height, first in spans(length) if height >= BLOCK_HEIGHT]
        peaks = [self._node(height, first + (1 << height)) for height, first in high]
        whole = length - length % BLOCK_LEAF_COUNT
        return peaks + peaks_of_block(self._leaves(whole, length))

    def _leaves(self, first: int, end: int) -> list[bytes]:
        return leaf_hashes(self._chain_hashes(first, end)) if first < end else []

    def _node(self, height: int, end: int) -> bytes:
        key = node_key(height, end)
        node = self._unwritten.get(key) or self._stored(key)
        if node is None or len(node) != HASH_SIZE_BYTES:
            first = end - (1 << height)
            raise LogDamaged("a node of the tree over them is missing", first, end - 1)
        return node

    # --- what was stored before ---

    def _stored(self, key: bytes) -> bytes | None:
        try:
            return self._store.get(TREE, key)
        except KeyValueDamaged:
            return None

    def _stored_range(self) -> MountainRange:
        """As far as the stored nodes reach; empty if they are not this log's."""
        try:
            last = self._store.last(TREE)
            if last is None:
                return MountainRange()
            length = int.from_bytes(last[0][:SEQ_SIZE_BYTES], "big")
            if length <= self.log_length and self._ends_as_the_log(length):
                spanned = spans(length)
                nodes = [self._node(height, first + (1 << height)) for height, first in spanned]
                return MountainRange(length, nodes)
            reason = "its nodes are not of these records"
        except (KeyValueDamaged, LogDamaged) as error:
            reason = str(error)
        log.warning("tree of the log is made anew", reason=reason, records=self.log_length)
        self._is_to_be_cleared = True
        return MountainRange()

    def _ends_as_the_log(self, length: int) -> bool:
        """Whether the newest block is over the log's records: other records, other hashes."""
        if length % BLOCK_LEAF_COUNT:
            return False
        block = levels(self._leaves(length - BLOCK_LEAF_COUNT, length))[-1][0]
        return self._node(BLOCK_HEIGHT, length) == block
