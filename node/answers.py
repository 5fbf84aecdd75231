"""What a caller is told: the answer to a command, and one record of the log as JSON values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from protocols.errors import ProtocolError

Until = Literal["durable", "receipt", "completed", "agreed", "decided"]
"""When a command is answered: on our disk; receipted by the payee; its objective completed; agreed
in its ledger; judged by the reducers of both ends."""


class BackupRefused(Exception):
    """A copy of the log cannot be made there; the message says why."""


class BackupAnswer(msgspec.Struct, frozen=True, gc=False):
    """A copy of the log is complete on disk."""

    path: str
    records: int
    chain_hash: str
    """Of the last record, 0x hex."""
    node_address: str
    """0x hex."""
    time_ms: int
    """Unix milliseconds."""
    file_count: int
    size_bytes: int


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A command became fact: at `seq`, under these names."""

    seq: int
    """The record that made it durable."""
    objective_id: bytes = b""
    channel_id: bytes = b""
    payment_id: bytes = b""
    total: int = 0
    """Cumulative amount of the channel's voucher, smallest unit."""
    receipted: bool = False
    """True once the payee's signed receipt covers the payment."""
    payment_ids: tuple[bytes, ...] = ()
    """Of a batch, in order; `payment_id` is the last one's."""
    signature: bytes = b""
    """Of the voucher that a single payment has."""
    rise: int = 0
    """What a voucher that was handed to us added."""
    request_id: str = ""
    """Of a payment in a ledger: its name."""
    completed: bool = False
    """True once the command's objective is."""
    message_id: bytes = b""
    """Of an application's message."""
    message_count: int = 0
    """Messages of the channel with it, once it is decided."""
    agreed: bool = False
    """True once both parties of a ledger signed the payment's state."""


Done = Callable[[Answer | ProtocolError], None]
"""Told once what became of a command, durable and in log order; never raises, never waits."""


class ReceiptAnswer(msgspec.Struct, frozen=True, gc=False):
    """The payee's signature over all that was paid, and how one payment stands under it."""

    seq: int
    total: int
    """Cumulative amount that the payee signed for."""
    payment_count: int
    """Payments under the root."""
    root: bytes
    signature: bytes
    proof: tuple[tuple[bool, bytes], ...] | None
    """From the payment's leaf to the root: (is the sibling on the left, its hash). None if the
    receipt is for a voucher that was handed over: it covers the amount and names no payment."""


class PaymentAnswer(msgspec.Struct, frozen=True, gc=False):
    """A payment with everything that proves it."""

    payment_id: bytes
    channel_id: bytes
    seq: int
    time_ms: int
    amount: int
    memo: str
    total: int
    """Cumulative amount of the voucher that covers it."""
    signature: bytes
    """The payer's, over that total."""
    is_ours: bool
    """Whether we paid it."""
    receipt: ReceiptAnswer | None


class LogEntry(msgspec.Struct, frozen=True):
    """One record, its payload as JSON values."""

    seq: int
    time_ms: int
    cause_seq: int | None
    name: str
    version: int
    payload: dict[str, Any]
    chain_hash: bytes
