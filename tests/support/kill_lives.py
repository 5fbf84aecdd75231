"""The lives of channels during which daemons are killed: each is parts, one after the other.

Closed together: a direct channel, a virtual one over the hub, a ledger. Left alone: a ledger by its
payer; a virtual channel by its payee, once with the ledgers kept and once with the payee's ledger.
And a ledger that goes on after somebody challenged it with what was long outdated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from node.cli.demo_nodes import is_at_rest, is_open
from node.cli.local_node import LocalNode
from tests.support.e2e_rig import paid
from tests.support.kill_rig import FEE, PAYMENT_COUNT, Mortals
from tests.support.old_states import challenge_with_old_state, pass_time

AMOUNT = 10_000
DURATION_S = 86_400
"""As channels are opened by default."""
TOGETHER = ("opening", "paying", "closing")
ALONE = ("opening", "paying", "leaving")
LIVES = {
    "direct": TOGETHER,
    "virtual": TOGETHER,
    "ledger": TOGETHER,
    "answered ledger": ("opening", "paying", "answering", "closing"),
    "left ledger": ALONE,
    "left virtual": ALONE,
    "left path": ALONE,
}
"""Kinds of lives, and the parts of each."""
OWN_PARTS = {
    **{kind: LIVES[kind] for kind in ("direct", "virtual", "ledger")},
    "answered ledger": ("answering",),
    **dict.fromkeys(("left ledger", "left virtual", "left path"), ("leaving",)),
}
"""Those that no other kind has: what comes before and after is a part of another's life."""
ON_CHAIN_ALONE = (("answered ledger", "answering"), ("left ledger", "leaving"))
"""Kinds and parts in which nobody has to send a peer anything."""


@dataclass(frozen=True)
class Kill:
    """Who dies when it passes a point for the k-th time, in which part of a life."""

    part: str
    who: str
    point: str
    count: int

    def __str__(self) -> str:
        return f"{self.part}: {self.who} at {self.point}:{self.count}"


def is_carried(kind: str) -> bool:
    """Whether the hub has a part in it."""
    return kind in ("virtual", "left virtual", "left path")


def names_in(kind: str, part: str) -> tuple[str, ...]:
    """Who has a part in it. Payments pass between the ends alone."""
    has_hub = is_carried(kind) and part != "paying"
    return ("alice", "hub", "bob") if has_hub else ("alice", "bob")


def live(world: Mortals, kind: str, kills: Sequence[Kill]) -> bool:
    """One channel's whole life, a kill at most in each part; whether anybody was killed."""
    world.life_count += 1
    planned = {kill.part: kill for kill in kills}
    life = Life(world, kind, f"{world.life_count} {kind}")
    before = world.kill_count
    for part in LIVES[kind]:
        kill = planned.get(part)
        if kill is None:
            getattr(life, part)()
        else:
            with world.armed(kill.who, f"{kill.point}:{kill.count}"):
                getattr(life, part)()
    was_killed = world.kill_count > before
    if kind == "left path":
        world.ledgers[-1] = world.open_room(*world.nodes[1:], f"replace {life.name}")
    return was_killed


