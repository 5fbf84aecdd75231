"""The head of a log: how long it is, the root over its records, and the node's signature over both.

A head that left binds its node to every record before it: a log that is later shorter, or has other
records, contradicts what was signed. What is signed names the chain, the adjudicator and the node,
and is of a shape of its own, so that it is never taken for a state, a voucher or a receipt, nor for
the head of another deployment's log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from protocols.crypto import keccak256, recover_address
from protocols.errors import InvalidSignature
from protocols.types import Address, Bytes32, Signature, amount_to_bytes, require_width

HEAD_DOMAIN = keccak256(b"tallystick log head v1")
"""First word of what is signed."""
HEAD_LENGTH_MAX = 2**48
"""Records. No log gets here; a number that does is refused where it comes in."""

HeadLength = Annotated[int, Meta(ge=1, le=HEAD_LENGTH_MAX)]
"""How many records a head is over."""


class LogHead(Struct, frozen=True, array_like=True, gc=False):
    """A signed head: of the first `length` records, by whoever its context names."""

    length: HeadLength
    root: Bytes32
    """Of the Merkle mountain range over the records (`protocols.mountain_range`)."""
    signature: Signature


class LogOwner(Struct, frozen=True, array_like=True, gc=False):
    """Whose log it is: what record 0 pins of a node's place in the world."""

    chain_id: int
    adjudicator: Address
    node: Address


def head_hash(owner: LogOwner, length: int, root: Bytes32) -> Bytes32:
    """What is signed under EIP-191: keccak256(abi.encode(bytes32 HEAD_DOMAIN, uint256 chain_id,
    address adjudicator, address node, uint256 length, bytes32 root)); `InvalidWidth` if out of
    shape."""
    for field, address in (("adjudicator", owner.adjudicator), ("node", owner.node)):
        require_width(field, address, 20)
    require_width("root", root, 32)
    return keccak256(
        HEAD_DOMAIN
        + amount_to_bytes(owner.chain_id)
        + bytes(12)
        + owner.adjudicator
        + bytes(12)
        + owner.node
        + amount_to_bytes(length)
        + root
    )


def sign_head(
    owner: LogOwner, length: int, root: Bytes32, signer: Callable[[Bytes32], Signature]
) -> LogHead:
    """The head with the owner's signature; `signer` applies EIP-191 itself."""
    return LogHead(length, root, signer(head_hash(owner, length, root)))


def require_signed(owner: LogOwner, head: LogHead) -> None:
    """Raise `InvalidSignature` unless the owner signed the head."""
    signer = recover_address(head_hash(owner, head.length, head.root), head.signature)
    if signer != owner.node:
        raise InvalidSignature(f"the head is signed by 0x{signer.hex()}, not by its log's node")
