"""What a caller is told: the answer to a command, and one record of the log as JSON values."""

from __future__ import annotations

from typing import Any

import msgspec


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


class LogEntry(msgspec.Struct, frozen=True):
    """One record, its payload as JSON values."""

    seq: int
    time_ms: int
    cause_seq: int | None
    name: str
    version: int
    payload: dict[str, Any]
    chain_hash: bytes
