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
"""What alice puts into the channel that the chain funds; of a token, as many units."""
VIRTUAL_WEI = 2 * 10**15
"""What can be paid in each virtual channel."""
HUB_FEE_WEI = 10**12
"""What each hub takes for a channel."""
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
class DemoPlan:
    """What a run does."""

    payment_count: int = 1_000
    """In the channel that the chain funds, and again in each virtual one."""
    hop_count: int = 1
    """Hubs between alice and bob."""
    channel_count: int = 1
    """Virtual channels; with none there are no hubs."""
    is_token: bool = False
    """Whether the money is the chain's test token."""


@dataclass(frozen=True)
class Balance:
    """What one account holds of one asset before and after the run, smallest unit."""

    before: int
    after: int
    gain: int
    """What payments and fees must have changed: negative for the payer."""
    gas: int = 0
    """What its own transactions cost, if they are paid in this asset."""

    @property
    def expected(self) -> int:
        """What it must hold afterwards, to the unit."""
        return self.before + self.gain - self.gas


@dataclass(frozen=True)
class Account:
    """One node's account."""

    address: str
    wei: Balance
    token: Balance | None = None
    """If the money is a token."""

    def document(self) -> dict[str, Any]:
        """As the report prints it."""
        wei, token = self.wei, self.token
        shown: dict[str, Any] = {
            "before_wei": str(wei.before),
            "after_wei": str(wei.after),
            "gas_wei": str(wei.gas),
            "expected_wei": str(wei.expected),
        }
        if token is not None:
            held = {"before": token.before, "after": token.after, "expected": token.expected}
            shown["token"] = {name: str(units) for name, units in held.items()}
        return shown


@dataclass(frozen=True)
class AuditResult:
    """What the offline audit of one log found."""

    log: str
    records: int
    findings: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    """What is no fault in itself; after a demo, nothing is worth a note."""


@dataclass
class VirtualRun:
    """The life of the virtual channels."""

    opening_seconds: float
    """From the first request until every node shows all of them open."""
    seconds: float
    """From the first payment's request to the last receipt durable at the payer."""
    closing_seconds: float
    """From the first request until every node shows all of them closed and settled."""
    chain_transaction_count: int
    """What all nodes sent to the chain meanwhile."""
    views: dict[str, list[dict[str, Any]]]
    """The closed channels as each node shows them, by the node's name."""
    ledger_views: dict[str, list[dict[str, Any]]]
    """The closed ledgers likewise."""


@dataclass
class DemoResult:
    """Everything that was measured."""

    plan: DemoPlan
    seconds: float
    """From the first request to the last receipt durable at the payer."""
    latencies_ms: list[float]
    transactions: list[ChainTransaction]
    accounts: dict[str, Account]
    """By the node's name, along the path."""
    channel_views: dict[str, dict[str, Any]]
    """The closed channel as each node shows it, by the node's name."""
    virtual: VirtualRun | None
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
            *self._virtual_problems(),
            *(f"transaction {t.tx_hash} failed" for t in self.transactions if not t.succeeded),
            *(f"{name} exited with {code}" for name, code in self.exit_codes.items() if code),
            *self._audit_problems(),
        ]

    def _balance_problems(self) -> list[str]:
        return [
            f"{name} holds {balance.after} {unit} instead of {balance.expected}"
            for name, account in self.accounts.items()
            for unit, balance in (("wei", account.wei), ("units", account.token))
            if balance is not None and balance.after != balance.expected
        ]

    def _channel_problems(self) -> list[str]:
        count = self.plan.payment_count + LATENCY_PAYMENT_COUNT
        must_be = {"deposit": str(DEPOSIT_WEI), **_paid(count)}
        return [
            problem
            for name, view in self.channel_views.items()
            for problem in _differences(name, "the channel", view, must_be)
        ]

    def _virtual_problems(self) -> list[str]:
        run = self.virtual
        if run is None:
            return []
        problems = []
        if run.chain_transaction_count:
            count = run.chain_transaction_count
            problems.append(f"{count} transactions in the life of the virtual channels")
        for name, views in run.views.items():
            # A hub sees no payment: only what the final state gives to whom.
            ends = _paid(self.plan.payment_count) if name in self.channel_views else {}
            must_be = {"status": "closed", "deposit": str(VIRTUAL_WEI), **ends}
            if len(views) != self.plan.channel_count:
                problems.append(f"{name} shows {len(views)} virtual channels")
            for view in views:
                problems += _differences(name, "a virtual channel", view, must_be)
        for name, views in run.ledger_views.items():
            for view in views:
                problems += _differences(name, "a ledger", view, {"status": "closed"})
        return problems

    def _audit_problems(self) -> list[str]:
        found = [f"{a.log}: {len(a.findings)} findings" for a in self.audits if a.findings]
        found += [f"{a.log}: the log is empty" for a in self.audits if not a.records]
        found += [f"{a.log}: {note}" for a in self.audits for note in a.notes]
        if len(self.audits) != len(self.accounts):
            found.append(f"{len(self.audits)} logs were audited instead of {len(self.accounts)}")
        return found

    def document(self) -> dict[str, Any]:
        """What `--json` prints; docs/demo-schema.json describes it."""
        problems, count = self.problems, self.plan.payment_count
        return {
            "payments": count,
            "seconds": round(self.seconds, 6),
            "payments_per_second": round(count / self.seconds, 1),
            "latency_payments": len(self.latencies_ms),
            "latency_ms": {
                "p50": round(percentile(self.latencies_ms, 50), 3),
                "p99": round(percentile(self.latencies_ms, 99), 3),
            },
            "paid_wei": str(paid_wei(count + LATENCY_PAYMENT_COUNT)),
            "virtual": self._virtual_document(),
            "chain_transactions": [
                {"hash": t.tx_hash, "from": t.sender, "kind": t.kind, "gas_used": t.gas_used}
                for t in self.transactions
            ],
            "outcome": {name: account.document() for name, account in self.accounts.items()},
            "audits": [
                {"log": a.log, "records": a.records, "findings": a.findings} for a in self.audits
            ],
            "findings": self.finding_count,
            "problems": problems,
            "ok": not problems,
        }

    def _virtual_document(self) -> dict[str, Any] | None:
        run, plan = self.virtual, self.plan
        if run is None:
            return None
        payment_count = plan.channel_count * plan.payment_count
        return {
            "hops": plan.hop_count,
            "channels": plan.channel_count,
            "payments": payment_count,
            "opening_seconds": round(run.opening_seconds, 6),
            "seconds": round(run.seconds, 6),
            "payments_per_second": round(payment_count / run.seconds, 1),
            "closing_seconds": round(run.closing_seconds, 6),
            "paid_wei": str(plan.channel_count * paid_wei(plan.payment_count)),
            "fees_wei": str(plan.channel_count * plan.hop_count * HUB_FEE_WEI),
            "chain_transactions": run.chain_transaction_count,
        }


def _paid(payment_count: int) -> dict[str, Any]:
    """What both ends of a closed channel show after that many payments."""
    paid = str(paid_wei(payment_count))
    return {"status": "closed", "paid": paid, "receipted": paid, "payment_count": payment_count}


def _differences(name: str, what: str, view: dict[str, Any], must_be: dict[str, Any]) -> list[str]:
    return [
        f"{name} says that {what}'s {key} is {view.get(key)} instead of {value}"
        for key, value in must_be.items()
        if view.get(key) != value
    ]
