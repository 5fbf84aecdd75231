"""Batches, ledger updates and virtual channels between two or three daemons, through JSON-RPC.

Three processes on a chain of their own: alice pays, hub carries, bob is paid. A figure is printed
only when both sides hold what was paid; a payment or an opening that did not arrive is an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio

from node.cli.demo_nodes import is_open, names_on_path, running_path, wait_until
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import percentile
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.processes import free_ports
from node.rpc.client import RpcClient, RpcError
from scripts.benchmarks.delay import delayed_wires
from scripts.benchmarks.machine import process_cpu_s

Call = tuple[str, Mapping[str, object]]

LEDGER_DEPOSIT_WEI = 10**18
CHANNEL_WEI = 10**15
BATCH_IN_FLIGHT = 4
"""Unanswered batches: enough that neither node waits for the other's disk."""
OPENINGS_IN_FLIGHT = 16
PAUSE_S = 0.001
"""Between two questions. Daemons and client share the cores: asking without a pause slows them."""
GROUP_COUNT = 40
"""Channels opened before they are waited for; a peer takes 64 unfunded proposals."""


@dataclass(frozen=True)
class PathPlan:
    """How much of everything."""

    batch_size: int = 1_000
    own_vouchers: int = 20_000
    """Payments with a voucher each."""
    shared_vouchers: int = 200_000
    """Payments that share one with their batch."""
    channels: int = 100
    """Direct channels between which the same payments are spread."""
    ledgers: int = 64
    ledger_updates: int = 6_400
    lone_updates: int = 300
    """Updates of one ledger, one at a time."""
    openings: int = 60
    """Virtual channels opened one at a time."""
    live: int = 1_000
    """Virtual channels open at once."""
    burst: int = 40
    """Virtual channels opened side by side, with few and with many open."""


def measure_paths(workspace: Path, plan: PathPlan) -> tuple[dict[str, float], dict[str, float]]:
    """Figures with an aim, and further details. Raises `CommandFailed` or `RpcError`."""
    with demo_progress(True) as quiet:
        names = names_on_path(1)
        with running_path(workspace, quiet, names) as (_, nodes):
            return trio.run(partial(PathBench(nodes, plan).run))


def measure_delayed(workspace: Path, delay_ms: float, count: int) -> float:
    """Median milliseconds to open a virtual channel when each wire between nodes takes so long."""
    names = names_on_path(1)
    ports = free_ports(2 * len(names))
    wires = dict(zip(ports[::2], ports[1::2], strict=True))
    behind = {proxy: port for port, proxy in wires.items()}
    with (
        demo_progress(True) as quiet,
        delayed_wires(delay_ms, behind),
        running_path(workspace, quiet, names, wires=wires) as (_, nodes),
    ):
        return trio.run(PathBench(nodes, PathPlan(openings=count, live=0)).delayed)


