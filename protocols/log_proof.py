"""Proofs that a log holds a record, and that it only grew: checked by anybody, with nothing but
the proof itself.

The record leads through the chain hash to its leaf, the leaf over its path to a peak, the peaks to
the root, and the root is signed by the log's node. What the record says is not judged here, nor
whether the node is the one that is meant: that is whom the asker trusts.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct

from protocols.errors import InvalidEncoding
from protocols.log_head import HEAD_LENGTH_MAX, LogHead, LogOwner, require_signed
from protocols.mountain_range import HASH_SIZE_BYTES, require_consistent, root_of_proof
from protocols.types import Bytes32


class LogProof(Struct, frozen=True, gc=False):
    """Record `seq` of the owner's log, and what leads from it to a head."""

    owner: LogOwner
    seq: int
    record: bytes
    chain_before: Bytes32
    """Chain hash of the record before; of record 0, the hash of its payload."""
    path: tuple[Bytes32, ...]
    """From the leaf upwards, the sibling at each height."""
    peaks: tuple[Bytes32, ...]
    """All peaks over the head's records, from left to right."""
    head: LogHead

    @property
    def chain_hash(self) -> Bytes32:
        """The record's own link in the chain of hashes."""
        return sha256(self.chain_before + self.record).digest()


def require_true(proof: LogProof) -> None:
    """Raise `InvalidEncoding` or `InvalidSignature`, with the reason, unless the proof holds."""
    if len(proof.chain_before) != HASH_SIZE_BYTES:
        raise InvalidEncoding("proof", f"a hash is not of {HASH_SIZE_BYTES} bytes")
    if not 1 <= proof.head.length <= HEAD_LENGTH_MAX:
        raise InvalidEncoding("proof", f"no log has {proof.head.length} records")
    length = proof.head.length
    root = root_of_proof(proof.chain_hash, proof.seq, length, proof.path, proof.peaks)
    if root != proof.head.root:
        raise InvalidEncoding("proof", "the peaks do not lead to the signed root")
    require_signed(proof.owner, proof.head)


class ConsistencyProof(Struct, frozen=True, gc=False):
    """Two heads of the owner's log, and what shows that the older is of the newer's beginning."""

    owner: LogOwner
    old: LogHead
    new: LogHead
    path: tuple[Bytes32, ...]
    """As RFC 9162, 2.1.4, orders it."""


def require_grown(proof: ConsistencyProof) -> None:
    """Raise `InvalidEncoding` or `InvalidSignature`, with the reason, unless the proof holds."""
    old, new = proof.old, proof.new
    if not 1 <= old.length <= new.length <= HEAD_LENGTH_MAX:
        raise InvalidEncoding("proof", f"{old.length} records begin no log of {new.length}")
    require_consistent(old.length, old.root, new.length, new.root, proof.path)
    require_signed(proof.owner, old)
    require_signed(proof.owner, new)
