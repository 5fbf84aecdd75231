"""Transactions as intents: what must reach the chain, and how far each one got.

An intent's id is derived, so asking twice for the same attempt is the same intent. The chain room
signs it once; the signed bytes are recorded before they leave and are broadcast until a receipt
is known.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from protocols.crypto import keccak256
from protocols.types import Bytes32, ChannelId

ATTEMPT_COUNT_MAX = 5
"""Attempts at one deposit or conclusion; a sixth waits for the owner. A deposit fails when a
stranger's deposit changes the holdings first, which costs the stranger money each time."""


class TransactionStatus(StrEnum):
    """How far an attempt got; mined and failed are the ends."""

    REQUESTED = "requested"
    SUBMITTED = "submitted"
    MINED = "mined"
    FAILED = "failed"


class Transaction(Struct, frozen=True, array_like=True, gc=False):
    """One attempt at one call."""

    intent_id: Bytes32
    kind: str
    channel_id: ChannelId
    status: str = TransactionStatus.REQUESTED
    tx_hash: bytes = b""
    nonce: int = -1
    failure: str = ""
    raw: bytes = b""
    """The signed bytes, once there are any: a fork may make them leave again."""
    block_num: int = -1
    """Where it was mined; -1 while it is not."""
    block_hash: bytes = b""


def intent_id(kind: str, channel_id: ChannelId, attempt: int) -> Bytes32:
    """keccak256("intent|" + kind + "|" + channel id + attempt (4 bytes))."""
    return keccak256(b"intent|" + kind.encode() + b"|" + channel_id + attempt.to_bytes(4, "big"))


def is_mined_from(transaction: Transaction, block_num: int) -> bool:
    """True if it was mined in that block or a later one: a fork there takes it back."""
    return transaction.block_num >= block_num


def is_pending(transaction: Transaction) -> bool:
    """True while the attempt may still reach a block."""
    return transaction.status in (TransactionStatus.REQUESTED, TransactionStatus.SUBMITTED)
