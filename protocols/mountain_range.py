"""A Merkle mountain range over the records of a log: one root for all, a short proof for each.

Leaf n is sha256(0x00 || chain hash of record n), and the chain hash is sha256(chain hash before ||
record n): whoever holds a leaf holds the record and all before it. A node is sha256(0x01 || left ||
right). The leaves stand under perfect trees, the peaks, each smaller than the one before, as the
binary digits of their number say; the root joins the peaks from right to left. That is the Merkle
tree hash of RFC 6962, section 2.1, over the chain hashes, so any implementation of it can check us.

It knows numbers and hashes: nothing of records, files or signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import repeat

from protocols.errors import InvalidEncoding

HASH_SIZE_BYTES = 32
BLOCK_HEIGHT = 6
"""Nodes below it are made from their leaves when they are needed, those from it on are kept."""
BLOCK_LEAF_COUNT = 1 << BLOCK_HEIGHT
HEIGHT_MAX = 63
"""Of a peak: sequence numbers have 64 bits."""

_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"

Node = tuple[int, int, bytes]
"""Height, the number behind its last leaf, hash; made in the order of (number, height)."""


def leaf_hashes(chain_hashes: Iterable[bytes]) -> list[bytes]:
    """The leaves of records with these chain hashes (32 bytes each)."""
    return [leaf.digest() for leaf in map(sha256, map(_LEAF_PREFIX.__add__, chain_hashes))]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node over two others."""
    return sha256(_NODE_PREFIX + left + right).digest()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The perfect trees over the leaves by height, leaves first; what is odd at a height has no
    parent, so of 7 leaves there are 3 nodes above and 1 above those."""
    found = [list(leaves)]
    while len(found[-1]) > 1:
        nodes = iter(found[-1])
        pairs = map(b"".join, zip(repeat(_NODE_PREFIX), nodes, nodes, strict=False))
        found.append([node.digest() for node in map(sha256, pairs)])
    return found


def spans(length: int) -> list[tuple[int, int]]:
    """The peaks over `length` leaves from left to right: height and first leaf of each."""
    found, first = [], 0
    for height in range(length.bit_length() - 1, -1, -1):
        if length >> height & 1:
            found.append((height, first))
            first += 1 << height
    return found


def bagged(peaks: Sequence[bytes]) -> bytes:
    """The root over the peaks, given from left to right; there is one at least."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_of_proof(
    chain_hash: bytes, seq: int, length: int, path: Sequence[bytes], peaks: Sequence[bytes]
) -> bytes:
    """The root that a proof of record `seq` among `length` leads to.

    `path` are the siblings from the leaf to its peak, `peaks` all peaks from left to right. Raises
    `InvalidEncoding` for a proof that fits no record: it proves nothing, whatever its root.
    """
    if not 0 <= seq < length < 1 << HEIGHT_MAX:
        raise InvalidEncoding("proof", f"record {seq} is none of {length}")
    standing = spans(length)
    place = next(i for i, (height, first) in enumerate(standing) if seq < first + (1 << height))
    if len(peaks) != len(standing):
        raise InvalidEncoding("proof", f"{len(standing)} peaks expected, found {len(peaks)}")
    if len(path) != standing[place][0]:
        raise InvalidEncoding("proof", f"{standing[place][0]} hashes expected, found {len(path)}")
    if any(len(hash_) != HASH_SIZE_BYTES for hash_ in (chain_hash, *path, *peaks)):
        raise InvalidEncoding("proof", f"a hash is not of {HASH_SIZE_BYTES} bytes")
    node = sha256(_LEAF_PREFIX + chain_hash).digest()
    for height, sibling in enumerate(path):
        is_right = seq >> height & 1
        node = node_hash(sibling, node) if is_right else node_hash(node, sibling)
    if node != peaks[place]:
        raise InvalidEncoding("proof", "the record does not lead to its peak")
    return bagged(peaks)


SubtreeRoot = Callable[[int, int], bytes]
"""The root over the leaves from one number to before another, as a subtree of the RFC's."""


