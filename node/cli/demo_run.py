"""The demo itself: a chain, nodes on a path, channels, many payments, and an end on chain.

First a channel that the chain funds, from alice to bob; then those over hubs (`demo_virtual`).

It uses nothing but what every user has: the command line's node directories, the daemons as
processes, their JSON-RPC interface, and the offline audit.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

from node.cli.demo_chain import ChainTransaction, transactions_of
from node.cli.demo_nodes import (
    NAMES,
    Progress,
    is_at_rest,
    is_open,
    make_nodes,
    names_on_path,
    running_nodes,
    running_path,
    wait_until,
)
from node.cli.demo_report import (
    DEPOSIT_WEI,
    HUB_FEE_WEI,
    IN_FLIGHT_COUNT,
    LATENCY_PAYMENT_COUNT,
    Account,
    AuditResult,
    Balance,
    DemoPlan,
    DemoResult,
    paid_wei,
    payment_wei,
)
from node.cli.demo_virtual import run_virtual
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.deployment import TEST_TOKEN, balance_wei, token_balance
from node.devnet import Devnet

__all__ = ["close_channel", "make_nodes", "open_channel", "run_demo", "running_nodes", "wait_until"]


def run_demo(workspace: Path, plan: DemoPlan, progress: Progress) -> DemoResult:
    """Run it all in `workspace`. Whatever happens, no process of it is left running.

    Raises `CommandFailed` or another expected failure if it cannot be carried through; figures
    that are wrong are in the result's `problems`.
    """
    names = names_on_path(plan.hop_count) if plan.channel_count else NAMES
    with running_path(workspace, progress, names, hub_fee=HUB_FEE_WEI) as (chain, nodes):
        alice, bob = nodes[0], nodes[-1]
        asset = chain.deployment.addresses[TEST_TOKEN] if plan.is_token else NATIVE
        from_block = int(chain.call("eth_blockNumber"), 16) + 1
        before = [_held(chain, node, asset) for node in nodes]
        progress.step("Opening a channel on chain: alice deposits into it")
        channel_id = open_channel(alice, bob, asset)
        progress.step(f"Paying {plan.payment_count:,} times, {IN_FLIGHT_COUNT} in flight")
        seconds, latencies_ms = pay(alice, channel_id, plan.payment_count, progress)
        progress.step("Closing the channel: both are paid out on chain")
        views = close_channel(alice, bob, channel_id)
        virtual = None
        if plan.channel_count:
            virtual = run_virtual(chain.url, nodes, plan, asset, progress)
        progress.step("Stopping the nodes")
        exit_codes = {node.name: node.stop() for node in nodes}
        addresses = [node.address for node in nodes]
        transactions = transactions_of(chain.url, addresses, from_block)
        after = [_held(chain, node, asset) for node in nodes]
    held = zip(nodes, before, after, gains(plan), strict=True)
    return DemoResult(
        plan=plan,
        seconds=seconds,
        latencies_ms=latencies_ms,
        transactions=transactions,
        accounts={
            node.name: _account(node, had, has, gain, transactions) for node, had, has, gain in held
        },
        channel_views=views,
        virtual=virtual,
        exit_codes=exit_codes,
        audits=[audit_log(node, progress) for node in nodes],
    )


def gains(plan: DemoPlan) -> list[int]:
    """What payments and fees must change for each node along the path, smallest unit."""
    directly = paid_wei(plan.payment_count + LATENCY_PAYMENT_COUNT)
    if not plan.channel_count:
        return [-directly, directly]
    paid = directly + plan.channel_count * paid_wei(plan.payment_count)
    earned = [plan.channel_count * HUB_FEE_WEI] * plan.hop_count
    return [-paid - sum(earned), *earned, paid]


def _held(chain: Devnet, node: LocalNode, asset: str) -> tuple[int, ...]:
    """What the node's account holds: wei, and if the asset is a token, units of it."""
    wei = balance_wei(chain.url, node.address)
    return (wei,) if asset == NATIVE else (wei, token_balance(chain.url, asset, node.address))


def _account(
    node: LocalNode,
    before: tuple[int, ...],
    after: tuple[int, ...],
    gain: int,
    transactions: list[ChainTransaction],
) -> Account:
    gas = sum(t.cost_wei for t in transactions if t.sender == node.address.lower())
    if len(before) == 1:
        return Account(node.address, Balance(before[0], after[0], gain, gas))
    wei, token = Balance(before[0], after[0], 0, gas), Balance(before[1], after[1], gain)
    return Account(node.address, wei, token)


def open_channel(alice: LocalNode, bob: LocalNode, asset: str = NATIVE) -> str:
    """Open a channel from alice to bob; its id, once both can pay and be paid in it."""
    deposit = str(DEPOSIT_WEI)
    answer = alice.call("channel_open", counterparty=bob.address, amount=deposit, asset=asset)
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
