"""The demo itself: a chain, two nodes, one channel, many payments, and an end on chain.

It uses nothing but what every user has: the command line's node directories, the daemons as
processes, their JSON-RPC interface, and the offline audit.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from node.cli.demo_chain import transactions_of
from node.cli.demo_nodes import Progress, is_at_rest, is_open, make_nodes, running_nodes, wait_until
from node.cli.demo_report import (
    DEPOSIT_WEI,
    IN_FLIGHT_COUNT,
    LATENCY_PAYMENT_COUNT,
    AuditResult,
    Balances,
    DemoResult,
    paid_wei,
    payment_wei,
)
from node.cli.local_node import LocalNode
from node.deployment import balance_wei

__all__ = ["close_channel", "make_nodes", "open_channel", "run_demo", "running_nodes", "wait_until"]


def run_demo(workspace: Path, payment_count: int, progress: Progress) -> DemoResult:
    """Run it all in `workspace`. Whatever happens, no process of it is left running.

    Raises `CommandFailed` or another expected failure if it cannot be carried through; figures
    that are wrong are in the result's `problems`.
    """
    with running_nodes(workspace, progress) as (chain, alice, bob):
        from_block = int(chain.call("eth_blockNumber"), 16) + 1
        before = [balance_wei(chain.url, node.address) for node in (alice, bob)]
        progress.step("Opening a channel: alice deposits 1 ETH")
        channel_id = open_channel(alice, bob)
        progress.step(f"Paying {payment_count:,} times, {IN_FLIGHT_COUNT} in flight")
        seconds, latencies_ms = pay(alice, channel_id, payment_count, progress)
        progress.step("Closing the channel: both are paid out on chain")
        views = close_channel(alice, bob, channel_id)
        progress.step("Stopping both nodes")
        exit_codes = {node.name: node.stop() for node in (alice, bob)}
        transactions = transactions_of(chain.url, (alice.address, bob.address), from_block)
        after = [balance_wei(chain.url, node.address) for node in (alice, bob)]
    paid = paid_wei(payment_count + LATENCY_PAYMENT_COUNT)
    gas = [
        sum(t.cost_wei for t in transactions if t.sender == node.address.lower())
        for node in (alice, bob)
    ]
    balances = [
        Balances(node.address, *figures)
        for node, *figures in zip((alice, bob), before, after, (-paid, paid), gas, strict=True)
    ]
    return DemoResult(
        payment_count=payment_count,
        seconds=seconds,
        latencies_ms=latencies_ms,
        transactions=transactions,
        alice=balances[0],
        bob=balances[1],
        channel_views=views,
        exit_codes=exit_codes,
        audits=[audit_log(node, progress) for node in (alice, bob)],
    )


def open_channel(alice: LocalNode, bob: LocalNode) -> str:
    """Open a channel from alice to bob; its id, once both can pay and be paid in it."""
    answer = alice.call("channel_open", counterparty=bob.address, amount=str(DEPOSIT_WEI))
    channel_id = str(answer["channel_id"])
    for node in (alice, bob):
        wait_until(f"{node.name}'s channel is open", partial(is_open, node, channel_id))
    return channel_id


def close_channel(alice: LocalNode, bob: LocalNode, channel_id: str) -> dict[str, dict[str, Any]]:
    """Close it from alice's side; the channel as each shows it, once both see it paid out."""
    alice.call("channel_close", channel_id=channel_id)
    for node in (alice, bob):
        wait_until(f"{node.name} sees the money paid out", partial(is_at_rest, node, channel_id))
    return {node.name: node.call("channel_get", channel_id=channel_id) for node in (alice, bob)}


def pay(
    payer: LocalNode, channel_id: str, payment_count: int, progress: Progress
) -> tuple[float, list[float]]:
    """Seconds for the pipelined payments, then milliseconds of each of the single ones."""
    import trio

    return trio.run(_pay, payer, channel_id, payment_count, progress)


async def _pay(
    payer: LocalNode, channel_id: str, payment_count: int, progress: Progress
) -> tuple[float, list[float]]:
    from node.rpc.client import RpcClient, RpcError

    def payment(index: int) -> tuple[str, dict[str, object]]:
        amount = str(payment_wei(index))
        return "payment_send", {"channel_id": channel_id, "amount": amount, "until": "receipt"}

    answered = 0

    def on_answer(index: int, answer: object) -> None:
        nonlocal answered
        if isinstance(answer, RpcError):
            raise answer
        answered += 1
        progress.count(answered, payment_count)

    async with await RpcClient.connect(payer.endpoint) as client:
        calls = (payment(index) for index in range(payment_count))
        started = time.perf_counter()
        await client.call_many(calls, in_flight_max=IN_FLIGHT_COUNT, on_answer=on_answer)
        seconds = time.perf_counter() - started
        progress.step(f"Paying {LATENCY_PAYMENT_COUNT} times more, one at a time")
        latencies_ms = []
        for index in range(payment_count, payment_count + LATENCY_PAYMENT_COUNT):
            method, params = payment(index)
            started = time.perf_counter()
            await client.call(method, **params)
            latencies_ms.append((time.perf_counter() - started) * 1000)
            progress.count(len(latencies_ms), LATENCY_PAYMENT_COUNT)
    return seconds, latencies_ms


def audit_log(node: LocalNode, progress: Progress) -> AuditResult:
    """The offline audit of a stopped node's log."""
    from node.cli.audit import audit_document

    progress.step(f"Auditing {node.name}'s log")
    document = audit_document(node.log_path)
    notes = [str(note["message"]) for note in document["notes"]]
    return AuditResult(document["log"], document["records"], document["findings"], notes)
