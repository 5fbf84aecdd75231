"""Three daemons of which one at a time kills itself at a named point of its way, and is revived.

What is done meanwhile is one part of a channel's life: opening, paying or closing, of a direct
channel, a virtual one over the hub, or a ledger.
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
from node.cli.demo_nodes import is_at_rest, is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import close_ledgers, open_ledgers
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.deployment import balance_wei
from node.devnet import Devnet
from node.rpc.call import RpcError
from tests.support.e2e_rig import NODE_GONE, STEP_TIMEOUT_S, connected, paid, pay, until

FEE = 7
AMOUNT = 10_000
PAYMENT_COUNT = 12
KINDS = ("direct", "virtual", "ledger")
PHASES = ("opening", "paying", "closing")


@dataclass(frozen=True)
class Kill:
    """Who dies when it passes a point for the k-th time, in which part of which life."""

    kind: str
    phase: str
    who: str
    point: str
    count: int

    def __str__(self) -> str:
        return f"{self.kind} {self.phase}: {self.who} at {self.point}:{self.count}"


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

    def live(self, kill: Kill) -> bool:
        """One channel's whole life with the kill in its phase; whether anybody was killed."""
        self.life_count += 1
        before = self.kill_count
        life = Life(self, kill.kind, f"{self.life_count} {kill}")
        victim = self.named(kill.who)
        for phase in PHASES:
            if phase == kill.phase:
                self._arm(victim, f"{kill.point}:{kill.count}")
            getattr(life, phase)()
        if self.kill_count == before:
            self._disarm(victim)
        return self.kill_count > before

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

    def gain(self, **amounts: int) -> None:
        """What a life moves between the nodes."""
        for name, amount in amounts.items():
            self.gained[name] = self.gained.get(name, 0) + amount


@dataclass
class Life:
    """One channel from its opening to its end."""

    mortals: Mortals
    kind: str
    name: str
    """Begins every request id, so that a call that is repeated is one."""
    channel_id: str = ""

    @property
    def parties(self) -> list[LocalNode]:
        """Who has a part in the channel."""
        nodes = self.mortals.nodes
        return nodes if self.kind == "virtual" else [nodes[0], nodes[-1]]

    def opening(self) -> None:
        """From the call until everybody holds it to be open."""
        world = self.mortals
        terms: dict[str, Any] = {"amount": str(AMOUNT), "request_id": f"open {self.name}"}
        if self.kind == "virtual":
            terms |= {"path": [node.address for node in world.nodes[1:]], "fees": [str(FEE)]}
        else:
            terms["counterparty"] = world.bob.address
        method = "ledger_open" if self.kind == "ledger" else "channel_open"
        self.channel_id = str(world.call(world.alice, method, **terms)["channel_id"])
        for node in self.parties:
            world.until(f"{node.name} has it open", partial(is_open, node, self.channel_id))

    def paying(self) -> None:
        """Alice pays `PAYMENT_COUNT` times."""
        world = self.mortals
        if self.kind != "ledger":
            world.pay(self.channel_id)
        else:
            for number in range(PAYMENT_COUNT):
                named = {"channel_id": self.channel_id, "request_id": f"pay {number} {self.name}"}
                world.call(world.alice, "ledger_pay", amount=str(number + 1), **named)
            for node in self.parties:
                world.until("all of it is agreed", partial(self._is_agreed, node))
        fee = FEE if self.kind == "virtual" else 0
        world.gain(alice=-paid(PAYMENT_COUNT) - fee, hub=fee, bob=paid(PAYMENT_COUNT))

    def _is_agreed(self, node: LocalNode) -> bool:
        ledger = node.call("channel_get", channel_id=self.channel_id)["ledger"]
        left = AMOUNT - paid(PAYMENT_COUNT)
        expected = left if node is self.mortals.alice else paid(PAYMENT_COUNT)
        return int(ledger["balance"]) == expected and not ledger["update_count"]

    def closing(self) -> None:
        """Bob closes, until everybody has settled; both hold the same to be paid."""
        world = self.mortals
        named = {"channel_id": self.channel_id, "request_id": f"close {self.name}"}
        world.call(world.bob, "channel_close", **named)
        for node in self.parties:
            world.until(f"{node.name} has settled", partial(is_at_rest, node, self.channel_id))
        if self.kind != "ledger":
            for node in (world.alice, world.bob):
                view = world.call(node, "channel_get", channel_id=self.channel_id)
                assert view["paid"] == view["receipted"] == str(paid(PAYMENT_COUNT))


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
