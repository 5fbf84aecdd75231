"""Measure this node beside the limits of the machine it runs on.

    python scripts/bench.py                 everything, in a few minutes
    python scripts/bench.py --only store    durable appends, replay and time travel, without daemons
    python scripts/bench.py --only paths    batches, ledgers and virtual channels, three daemons
    python scripts/bench.py --only audit    the audit of a million events
    python scripts/bench.py --only memory   what a live channel costs its hub, three daemons
    python scripts/bench.py --only views    the node's views, and payments beside a query
    python scripts/bench.py --only restart  starts with 100,000 channels, pauses for snapshots
    python scripts/bench.py --only watching what an idle node with 1,000 channels takes, and how
                                            soon a node answers when many channels are challenged
    python scripts/bench.py --only sinks    row changes of views into PostgreSQL
    python scripts/bench.py --runs 3        the middle of three
    python scripts/bench.py --json          one document

Limits are measured before and after the figures and their mean divides them. docs/performance.md
says what each figure means and what it was when it was last written down.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    # Python puts this file's folder first; the packages lie beside it.
    sys.path[0] = str(ROOT)

from scripts.benchmarks import audits, growth, history, limits, machine, report, store  # noqa: E402
from scripts.benchmarks.answering import AnsweringPlan, measure_answers  # noqa: E402
from scripts.benchmarks.applications import ApplicationPlan, measure_messages  # noqa: E402
from scripts.benchmarks.memory import MemoryPlan, hub_bytes_per_channel  # noqa: E402
from scripts.benchmarks.paths import PathPlan, measure_delayed, measure_paths  # noqa: E402
from scripts.benchmarks.pauses import PausePlan, measure_pauses  # noqa: E402
from scripts.benchmarks.payments import PaymentPlan, measure_payments  # noqa: E402
from scripts.benchmarks.restart import RestartPlan, measure_restart  # noqa: E402
from scripts.benchmarks.sinks import SinkPlan, measure_sinks  # noqa: E402
from scripts.benchmarks.views import (  # noqa: E402
    ViewPlan,
    measure_views,
    query_p99_growth,
)
from scripts.benchmarks.watching import WatchingPlan, measure_watching  # noqa: E402


@dataclass(frozen=True)
class Plan:
    """What to measure and how often."""

    with_payments: bool = True
    with_store: bool = True
    with_paths: bool = True
    with_growth: bool = True
    with_memory: bool = True
    with_audit: bool = True
    with_restart: bool = True
    with_watching: bool = True
    with_sinks: bool = True
    with_views: bool = True
    with_applications: bool = True
    runs: int = 1
    append_batches: int = 500
    proof_records: int = 1_000_000
    replay_events: int = 200_000
    history_events: int = history.EVENT_COUNT
    audit_events: int = 1_000_000
    effort: limits.Effort = field(default_factory=limits.Effort)
    payments: PaymentPlan = field(default_factory=PaymentPlan)
    paths: PathPlan = field(default_factory=PathPlan)
    delayed_openings: int = 20
    memory: MemoryPlan = field(default_factory=MemoryPlan)
    restart: RestartPlan = field(default_factory=RestartPlan)
    watching: WatchingPlan = field(default_factory=WatchingPlan)
    answering: AnsweringPlan = field(default_factory=AnsweringPlan)
    pauses: PausePlan = field(default_factory=PausePlan)
    sinks: SinkPlan = field(default_factory=SinkPlan)
    views: ViewPlan = field(default_factory=ViewPlan)
    applications: ApplicationPlan = field(default_factory=ApplicationPlan)


Figures = dict[str, float]


def _measure_store(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of the log alone."""
    _say("durable appends, proofs, replay and time travel")
    proofs = store.proofs(workspace / "proofs", plan.proof_records)
    figures = {
        "appends_per_s": store.appends_per_s(workspace / "appends", plan.append_batches),
        "append_p50_ms": store.append_p50_ms(workspace / "append", plan.append_batches),
        "proof_ms": proofs.median_ms,
        "replay_per_s": store.replay_per_s(workspace / "replay", plan.replay_events),
        "replay_of_states_per_s": audits.replay_of_states_per_s(
            workspace / "states", plan.replay_events // 10
        ),
        "time_travel_ms": history.time_travel_ms(workspace / "history", plan.history_events),
    }
    return figures, {"proof_slowest_ms": proofs.slowest_ms, "tree_us_per_record": proofs.tree_us}


