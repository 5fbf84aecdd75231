"""The demo's second part: ledgers between neighbours on a path, and virtual channels over them.

Only opening and closing the ledgers touches the chain; all that happens in between is counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from node.cli.demo_nodes import Progress, is_at_rest, is_open, wait_until
from node.cli.demo_report import (
    HUB_FEE_WEI,
    IN_FLIGHT_COUNT,
    VIRTUAL_WEI,
    DemoPlan,
    VirtualRun,
    payment_wei,
)
from node.cli.local_node import LocalNode
from node.cli.many_calls import call_all, wait_for_all
from node.deployment import chain_call

VIRTUAL_TIMEOUT_S = 300.0
"""For all of them to open, or to close."""


def run_virtual(
    url: str, path: Sequence[LocalNode], plan: DemoPlan, asset: str, progress: Progress
) -> VirtualRun:
    """Open ledgers along the path, channels over them, pay, and close all of it again."""
    progress.step("Opening ledgers on chain between neighbours")
    ledgers = open_ledgers(path, plan, asset)
    before = sent_count(url, path)
    progress.step(f"Opening virtual channels ({plan.channel_count}) over hubs ({plan.hop_count})")
    started = time.perf_counter()
    channels = open_channels(path, plan, asset)
    opening_seconds = time.perf_counter() - started
    count = plan.channel_count * plan.payment_count
    progress.step(f"Paying {count:,} times in them, {IN_FLIGHT_COUNT} in flight")
    seconds = pay_in_turn(path[0], channels, plan.payment_count, progress)
    progress.step("Closing them, alice and bob half of them each")
    started = time.perf_counter()
    views = close_channels(path, channels)
    closing_seconds = time.perf_counter() - started
    chain_transaction_count = sent_count(url, path) - before
    progress.step("Closing the ledgers: everybody is paid out on chain")
    ledger_views = close_ledgers(path, ledgers)
    return VirtualRun(
        opening_seconds, seconds, closing_seconds, chain_transaction_count, views, ledger_views
    )


def open_ledgers(path: Sequence[LocalNode], plan: DemoPlan, asset: str) -> list[str]:
    """One between each two neighbours, led and funded by the one nearer to the payer."""
    ledgers = []
    for place, (left, right) in enumerate(pairwise(path)):
        fees = (plan.hop_count - place) * HUB_FEE_WEI
        amount = plan.channel_count * (VIRTUAL_WEI + fees)
        answer = left.call(
            "ledger_open", counterparty=right.address, amount=str(amount), asset=asset
        )
        ledgers.append(str(answer["channel_id"]))
    for (left, right), ledger in zip(pairwise(path), ledgers, strict=True):
        for node in (left, right):
            wait_until(f"{node.name}'s ledger is open", partial(is_open, node, ledger))
    return ledgers


def open_channels(path: Sequence[LocalNode], plan: DemoPlan, asset: str) -> list[str]:
    """As many as planned, for what the path quotes once; open at every node."""
    payer, behind = path[0], [node.address for node in path[1:]]
    terms = {"path": behind, "amount": str(VIRTUAL_WEI), "asset": asset}
    fees = payer.call("route_quote", **terms)["fees"]
    opened = call_all(payer, [("channel_open", {"fees": fees, **terms})] * plan.channel_count)
    channels = [str(answer["channel_id"]) for answer in opened]
    for node in path:
        _wait_for_status(node, channels, "open")
    return channels


def pay_in_turn(
    payer: LocalNode, channels: Sequence[str], payment_count: int, progress: Progress
) -> float:
    """Pay as often in each channel; seconds until the last receipt."""
    import trio

    return trio.run(_pay, payer, channels, payment_count, progress)


async def _pay(
    payer: LocalNode, channels: Sequence[str], payment_count: int, progress: Progress
) -> float:
    from node.rpc.client import RpcClient, RpcError

    total = len(channels) * payment_count
    answered = 0

    def on_answer(index: int, answer: object) -> None:
        nonlocal answered
        if isinstance(answer, RpcError):
            raise answer
        answered += 1
        progress.count(answered, total)

    calls = (
        (
            "payment_send",
            {"channel_id": channel_id, "amount": str(payment_wei(index)), "until": "receipt"},
        )
        for index in range(payment_count)
        for channel_id in channels
    )
    async with await RpcClient.connect(payer.endpoint) as client:
        started = time.perf_counter()
        await client.call_many(calls, in_flight_max=IN_FLIGHT_COUNT, on_answer=on_answer)
        return time.perf_counter() - started


def close_channels(
    path: Sequence[LocalNode], channels: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Close them, the payer and the payee half of them each; as every node shows them settled."""
    for place, end in enumerate((path[0], path[-1])):
        call_all(end, [("channel_close", {"channel_id": one}) for one in channels[place::2]])
    return {node.name: _settled_views(node, channels) for node in path}


def _settled_views(node: LocalNode, channels: Sequence[str]) -> list[dict[str, Any]]:
    views = _wait_for_status(node, channels, "closed")
    objectives = [identity for view in views for identity in view["objective_ids"]]
    wait_for_all(
        f"{node.name} has settled",
        node,
        [("objective_get", {"objective_id": one}) for one in objectives],
        lambda objective: bool(objective["status"] == "completed"),
        VIRTUAL_TIMEOUT_S,
    )
    return views


def _wait_for_status(node: LocalNode, channels: Sequence[str], status: str) -> list[dict[str, Any]]:
    return wait_for_all(
        f"{node.name}'s virtual channels are {status}",
        node,
        [("channel_get", {"channel_id": one}) for one in channels],
        lambda view: bool(view["status"] == status),
        VIRTUAL_TIMEOUT_S,
    )


def close_ledgers(
    path: Sequence[LocalNode], ledgers: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Close them; as each node shows its own, once the money is paid out."""
    for left, ledger in zip(path, ledgers, strict=False):
        left.call("channel_close", channel_id=ledger)
    views: dict[str, list[dict[str, Any]]] = {node.name: [] for node in path}
    for pair, ledger in zip(pairwise(path), ledgers, strict=True):
        for node in pair:
            wait_until(f"{node.name} sees its ledger paid out", partial(is_at_rest, node, ledger))
            views[node.name].append(node.call("channel_get", channel_id=ledger))
    return views


def sent_count(url: str, nodes: Sequence[LocalNode]) -> int:
    """Transactions that the nodes' accounts ever sent, unmined ones included."""
    counts = (chain_call(url, "eth_getTransactionCount", n.address, "pending") for n in nodes)
    return sum(int(count, 16) for count in counts)
