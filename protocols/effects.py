"""Effects: what must be done in the world, as data. Durable beside the events that caused them."""

from __future__ import annotations

import msgspec

from protocols.types import Address, Bytes32


class SendMessage(msgspec.Struct, frozen=True, array_like=True, tag="message", gc=False):
    """Deliver to the peer, in order, until acknowledged (`peer-acknowledged`)."""

    peer: Address
    sequence: int
    """Per peer, dense, from 1."""
    body: bytes
    """Encoded `messages.Body`."""


class SubmitTransaction(msgspec.Struct, frozen=True, array_like=True, tag="transaction", gc=False):
    """Sign with a nonce we own and hand back as TransactionSigned; settled by `transaction-mined`."""

    intent_id: Bytes32
    kind: str
    to: Address
    value: bytes
    """uint256, big-endian, wei."""
    data: bytes


class BroadcastTransaction(msgspec.Struct, frozen=True, array_like=True, tag="broadcast", gc=False):
    """Send these raw bytes, again and again, until a receipt is known."""

    intent_id: Bytes32
    tx_hash: Bytes32
    raw: bytes


Effect = SendMessage | SubmitTransaction | BroadcastTransaction
