"""Events of transactions: ordered, signed, bid for, mined or failed, and what keeps them back."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, Bytes32, ChannelId


class TransactionRequested(Event, frozen=True, array_like=True, gc=False):
    """An intent: this call must reach the chain, unless somebody else's made it unnecessary."""

    NAME = "transaction-requested"
    intent_id: Bytes32
    kind: str
    """deposit, approve, conclude, challenge, checkpoint, transfer, reclaim or fill (of a nonce)."""
    channel_id: ChannelId
    to: Address
    value: Amount32
    data: bytes
    deadline_s: int = 0
    """Unix seconds of the chain by which it must be mined; 0 for none."""


class TransactionSubmitted(Event, frozen=True, array_like=True, gc=False):
    """Signed, with the nonce it owns; from here on the raw bytes may be broadcast, many times."""

    NAME = "transaction-submitted"
    intent_id: Bytes32
    tx_hash: Bytes32
    sender: Address
    nonce: int
    raw: bytes


class TransactionReplaced(Event, frozen=True, array_like=True, gc=False):
    """Signed anew under the same nonce with higher fees; from here on the new bytes may be
    broadcast. Whichever of the two is mined, the other never is."""

    NAME = "transaction-replaced"
    intent_id: Bytes32
    old_tx_hash: Bytes32
    tx_hash: Bytes32
    nonce: int
    old_max_fee: Amount32
    """The most that was to be paid, wei per gas."""
    old_priority_fee: Amount32
    """The part of it for the block's maker, wei per gas."""
    max_fee: Amount32
    priority_fee: Amount32
    raw: bytes
    reason: str
    """underpriced: the chain asks more than was bid. slow: not mined for long. deadline: the time
    by which it must be mined comes nearer."""


class TransactionHeldBack(Event, frozen=True, array_like=True, gc=False):
    """An alarm: the owner's fee ceiling keeps what has a deadline from being mined."""

    NAME = "transaction-held-back"
    intent_id: Bytes32
    channel_id: ChannelId
    base_fee: Amount32
    """What the newest block asks, wei per gas."""
    fee_ceiling: Amount32
    """The most that may be bid, wei per gas."""
    deadline_s: int
    """Unix seconds of the chain."""
    block_num: int
    """The newest block."""
    blocks_left: int
    """Blocks until the deadline, as far as the last ones tell."""


class TransactionMined(Event, frozen=True, array_like=True, gc=False):
    """In a block, at depth 0: what it cost and whether the call succeeded."""

    NAME = "transaction-mined"
    intent_id: Bytes32
    tx_hash: Bytes32
    block_num: int
    block_hash: Bytes32
    gas_used: int
    gas_price: Amount32
    """Effective price, wei per gas."""
    succeeded: bool
    failure: str = ""
    """Why it did not succeed: reverted, or out of gas."""


class TransactionFailed(Event, frozen=True, array_like=True, gc=False):
    """The intent ended without effect: refused before sending, or dropped for good."""

    NAME = "transaction-failed"
    intent_id: Bytes32
    reason: str
