"""Figures beside their limits: as a table for a person, as one document for a program."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scripts.benchmarks.limits import DRIFT_PERCENT_MAX, Parts
from scripts.benchmarks.machine import Pressure


@dataclass(frozen=True)
class Aim:
    """What a figure is called, which limit it is held against, and how near it should come."""

    name: str
    label: str
    unit: str
    limit: str | float
    """The limit's name, or a number that no machine changes."""
    ratio: float
    """The figure divided by the limit: at least this, or at most where less is better."""
    less_is_better: bool = False


AIMS: tuple[Aim, ...] = (
    Aim("payments_per_s", "payments, pipelined", "/s", "L2", 0.20),
    Aim("rpc_payments_per_s", "payments, one WebSocket", "/s", 4_000.0, 1.0),
    Aim("own_vouchers_per_s", "batches, a voucher each", "/s", "L2", 0.50),
    Aim("voucher_payer_us", "payer's time a voucher", "us", 20.0, 1.0, less_is_better=True),
    Aim("voucher_payee_us", "payee's time a voucher", "us", 20.0, 1.0, less_is_better=True),
    Aim("shared_vouchers_per_s", "batches, one voucher", "/s", 100_000.0, 1.0),
    Aim("rpc_batched_per_s", "batches, one WebSocket", "/s", 30_000.0, 1.0),
    Aim("over_channels_share", "over 100 channels", "of one", 1.0, 0.80),
    Aim("payment_p50_ms", "payment latency p50", "ms", "L3", 2.5, less_is_better=True),
    Aim("receipted_p50_ms", "the same, its receipt counted", "ms", "L3r", 2.5, less_is_better=True),
    Aim("ledger_updates_per_s", "ledger updates, 64 ledgers", "/s", "L4", 0.40),
    Aim("one_ledger_per_s", "ledger updates, one ledger", "/s", "L5", 0.45),
    Aim("one_ledger_p50_ms", "one ledger p50", "ms", "L5p", 2.2, less_is_better=True),
    Aim("opening_p50_ms", "opening through a hub p50", "ms", "L6", 4.0, less_is_better=True),
    Aim("opening_delayed_p50_ms", "the same, 10 ms a wire", "ms", 70.0, 1.0, less_is_better=True),
    Aim("openings_per_s", "openings", "/s", "L6c", 0.25),
    Aim("openings_with_many_share", "openings with 1,000 live", "of few", 1.0, 0.90),
    Aim("hub_bytes_per_channel", "hub's memory a channel", "B", 6_144.0, 1.0, less_is_better=True),
    Aim("growth_over_channels", "a payment at 1,000 channels", "of 1", 1.0, 1.2, True),
    Aim("growth_over_history", "a payment after 10^6 events", "of 10^3", 1.0, 1.2, True),
    Aim("appends_per_s", "durable appends by 100", "/s", "L9", 0.45),
    Aim("append_p50_ms", "one durable append p50", "ms", "flush", 1.5, less_is_better=True),
    Aim("proof_ms", "a proof of 10^6 records", "ms", 5.0, 1.0, less_is_better=True),
