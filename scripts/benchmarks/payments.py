"""Payments between two daemons: processes of their own on a chain of their own, spoken to through
JSON-RPC over one WebSocket, as any wallet would."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import trio

from node.cli.demo_progress import demo_progress
from node.cli.demo_report import paid_wei, payment_wei, percentile
from node.cli.demo_run import open_channel, running_nodes
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.rpc.client import RpcClient, RpcError
from scripts.benchmarks.machine import process_cpu_s
from scripts.benchmarks.store import replay_log_per_s


@dataclass(frozen=True)
class PaymentPlan:
    """How many payments, and how."""

    warm_up: int = 1_000
    """Before anything is timed."""
    pipelined: int = 20_000
    in_flight: int = 256
    """Unanswered at a time."""
    single: int = 500
    """One at a time, for the latency."""


@dataclass(frozen=True)
class PaymentFigures:
    """What came out; every payment answered when the payee's receipt was durable at the payer."""

    per_s: float
    p50_ms: float
    p99_ms: float
    payer_cpu_us: float
    """Processor time of the payer's daemon for one pipelined payment."""
    payee_cpu_us: float
    client_cpu_us: float
    """Of this process, which speaks JSON-RPC."""
    payee_log_replay_per_s: float
    """Records a second of the payee's real log of this run."""


def measure_payments(workspace: Path, plan: PaymentPlan) -> PaymentFigures:
    """Start a chain and two daemons in `workspace`, pay, and stop everything again.

    Raises `CommandFailed` if they do not come up or the payee did not get every payment.
    """
    with demo_progress(True) as quiet, running_nodes(workspace, quiet) as (_, payer, payee):
        channel_id = open_channel(payer, payee)
        run = trio.run(_pay, payer, payee, channel_id, plan)
        _require_all_paid(payee, channel_id, plan)
        for node in (payer, payee):
            node.stop()
        replayed = replay_log_per_s(payee.log_path)
    return PaymentFigures(*run, payee_log_replay_per_s=replayed)


async def _pay(
    payer: LocalNode, payee: LocalNode, channel_id: str, plan: PaymentPlan
) -> tuple[float, float, float, float, float, float]:
    def payment(index: int) -> tuple[str, dict[str, object]]:
        amount = str(payment_wei(index))
        return "payment_send", {"channel_id": channel_id, "amount": amount, "until": "receipt"}

    def on_answer(index: int, answer: object) -> None:
        if isinstance(answer, RpcError):
            raise answer

    def cpu_s() -> tuple[float, float, float]:
        daemons = [process_cpu_s(node.child.process_id) for node in (payer, payee)]
        return daemons[0], daemons[1], time.process_time()

    first, last = plan.warm_up, plan.warm_up + plan.pipelined
    async with await RpcClient.connect(payer.endpoint) as client:
        warm_up = [payment(index) for index in range(first)]
        await client.call_many(warm_up, in_flight_max=plan.in_flight, on_answer=on_answer)
        calls = [payment(index) for index in range(first, last)]
        cpu_before_s, started = cpu_s(), time.perf_counter()
        await client.call_many(calls, in_flight_max=plan.in_flight, on_answer=on_answer)
        seconds = time.perf_counter() - started
        spent_us = [
            (after - before) / plan.pipelined * 1e6
            for before, after in zip(cpu_before_s, cpu_s(), strict=True)
        ]
        latencies_ms = []
        for index in range(last, last + plan.single):
            method, params = payment(index)
            started = time.perf_counter()
            await client.call(method, **params)
            latencies_ms.append((time.perf_counter() - started) * 1e3)
    p50_ms, p99_ms = percentile(latencies_ms, 50), percentile(latencies_ms, 99)
    return plan.pipelined / seconds, p50_ms, p99_ms, spent_us[0], spent_us[1], spent_us[2]


def _require_all_paid(payee: LocalNode, channel_id: str, plan: PaymentPlan) -> None:
    """No figure for payments that the payee does not hold."""
    expected = paid_wei(plan.warm_up + plan.pipelined + plan.single)
    channel = payee.call("channel_get", channel_id=channel_id)
    if channel["paid"] != str(expected) or channel["receipted"] != str(expected):
        raise CommandFailed(f"the payee holds {channel['paid']} wei of {expected}")