@dataclass
class Life:
    """One channel from its opening to its end."""

    mortals: Mortals
    kind: str
    name: str
    """Begins every request id, so that a call that is repeated is one."""
    channel_id: str = ""

    @property
    def is_ledger(self) -> bool:
        """A ledger, not a payment channel."""
        return self.kind.endswith("ledger")

    @property
    def parties(self) -> list[LocalNode]:
        """Who has a part in the channel."""
        nodes = self.mortals.nodes
        return nodes if is_carried(self.kind) else [nodes[0], nodes[-1]]

    def opening(self) -> None:
        """From the call until everybody holds it to be open."""
        world = self.mortals
        terms: dict[str, Any] = {"amount": str(AMOUNT), "request_id": f"open {self.name}"}
        if is_carried(self.kind):
            terms |= {"path": [node.address for node in world.nodes[1:]], "fees": [str(FEE)]}
        else:
            terms["counterparty"] = world.bob.address
        method = "ledger_open" if self.is_ledger else "channel_open"
        self.channel_id = str(world.call(world.alice, method, **terms)["channel_id"])
        for node in self.parties:
            world.until(f"{node.name} has it open", partial(is_open, node, self.channel_id))

    def paying(self) -> None:
        """Alice pays `PAYMENT_COUNT` times."""
        world = self.mortals
        if not self.is_ledger:
            world.pay(self.channel_id)
        else:
            for number in range(PAYMENT_COUNT):
                named = {"channel_id": self.channel_id, "request_id": f"pay {number} {self.name}"}
                world.call(world.alice, "ledger_pay", amount=str(number + 1), **named)
            for node in self.parties:
                world.until("all of it is agreed", partial(self._is_agreed, node))
        fee = FEE if is_carried(self.kind) else 0
        world.gain(alice=-paid(PAYMENT_COUNT) - fee, hub=fee, bob=paid(PAYMENT_COUNT))

    def _is_agreed(self, node: LocalNode) -> bool:
        ledger = node.call("channel_get", channel_id=self.channel_id)["ledger"]
        left = AMOUNT - paid(PAYMENT_COUNT)
        expected = left if node is self.mortals.alice else paid(PAYMENT_COUNT)
        return int(ledger["balance"]) == expected and not ledger["update_count"]

    def closing(self) -> None:
        """Bob closes, until everybody has settled; both hold the same to be paid."""
        world = self.mortals
        world.call(world.bob, "channel_close", **self._named("close", self.channel_id))
        self._settle()

    def answering(self) -> None:
        """What alice signed first is on chain, until somebody answered and all goes on."""
        world = self.mortals
        challenge_with_old_state(world, world.alice, self.channel_id)
        world.until("it is seen", lambda: any(map(self._has_defended, self.parties)))
        block_num = int(world.chain.call("eth_blockNumber"), 16)
        for node in self.parties:
            world.until(f"{node.name} goes on", partial(self._goes_on, node, block_num))

    def _has_defended(self, node: LocalNode) -> bool:
        found = [o for o in self._objectives(node) if o["objective_type"] == "Defend"]
        return any(o["status"] == "completed" for o in found)

    def _goes_on(self, node: LocalNode, block_num: int) -> bool:
        seen = node.call("node_status")["chain"]["processed_block_num"]
        if seen is None or seen < block_num:
            return False
        is_idle = all(o["status"] == "completed" for o in self._objectives(node))
        return is_idle and is_open(node, self.channel_id)

    def _objectives(self, node: LocalNode) -> list[dict[str, Any]]:
        listed = node.call("objective_list")["objectives"]
        return [o for o in listed if o["channel_id"] == self.channel_id]

    def leaving(self) -> None:
        """Its owner leaves with one call; time passes; everybody is paid, whoever left."""
        world = self.mortals
        who = world.alice if self.is_ledger else world.bob
        left = world.ledgers[-1] if self.kind == "left path" else self.channel_id
        world.call(who, "channel_exit", **self._named("exit", left))
        waited: set[str] = set()

        def is_over(node: LocalNode, channel_id: str) -> bool:
            self._let_challenges_expire(who, waited)
            return is_at_rest(node, channel_id)

        self._settle(is_over)
        if left != self.channel_id:
            for node in world.nodes[1:]:
                world.until(f"{node.name} is paid out", partial(is_over, node, left))

    def _let_challenges_expire(self, who: LocalNode, waited: set[str]) -> None:
        """Time passes once all that is to be challenged stands, and again for what stands anew.

        Whoever leads a ledger may have cleared a challenge with what it was given before that.
        """
        listed = who.call("objective_list")["objectives"]
        under_way = {
            o["objective_id"]: o["waiting_for"]
            for o in listed
            if o["objective_type"] == "Challenge" and o["status"] != "completed"
        }
        new = under_way.keys() - waited
        if new and set(under_way.values()) == {"challenge-expiry"}:
            waited |= new
            pass_time(self.mortals.chain, DURATION_S + 1)

    def _settle(self, is_over: Callable[[LocalNode, str], bool] = is_at_rest) -> None:
        world = self.mortals
        for node in self.parties:
            world.until(f"{node.name} has settled", partial(is_over, node, self.channel_id))
        if not self.is_ledger:
            for node in (world.alice, world.bob):
                view = world.call(node, "channel_get", channel_id=self.channel_id)
                assert view["paid"] == view["receipted"] == str(paid(PAYMENT_COUNT))

    def _named(self, what: str, channel_id: str) -> dict[str, str]:
        return {"channel_id": channel_id, "request_id": f"{what} {self.name}"}
