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
    Aim("restart_s", "restart, 100,000 channels", "s", 2.5, 1.0, less_is_better=True),
    Aim("restart_mb", "memory after it", "MB", 300.0, 1.0, less_is_better=True),
    Aim("memory_over_history", "memory, 5 x the payments", "of 1", 1.0, 1.1, True),
    Aim("snapshot_pause_ms", "longest slice of snapshots", "ms", 5.0, 1.0, less_is_better=True),
    Aim("watching_percent", "watching 1,000 channels", "% core", 10.0, 1.0, less_is_better=True),
    Aim("answer_p99_s", "challenge to answer p99", "s", 2.0, 1.0, less_is_better=True),
    Aim("appends_per_s", "durable appends by 100", "/s", "L9", 0.45),
    Aim("append_p50_ms", "one durable append p50", "ms", "flush", 1.5, less_is_better=True),
    Aim("proof_ms", "a proof of 10^6 records", "ms", 5.0, 1.0, less_is_better=True),
    Aim("replay_per_s", "replay to state", "/s", "L7", 0.18),
    Aim("time_travel_ms", "time travel", "ms", 250.0, 1.0, less_is_better=True),
    Aim("replay_of_states_per_s", "the same, whole states", "/s", "L7", 0.04),
    Aim("audit_per_s", "audit", "/s", "L8a", 0.80),
    Aim("view_rows_per_s", "records into the views", "/s", 100_000.0, 1.0),
    Aim("reduced_share", "records through their reducer", "of L8", 1.0, 0.35),
    Aim("derived_cold_s", "1,000 messages, derived cold", "s", 0.5, 1.0, less_is_better=True),
    Aim("derived_again_times", "the same over one message more", "times", 10.0, 1.0),
    Aim("query_p99_growth", "payment p99 beside a query", "of 1", 1.0, 1.2, True),
    Aim("app_messages_per_s", "an application's messages", "/s", 2_000.0, 1.0),
    Aim("audit_million_s", "audit of 10^6 events", "s", 120.0, 1.0, less_is_better=True),
    Aim("sink_changes_per_s", "row changes to PostgreSQL", "/s", 50_000.0, 1.0),
    Aim("sink_share", "the same, of a bare COPY", "of one", 1.0, 0.05),
)


@dataclass(frozen=True)
class Line:
    """One figure with everything it needs to be judged."""

    aim: Aim
    figure: float
    limit: float

    @property
    def ratio(self) -> float:
        """Figure divided by limit."""
        return self.figure / self.limit

    @property
    def reached(self) -> bool:
        """Whether the aim is met."""
        if self.aim.less_is_better:
            return self.ratio <= self.aim.ratio
        return self.ratio >= self.aim.ratio


@dataclass(frozen=True)
class Run:
    """One pass over everything: the limits before and after, and the figures between."""

    parts: Parts
    drift_percent: float
    pressure: Pressure
    figures: dict[str, float]
    """By the names of `AIMS`."""
    details: dict[str, float]
    """Further figures without an aim."""

    def lines(self) -> list[Line]:
        """The figures this run has, in the order of `AIMS`."""
        limits = self.parts.limits()
        return [
            Line(aim, self.figures[aim.name], _limit(aim, limits))
            for aim in AIMS
            if aim.name in self.figures
        ]

    def remarks(self) -> list[str]:
        """Why the figures should not be quoted; empty if they may be."""
        found = []
        if not self.pressure.is_quiet:
            found.append(
                f"somebody else wanted the cores {self.pressure.waited_percent:.0f} % of the time "
                "while the limits were measured: measure again on an idle machine"
            )
        if self.drift_percent > DRIFT_PERCENT_MAX:
            found.append(
                f"a limit differs by {self.drift_percent:.0f} % before and after: measure again"
            )
        return found


def _limit(aim: Aim, limits: dict[str, float]) -> float:
    return limits[aim.limit] if isinstance(aim.limit, str) else aim.limit


def middle(runs: Sequence[Run]) -> Run:
    """The run whose payments (or first figure) are the median: one that happened, not a mix."""
    name = runs[0].lines()[0].aim.name if runs[0].figures else ""
    ordered = sorted(runs, key=lambda run: run.figures.get(name, 0.0))
    median = statistics.median_low([run.figures.get(name, 0.0) for run in ordered])
    return next(run for run in ordered if run.figures.get(name, 0.0) == median)


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """One JSON document: the middle run in full, and each run's ratios."""
    chosen = middle(runs)
    return {
        "figures": {
            line.aim.name: {
                "figure": round(line.figure, 3),
                "unit": line.aim.unit,
                "limit": line.aim.limit,
                "limit_figure": round(line.limit, 3),
                "ratio": round(line.ratio, 4),
                "aim": line.aim.ratio,
                "reached": line.reached,
            }
            for line in chosen.lines()
        },
        "details": {name: round(value, 3) for name, value in chosen.details.items()},
        "parts": {name: round(value, 3) for name, value in asdict(chosen.parts).items()},
        "drift_percent": round(chosen.drift_percent, 1),
        "cpu_waited_percent": chosen.pressure.waited_percent,
        "remarks": chosen.remarks(),
        "ratios": [{line.aim.name: round(line.ratio, 4) for line in run.lines()} for run in runs],
    }


def table(runs: Sequence[Run]) -> str:
    """The same for a person."""
    chosen = middle(runs)
    rows = [("", "figure", "", "limit", "", "ratio", "aim", "")]
    for line in chosen.lines():
        sign = "<=" if line.aim.less_is_better else ">="
        rows.append(
            (
                line.aim.label,
                _number(line.figure),
                line.aim.unit,
                f"{_name(line.aim)}{_number(line.limit)}",
                line.aim.unit,
                f"{line.ratio:.2f}",
                f"{sign} {line.aim.ratio:.2f}",
                "reached" if line.reached else "missed",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    lines += [
        f"{name.replace('_', ' ')}: {_number(value)}" for name, value in chosen.details.items()
    ]
    lines += [f"note: {remark}" for remark in chosen.remarks()]
    return "\n".join(lines)


def _name(aim: Aim) -> str:
    return f"{aim.limit} " if isinstance(aim.limit, str) else ""


def _cells(row: tuple[str, ...], widths: Sequence[int]) -> list[str]:
    left = (0, 2, 4, 7)
    return [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
