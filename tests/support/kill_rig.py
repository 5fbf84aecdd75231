"""Three daemons of which one at a time kills itself at a named point of its way, and is revived.

What is done meanwhile is a part of a channel's life (`kill_lives`).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio

from node.cli.demo_chain import transactions_of
from node.cli.demo_nodes import is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import close_ledgers, open_ledgers
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.deployment import balance_wei
from node.devnet import Devnet
from node.rpc.call import RpcError
from tests.support.e2e_rig import NODE_GONE, STEP_TIMEOUT_S, connected, pay, until

FEE = 7
PAYMENT_COUNT = 12
ROOM_WEI = 10**9
"""In a ledger that stands in for one that was left: far above what all channels over it hold."""


@dataclass
class Mortals:
    """alice, hub and bob on a chain, with ledgers between neighbours."""

    chain: Devnet
    nodes: list[LocalNode]
    ledgers: list[str]
    kill_count: int = 0
    life_count: int = 0
    gained: dict[str, int] = field(default_factory=dict)
    """By name: what the node must have more at the end than before, gas left out; wei."""

    @property
    def alice(self) -> LocalNode:
        return self.nodes[0]

    @property
    def bob(self) -> LocalNode:
        return self.nodes[-1]

    def named(self, name: str) -> LocalNode:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    @contextmanager
    def armed(self, name: str, fault: str) -> Iterator[None]:
        """The node dies when it passes the fault, if it does before the block ends."""
        before, victim = self.kill_count, self.named(name)
        self._arm(victim, fault)
        yield
        if self.kill_count == before:
            self._disarm(victim)

    def _arm(self, node: LocalNode, fault: str) -> None:
        until(
            f"{node.name}'s messages are acknowledged",
            lambda: not node.call("node_status")["outbox"]["message_count"],
        )
        self._restart(node, TALLY_FAULT=fault)

    def _disarm(self, node: LocalNode) -> None:
        """Start it again without the fault; what it writes as it stops may be where it dies."""
        code = node.stop()
        if code:
            assert code == -signal.SIGKILL, node.stderr_tail()
            self.kill_count += 1
        self._start(node)

    def _restart(self, node: LocalNode, **environment: str) -> None:
        assert node.stop() == 0
        self._start(node, **environment)

    def _start(self, node: LocalNode, **environment: str) -> None:
        try:
            node.start(**environment)
        except CommandFailed:
            self.revive()
        for left, right in pairwise(self.nodes):
            self.until("they are connected", partial(connected, left, right))

    def revive(self) -> None:
        """Start again who killed itself."""
        for node in self.nodes:
            code = node.child.exit_code
            if code is not None:
                assert code == -signal.SIGKILL, node.stderr_tail()
                self.kill_count += 1
                node.kill()  # it is dead; this closes its pipe
                node.start()

    def until(self, what: str, done: Callable[[], object]) -> None:
        """Wait, reviving whoever falls; a node that is gone or not ready yet is not done."""

        def tried() -> object:
            self.revive()
            try:
                return done()
            except NODE_GONE:
                return False
            except RpcError as refusal:
                if not refusal.retry_safe:
                    raise
                return False

        until(what, tried)

    def call(self, node: LocalNode, method: str, /, **params: Any) -> Any:
        """One call, repeated under its request id until the node lives to answer it."""
        answers: list[Any] = []
        self.until(
            f"{method} is answered", lambda: answers.append(node.call(method, **params)) or 1
        )
        return answers[-1]

    def pay(self, channel_id: str) -> None:
        """Alice's payments, those without an answer again and again."""
        acknowledged: dict[int, dict[str, Any]] = {}

        async def work() -> None:
            with trio.fail_after(STEP_TIMEOUT_S):
                while len(acknowledged) < PAYMENT_COUNT:
                    self.revive()
                    try:
                        await pay(self.alice, channel_id, range(PAYMENT_COUNT), acknowledged)
                    except NODE_GONE:
                        await trio.sleep(0.02)

        async def supervised() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_alive)
                await work()
                nursery.cancel_scope.cancel()

        trio.run(supervised)

    async def _keep_alive(self) -> None:
        while True:
            # In this very thread: the kernel ends a child with the thread that started it.
            self.revive()
            await trio.sleep(0.02)

    def open_room(self, left: LocalNode, right: LocalNode, name: str) -> str:
        """A ledger like that of the beginning between two neighbours, for channels over it."""
        terms = {"amount": str(ROOM_WEI), "request_id": name}
        opened = self.call(left, "ledger_open", counterparty=right.address, **terms)
        ledger_id = str(opened["channel_id"])
        for node in (left, right):
            self.until(f"{node.name}'s ledger is open", partial(is_open, node, ledger_id))
        return ledger_id

    def gain(self, **amounts: int) -> None:
        """What a life moves between the nodes."""
        for name, amount in amounts.items():
            self.gained[name] = self.gained.get(name, 0) + amount


@contextmanager
def mortals(workspace: Path, life_count_max: int) -> Iterator[Mortals]:
    """Three daemons; at the end everything is closed and the chain has paid what was agreed."""
    names = names_on_path(1)
    with (
        demo_progress(quiet=True) as progress,
        running_path(workspace, progress, names, hub_fee=FEE, fault_points=True) as (chain, nodes),
    ):
        before = {node.name: balance_wei(chain.url, node.address) for node in nodes}
        room = DemoPlan(channel_count=life_count_max)
        world = Mortals(chain, nodes, open_ledgers(nodes, room, NATIVE))
        yield world
        close_ledgers(nodes, world.ledgers)
        assert [node.stop() for node in nodes] == [0] * len(nodes)
        spent = transactions_of(chain.url, [node.address for node in nodes], 0)
        for node in nodes:
            gas = sum(t.cost_wei for t in spent if t.sender == node.address.lower())
            now = balance_wei(chain.url, node.address)
            assert now - before[node.name] + gas == world.gained.get(node.name, 0), node.name