def consistency_path(old: int, new: int, root_of: SubtreeRoot) -> list[bytes]:
    """What shows that the first `old` of `new` leaves are those of a shorter range: RFC 9162,
    2.1.4.1. Both are at least 1, and `old` is not the larger."""
    assert 1 <= old <= new, "a range grows"
    path: list[bytes] = []
    first, is_known = 0, True
    while old < new:
        half = 1 << (new - 1).bit_length() - 1
        if old <= half:
            path.append(root_of(first + half, first + new))
            new = half
        else:
            path.append(root_of(first, first + half))
            first, old, new, is_known = first + half, old - half, new - half, False
    # Whoever holds the old root needs it not again, if it is a whole subtree.
    return path[::-1] if is_known else [root_of(first, first + new), *path[::-1]]


def require_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Raise `InvalidEncoding` unless the path shows that the older range begins the newer one:
    RFC 9162, 2.1.4.2."""
    if not 1 <= old <= new < 1 << HEIGHT_MAX:
        raise InvalidEncoding("proof", f"{old} records begin no log of {new}")
    if any(len(hash_) != HASH_SIZE_BYTES for hash_ in (old_root, new_root, *path)):
        raise InvalidEncoding("proof", f"a hash is not of {HASH_SIZE_BYTES} bytes")
    # Of two that are as long nothing is left to show but that they are the same.
    zeros = (old & -old).bit_length() - 1 if old < new else HEIGHT_MAX
    first, last = old - 1 >> zeros, new - 1 >> zeros
    hashes = [*([] if first else [old_root]), *path]
    if not hashes:
        raise InvalidEncoding("proof", "hashes are missing")
    older = newer = hashes[0]
    for hash_ in hashes[1:]:
        if not last:
            raise InvalidEncoding("proof", "there are more hashes than belong there")
        if first & 1 or first == last:
            older, newer = node_hash(hash_, older), node_hash(hash_, newer)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            newer = node_hash(newer, hash_)
        first, last = first >> 1, last >> 1
    if (older, newer, last) != (old_root, new_root, 0):
        raise InvalidEncoding("proof", "the newer log does not begin with the older")


class MountainRange:
    """A range that grows: it holds its peaks and the leaves of the block that is not full."""

    def __init__(self, length: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on behind `length` leaves, a whole number of blocks, with the peaks over them."""
        assert length % BLOCK_LEAF_COUNT == 0, "only whole blocks are kept"
        assert len(peaks) == length.bit_count(), "a peak for each binary digit"
        self.block_count = length >> BLOCK_HEIGHT
        self._peaks = list(peaks)
        self._open: list[bytes] = []
        """Leaves behind the last whole block."""

    @property
    def length(self) -> int:
        """How many leaves there are."""
        return (self.block_count << BLOCK_HEIGHT) + len(self._open)

    def extend(self, chain_hashes: Iterable[bytes]) -> list[Node]:
        """Add records by their chain hashes; the nodes of `BLOCK_HEIGHT` or more this completed."""
        self._open += leaf_hashes(chain_hashes)
        made: list[Node] = []
        start, whole = 0, len(self._open) - len(self._open) % BLOCK_LEAF_COUNT
        while start < whole:
            block = levels(self._open[start : start + BLOCK_LEAF_COUNT])[-1][0]
            self._add_block(block, made)
            start += BLOCK_LEAF_COUNT
        del self._open[:whole]
        return made

    def _add_block(self, node: bytes, made: list[Node]) -> None:
        height, number = BLOCK_HEIGHT, self.block_count
        self.block_count += 1
        end = self.block_count << BLOCK_HEIGHT
        made.append((height, end, node))
        while number & 1:
            node = node_hash(self._peaks.pop(), node)
            height += 1
            number >>= 1
            made.append((height, end, node))
        self._peaks.append(node)

    def root(self) -> bytes:
        """The root over all leaves; there is one at least."""
        return bagged([*self._peaks, *peaks_of_block(self._open)])


def peaks_of_block(leaves: Sequence[bytes]) -> list[bytes]:
    """The peaks over the leaves of a block that is not full, from left to right."""
    by_height = levels(leaves)
    return [by_height[height][first >> height] for height, first in spans(len(leaves))]