def _measure_payments(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of payments by single calls."""
    _say("payments between two daemons")
    paid = measure_payments(_subfolder(workspace, "payments"), plan.payments)
    figures = {
        "payments_per_s": paid.per_s,
        "rpc_payments_per_s": paid.per_s,
        "payment_p50_ms": paid.p50_ms,
        "receipted_p50_ms": paid.p50_ms,
    }
    return figures, {
        "payment_p99_ms": paid.p99_ms,
        "payer_cpu_us_per_payment": paid.payer_cpu_us,
        "payee_cpu_us_per_payment": paid.payee_cpu_us,
        "client_cpu_us_per_payment": paid.client_cpu_us,
        "replay_of_the_payees_log_per_s": paid.payee_log_replay_per_s,
    }


def _measure_watching(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of looking after channels."""
    _say("a node that watches its channels and has nothing to do")
    percent, blocks = measure_watching(_subfolder(workspace, "watching"), plan.watching)
    _say(f"answers to {plan.answering.channels} stale challenges")
    answered = measure_answers(_subfolder(workspace, "answering"), plan.answering)
    figures = {"watching_percent": percent, "answer_p99_s": answered.p99_s}
    return figures, {
        "blocks_watched": blocks,
        "answer_p50_s": answered.p50_s,
        "answer_mined_p50_blocks": answered.p50_blocks,
        "answer_mined_p99_blocks": answered.p99_blocks,
    }


def _measure_restarts(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of starts, and of what makes them short."""
    _say("restarts, and the pauses for snapshots")
    figures, details = measure_restart(_subfolder(workspace, "restart"), plan.restart)
    found, further = measure_pauses(workspace / "pauses", plan.pauses)
    return {**figures, **found}, {**details, **further}


def _measure_views(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of the node's views."""
    _say(f"{plan.views.events:,} records into the node's views")
    figures, details = measure_views(_subfolder(workspace, "views"), plan.views)
    _say("payments beside a heavy query")
    growth_of_p99, further = query_p99_growth(_subfolder(workspace, "query"), plan.views)
    return {**figures, "query_p99_growth": growth_of_p99}, {**details, **further}


def _measure_derived(plan: Plan, workspace: Path) -> tuple[Figures, Figures]:
    """Figures and details of what reducers make: views, applications, and where rows go."""
    figures: Figures = {}
    details: Figures = {}
    if plan.with_views:
        found, further = _measure_views(plan, workspace)
        figures |= found
        details |= further
    if plan.with_applications:
        _say("messages of an application between two daemons")
        found, further = measure_messages(_subfolder(workspace, "applications"), plan.applications)
        figures |= found
        details |= further
    if plan.with_sinks:
        _say("row changes into PostgreSQL")
        found, further = measure_sinks(_subfolder(workspace, "sinks"), plan.sinks)
        figures |= found
        details |= further
    return figures, details


def run(plan: Plan, workspace: Path) -> report.Run:
    """One pass: limits, figures, limits."""
    pressure = machine.PressureMeter()
    _say("the limits of this machine")
    with pressure.running():
        before = limits.measure(workspace, plan.effort)
    figures: Figures = {}
    details: Figures = {}
    if plan.with_store:
        found, further = _measure_store(plan, workspace)
        figures |= found
        details |= further
    if plan.with_payments:
        found, further = _measure_payments(plan, workspace)
        figures |= found
        details |= further
    if plan.with_paths:
        _say("batches, ledgers and virtual channels between three daemons")
        found, further = measure_paths(_subfolder(workspace, "paths"), plan.paths)
        figures |= found
        figures["rpc_batched_per_s"] = found["shared_vouchers_per_s"]
        details |= further
        _say("openings with 10 ms on every wire")
        delayed_ms = measure_delayed(_subfolder(workspace, "delayed"), 10.0, plan.delayed_openings)
        figures["opening_delayed_p50_ms"] = delayed_ms
    if plan.with_memory:
        _say("the memory of a hub with live channels")
        found_bytes = hub_bytes_per_channel(_subfolder(workspace, "memory"), plan.memory)
        figures["hub_bytes_per_channel"] = found_bytes
    if plan.with_growth:
        _say("payments of a node with much in hand and much behind it")
        measured = growth.growth_us()
        figures |= growth.growth(measured)
        details |= measured
    if plan.with_audit:
        _say(f"the audit of {plan.audit_events:,} events")
        figures |= audits.audit_figures(workspace / "audit", plan.audit_events)
    if plan.with_restart:
        found, further = _measure_restarts(plan, workspace)
        figures |= found
        details |= further
    if plan.with_watching:
        found, further = _measure_watching(plan, workspace)
        figures |= found
        details |= further
    found, further = _measure_derived(plan, workspace)
    figures |= found
    details |= further
    _say("the limits again")
    with pressure.running():
        after = limits.measure(workspace, plan.effort)
    parts = limits.mean(before, after)
    if plan.with_paths:
        # Of the receipts' signatures none is taken off: how many vouchers share one is not fixed.
        figures["voucher_payer_us"] = details["own_voucher_payer_cpu_us"] - parts.sign_us
        figures["voucher_payee_us"] = details["own_voucher_payee_cpu_us"] - parts.verify_us
    return report.Run(
        parts=parts,
        drift_percent=limits.drift_percent(before, after),
        pressure=pressure.read(),
        figures=figures,
        details=details,
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 whatever the figures are."""
    parser = argparse.ArgumentParser(description="Measure this node beside the machine's limits.")
    parser.add_argument(
        "--only",
        choices=(
            *("store", "payments", "paths", "memory", "growth", "audit", "restart", "watching"),
            *("sinks", "views", "applications"),
        ),
        help="leave the rest out",
    )
    parser.add_argument("--runs", type=int, default=1, help="passes; the middle one is reported")
    parser.add_argument("--payments", type=int, default=PaymentPlan.pipelined)
    parser.add_argument("--in-flight", type=int, default=PaymentPlan.in_flight)
    parser.add_argument("--json", action="store_true", help="one JSON document and nothing else")
    given = parser.parse_args(arguments)
    plan = Plan(
        with_payments=given.only in (None, "payments"),
        with_store=given.only in (None, "store"),
        with_paths=given.only in (None, "paths"),
        with_growth=given.only in (None, "growth"),
        with_memory=given.only in (None, "memory"),
        with_audit=given.only in (None, "audit"),
        with_restart=given.only in (None, "restart"),
        with_watching=given.only in (None, "watching"),
        with_sinks=given.only in (None, "sinks"),
        with_views=given.only in (None, "views"),
        with_applications=given.only in (None, "applications"),
        runs=max(given.runs, 1),
        payments=PaymentPlan(pipelined=given.payments, in_flight=given.in_flight),
    )
    runs = []
    for _ in range(plan.runs):
        with tempfile.TemporaryDirectory(prefix="tally-bench-") as workspace:
            runs.append(run(plan, Path(workspace)))
    print(json.dumps(report.document(runs)) if given.json else report.table(runs))
    return 0


def _subfolder(workspace: Path, name: str) -> Path:
    """Every measurement has nodes called alice and bob."""
    made = workspace / name
    made.mkdir()
    return made


def _say(step: str) -> None:
    print(f"measuring {step} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
