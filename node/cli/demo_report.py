"""The demo's figures: what must be, what is, and whether the two are the same.

Expected balances come from the arguments and from the gas on the receipts; actual ones from the
chain. Nothing here asks a node what it believes the result to be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from node.cli.demo_chain import ChainTransaction

DEPOSIT_WEI = 10**18
"""What alice puts into the channel."""
LATENCY_PAYMENT_COUNT = 200
"""Payments sent one at a time, to measure how long one takes."""
IN_FLIGHT_COUNT = 64
"""Pipelined payments that wait for their receipt at the same time."""
PAYMENT_WEI = 10**9
"""The first payment; each is one wei more than the one before, so that none stands for another."""


def payment_wei(index: int) -> int:
    """The amount of the payment with that number, from 0."""
    return PAYMENT_WEI + index


def paid_wei(payment_count: int) -> int:
    """The sum of the first `payment_count` payments."""
    return payment_count * PAYMENT_WEI + payment_count * (payment_count - 1) // 2


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True)
class Balances:
    """One account before and after the channel's life, wei."""

    address: str
    before_wei: int
    after_wei: int
    gain_wei: int
    """What the payments must have changed: negative for the payer."""
    gas_wei: int
    """What its own transactions cost."""

    @property
    def expected_wei(self) -> int:
        """What it must hold afterwards, to the wei."""
        return self.before_wei + self.gain_wei - self.gas_wei

    def document(self) -> dict[str, str]:
        """As the report prints it."""
        return {
            "before_wei": str(self.before_wei),
            "after_wei": str(self.after_wei),
            "gas_wei": str(self.gas_wei),
            "expected_wei": str(self.expected_wei),
        }


@dataclass(frozen=True)
class AuditResult:
    """What the offline audit of one log found."""

    log: str
    records: int
    findings: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    """What is no fault in itself; after a demo, nothing is worth a note."""


@dataclass
class DemoResult:
    """Everything that was measured."""

    payment_count: int
    seconds: float
    """From the first request to the last receipt durable at the payer."""
    latencies_ms: list[float]
    transactions: list[ChainTransaction]
    alice: Balances
    bob: Balances
    channel_views: dict[str, dict[str, Any]]
    """The closed channel as each node shows it, by the node's name."""
    exit_codes: dict[str, int]
    audits: list[AuditResult] = field(default_factory=list)

    @property
    def finding_count(self) -> int:
        """Findings of all audits."""
        return sum(len(audit.findings) for audit in self.audits)

    @property
    def problems(self) -> list[str]:
        """Every figure that is not exactly right, in a sentence each."""
        return [
            *self._balance_problems(),
            *self._channel_problems(),
            *(f"transaction {t.tx_hash} failed" for t in self.transactions if not t.succeeded),
            *(f"{name} exited with {code}" for name, code in self.exit_codes.items() if code),
            *self._audit_problems(),
        ]

    def _balance_problems(self) -> list[str]:
        return [
            f"{name} holds {balances.after_wei} wei instead of {balances.expected_wei}"
            for name, balances in (("alice", self.alice), ("bob", self.bob))
            if balances.after_wei != balances.expected_wei
        ]

    def _channel_problems(self) -> list[str]:
        count = self.payment_count + LATENCY_PAYMENT_COUNT
        must_be = {
            "status": "closed",
            "deposit": str(DEPOSIT_WEI),
            "paid": str(paid_wei(count)),
            "receipted": str(paid_wei(count)),
            "payment_count": count,
        }
        return [
            f"{name} says that the channel's {key} is {view.get(key)} instead of {value}"
            for name, view in self.channel_views.items()
            for key, value in must_be.items()
            if view.get(key) != value
        ]

    def _audit_problems(self) -> list[str]:
        found = [f"{a.log}: {len(a.findings)} findings" for a in self.audits if a.findings]
        found += [f"{a.log}: the log is empty" for a in self.audits if not a.records]
        found += [f"{a.log}: {note}" for a in self.audits for note in a.notes]
        if len(self.audits) != 2:
            found.append(f"{len(self.audits)} logs were audited instead of 2")
        return found

    def document(self) -> dict[str, Any]:
        """What `--json` prints; docs/demo-schema.json describes it."""
        problems = self.problems
        return {
            "payments": self.payment_count,
            "seconds": round(self.seconds, 6),
            "payments_per_second": round(self.payment_count / self.seconds, 1),
            "latency_payments": len(self.latencies_ms),
            "latency_ms": {
                "p50": round(percentile(self.latencies_ms, 50), 3),
                "p99": round(percentile(self.latencies_ms, 99), 3),
            },
            "paid_wei": str(paid_wei(self.payment_count + LATENCY_PAYMENT_COUNT)),
            "chain_transactions": [
                {"hash": t.tx_hash, "from": t.sender, "kind": t.kind, "gas_used": t.gas_used}
                for t in self.transactions
            ],
            "outcome": {"alice": self.alice.document(), "bob": self.bob.document()},
            "audits": [
                {"log": a.log, "records": a.records, "findings": a.findings} for a in self.audits
            ],
            "findings": self.finding_count,
            "problems": problems,
            "ok": not problems,
        }
