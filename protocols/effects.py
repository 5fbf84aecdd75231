"""Effects: what must be done in the world, as data. Durable beside the events that caused them."""

from __future__ import annotations

import msgspec

from protocols.transactions import GAS_MARGIN_PERCENT
from protocols.types import Address, Bytes32, ChannelId


class SendMessage(msgspec.Struct, frozen=True, array_like=True, tag="message", gc=False):
    """Deliver to the peer, in order, until acknowledged (`peer-acknowledged`)."""

    peer: Address
    sequence: int
    """Per peer, dense, from 1."""
    body: bytes
    """Encoded `messages.Body`."""


class SubmitTransaction(msgspec.Struct, frozen=True, array_like=True, tag="transaction", gc=False):
    """Sign with a nonce we own, hand back as TransactionSigned; `transaction-mined` settles it."""

    intent_id: Bytes32
    kind: str
    to: Address
    value: bytes
    """uint256, big-endian, wei."""
    data: bytes
    deadline_s: int = 0
    """Unix seconds of the chain by which it must be mined; 0 for none."""
    gas_margin_percent: int = GAS_MARGIN_PERCENT
    """Added to the estimate of its gas."""


class BroadcastTransaction(msgspec.Struct, frozen=True, array_like=True, tag="broadcast", gc=False):
    """Send these raw bytes, again and again, until a receipt is known."""

    intent_id: Bytes32
    tx_hash: Bytes32
    raw: bytes
    deadline_s: int = 0
    """As the order to sign it had it: how much is bid for it depends on this."""
    earlier: tuple[Bytes32, ...] = ()
    """What was sent under the same nonce before: a receipt may be one of these."""


class ReadHoldings(msgspec.Struct, frozen=True, array_like=True, tag="reading", gc=False):
    """Ask the adjudicator about a channel, hand back a ChannelRead; `holdings-read` settles it."""

    channel_id: ChannelId
    asset: Address


Effect = SendMessage | SubmitTransaction | BroadcastTransaction | ReadHoldings


def outbox_key(effect: Effect) -> bytes:
    """Where an effect waits in the outbox: a later effect under the same key takes its place."""
    if isinstance(effect, SendMessage):
        return b"m" + effect.peer + effect.sequence.to_bytes(8, "big")
    if isinstance(effect, ReadHoldings):
        return reading_key(effect.channel_id)
    return transaction_key(effect.intent_id)


def message_key(peer: Address, sequence: int) -> bytes:
    """Sorts by peer, then by sequence: 29 bytes."""
    # `outbox_key` spells it out as well: both run for every single payment.
    return b"m" + peer + sequence.to_bytes(8, "big")


def transaction_key(intent_id: Bytes32) -> bytes:
    """33 bytes; the broadcast of an intent replaces the order to sign it."""
    return b"t" + intent_id


def reading_key(channel_id: ChannelId) -> bytes:
    """33 bytes; one reading a channel."""
    return b"r" + channel_id