class PathBench:
    """One run over three daemons: alice pays, hub carries, bob is paid."""

    def __init__(self, nodes: list[LocalNode], plan: PathPlan) -> None:
        self.alice, self.hub, self.bob = nodes
        self.plan = plan
        self.figures: dict[str, float] = {}
        self.details: dict[str, float] = {}
        self.client: RpcClient
        """Alice's, while `run` or whoever else set it holds it open."""

    async def run(self) -> tuple[dict[str, float], dict[str, float]]:
        """All figures of `measure_paths`, and further details."""
        async with await RpcClient.connect(self.alice.endpoint) as client:
            self.client = client
            channel_id = await self._batches()
            await self._many_channels(channel_id)
            await self._ledger_updates()
            await self._openings()
        return self.figures, self.details

    async def delayed(self) -> float:
        """The median opening, over one ledger on each side."""
        async with await RpcClient.connect(self.alice.endpoint) as client:
            self.client = client
            await self.open_path(1)
            latencies_ms = [await self._open_one() for _ in range(self.plan.openings)]
        return percentile(latencies_ms, 50)

    # --- payments ---

    async def _batches(self) -> str:
        """P1 and P3: a voucher for each payment. P17: one for a batch. All in the channel named."""
        plan = self.plan
        channel_id = await self.open_direct(self.bob)
        await self.pay([channel_id], plan.batch_size * 4, shared=False)
        seconds, cpu_us = await self.pay([channel_id], plan.own_vouchers, shared=False)
        self.figures["own_vouchers_per_s"] = plan.own_vouchers / seconds
        self.details["own_voucher_payer_cpu_us"] = cpu_us[0]
        self.details["own_voucher_payee_cpu_us"] = cpu_us[1]
        await self.pay([channel_id], plan.batch_size * 10, shared=True)
        seconds, cpu_us = await self.pay([channel_id], plan.shared_vouchers, shared=True)
        self.figures["shared_vouchers_per_s"] = plan.shared_vouchers / seconds
        self.details["shared_voucher_payer_cpu_us"] = cpu_us[0]
        self.details["shared_voucher_payee_cpu_us"] = cpu_us[1]
        return channel_id

    async def _many_channels(self, channel_id: str) -> None:
        """The same payments over many channels, between two rounds in the one: what a machine does
        for others changes by the minute."""
        plan = self.plan
        calls = [self._direct_call(self.bob) for _ in range(plan.channels)]
        ids = await self._open_all(calls, (self.alice, self.bob))
        count = plan.own_vouchers
        before, _ = await self.pay([channel_id], count, shared=False)
        seconds, cpu_us = await self.pay(ids, count, shared=False)
        after, _ = await self.pay([channel_id], count, shared=False)
        self.figures["over_channels_share"] = (before + after) / 2 / seconds
        self.details["over_channels_payer_cpu_us"] = cpu_us[0]
        self.details["over_channels_payee_cpu_us"] = cpu_us[1]

    async def pay(
        self, channel_ids: list[str], count: int, *, shared: bool
    ) -> tuple[float, tuple[float, float]]:
        """Seconds and processor time a payment of both daemons."""
        size = min(self.plan.batch_size, max(count // len(channel_ids), 1))
        batches = count // size
        payments = [{"amount": "1"}] * size
        calls: list[Call] = [
            (
                "payment_batch",
                {
                    "channel_id": channel_ids[number % len(channel_ids)],
                    "payments": payments,
                    "shared": shared,
                    "until": "receipt",
                },
            )
            for number in range(batches)
        ]
        paid_before = await self._paid(channel_ids)
        cpu_before, started = self._cpu_s(), time.perf_counter()
        in_flight = BATCH_IN_FLIGHT if len(channel_ids) == 1 else len(channel_ids)
        await self._call_all(calls, in_flight)
        seconds = time.perf_counter() - started
        paid = await self._paid(channel_ids) - paid_before
        if paid != batches * size:
            raise CommandFailed(f"{paid} of {batches * size} payments were receipted")
        payer_us, payee_us = (
            (after - before) / count * 1e6
            for before, after in zip(cpu_before, self._cpu_s(), strict=True)
        )
        return seconds, (payer_us, payee_us)

    async def _paid(self, channel_ids: list[str]) -> int:
        calls: list[Call] = [("channel_get", {"channel_id": one}) for one in channel_ids]
        return sum(int(view["receipted"]) for view in await self._call_all(calls, 16))

    # --- ledgers ---

    async def _ledger_updates(self) -> None:
        """P6: many ledgers side by side. P7: one alone."""
        plan = self.plan
        ledgers = [self._ledger_call(self.bob) for _ in range(plan.ledgers)]
        ids = await self._open_all(ledgers, (self.alice, self.bob))
        seconds = await self._move(ids, plan.ledger_updates)
        self.figures["ledger_updates_per_s"] = plan.ledger_updates / seconds
        one = plan.ledger_updates // 4
        self.figures["one_ledger_per_s"] = one / await self._move(ids[:1], one)
        latencies_ms = [await self._move_one(ids[0]) for _ in range(plan.lone_updates)]
        self.figures["one_ledger_p50_ms"] = percentile(latencies_ms, 50)
        self.details["one_ledger_p99_ms"] = percentile(latencies_ms, 99)

    async def _move_one(self, ledger_id: str) -> float:
        """Milliseconds from the call until the leader holds it agreed, as the follower did before:
        its signature left when it was on its disk."""
        started = time.perf_counter()
        answer = await self.client.call(
            "ledger_pay", channel_id=ledger_id, amount="1", until="agreed"
        )
        if not answer["agreed"]:
            raise CommandFailed("an update was answered before both held it agreed")
        return (time.perf_counter() - started) * 1e3

    async def _move(self, ledger_ids: list[str], count: int) -> float:
        """Seconds until every one of `count` moves of a wei is agreed by both."""
        calls: list[Call] = [
            ("ledger_pay", {"channel_id": ledger_ids[number % len(ledger_ids)], "amount": "1"})
            for number in range(count)
        ]
        first = await self._turns(ledger_ids)
        started = time.perf_counter()
        await self._call_all(calls, 256 if len(ledger_ids) > 1 else 64)
        while True:
            if await self._turns(ledger_ids) >= first + count:
                return time.perf_counter() - started
            await trio.sleep(PAUSE_S)

    async def _turns(self, ledger_ids: list[str]) -> int:
        calls: list[Call] = [("channel_get", {"channel_id": one}) for one in ledger_ids]
        return sum(int(view["turn_num"]) for view in await self._call_all(calls, 64))

    # --- virtual channels ---

    async def _openings(self) -> None:
        """P8: one at a time. P9: with many open."""
        plan = self.plan
        pairs = math.ceil((plan.live + plan.openings + 100) / 100)
        await self.open_path(pairs)
        latencies_ms = [await self._open_one() for _ in range(plan.openings)]
        self.figures["opening_p50_ms"] = percentile(latencies_ms, 50)
        self.details["opening_p99_ms"] = percentile(latencies_ms, 99)
        few = await self.open_virtual(plan.burst)
        await self.open_virtual(max(plan.live - plan.burst, 1))
        many = await self.open_virtual(plan.burst)
        self.figures["openings_per_s"] = plan.burst / few
        self.figures["openings_with_many_share"] = few / many

    async def open_path(self, pairs: int) -> None:
        """So many ledgers between alice and the hub, and between the hub and bob."""
        left = [self._ledger_call(self.hub) for _ in range(pairs)]
        await self._open_all(left, (self.alice, self.hub))
        right = [self._ledger_call(self.bob) for _ in range(pairs)]
        async with await RpcClient.connect(self.hub.endpoint) as hub_client:
            await self._open_all(right, (self.hub, self.bob), hub_client)

    async def _open_one(self) -> float:
        """Milliseconds until the payer holds a new virtual channel to be open."""
        started = time.perf_counter()
        await self._call_all([self._virtual_call()], 1)
        return (time.perf_counter() - started) * 1e3

    async def open_virtual(self, count: int) -> float:
        """Seconds until so many more are open at the payer."""
        started = time.perf_counter()
        await self._call_all([self._virtual_call() for _ in range(count)], GROUP_COUNT)
        return time.perf_counter() - started

    # --- calls ---

    def _direct_call(self, peer: LocalNode) -> Call:
        return "channel_open", {"counterparty": peer.address, "amount": str(CHANNEL_WEI)}

    def _ledger_call(self, peer: LocalNode) -> Call:
        amount = str(LEDGER_DEPOSIT_WEI)
        return "ledger_open", {"counterparty": peer.address, "amount": amount}

    def _virtual_call(self) -> Call:
        path = [self.hub.address, self.bob.address]
        opened = {"path": path, "amount": str(CHANNEL_WEI), "fees": ["0"], "until": "completed"}
        return "channel_open", opened

    async def open_direct(self, peer: LocalNode) -> str:
        """A channel of alice's that the chain funds."""
        (channel_id,) = await self._open_all([self._direct_call(peer)], (self.alice, peer))
        return channel_id

    async def _open_all(
        self, calls: list[Call], nodes: tuple[LocalNode, ...], client: RpcClient | None = None
    ) -> list[str]:
        """Open them in groups, each once the one before it is funded: so peers allow."""
        found: list[str] = []
        for group in _groups(calls):
            ids = await self._open_many(group, client)
            await self._until_open(ids, nodes)
            found += ids
        return found

    async def _open_many(self, calls: list[Call], client: RpcClient | None = None) -> list[str]:
        answers = await self._call_all(calls, OPENINGS_IN_FLIGHT, client)
        return [str(answer["channel_id"]) for answer in answers]

    async def _until_open(self, channel_ids: list[str], nodes: tuple[LocalNode, ...]) -> None:
        for node in nodes:
            for channel_id in channel_ids:
                await trio.to_thread.run_sync(_wait_open, node, channel_id)

    async def _call_all(
        self, calls: list[Call], in_flight: int, client: RpcClient | None = None
    ) -> list[Any]:
        answers = await (client or self.client).call_many(calls, in_flight_max=in_flight)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
        return answers

    def _cpu_s(self) -> tuple[float, float]:
        payer, payee = (process_cpu_s(n.child.process_id) for n in (self.alice, self.bob))
        return payer, payee


def _groups(calls: list[Call]) -> list[list[Call]]:
    return [calls[at : at + GROUP_COUNT] for at in range(0, len(calls), GROUP_COUNT)]


def _wait_open(node: LocalNode, channel_id: str) -> None:
    wait_until(f"{node.name}'s channel is open", partial(is_open, node, channel_id), 60.0)
