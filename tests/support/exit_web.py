"""A row of nodes with a model of the chain behind it: who is there acts, the others are gone."""

from __future__ import annotations

from collections.abc import Callable

from protocols import commands, inputs
from protocols.types import ChannelId
from tests.support.builders import DURATION_S
from tests.support.model_chain import ModelChain
from tests.support.network import CoreNode
from tests.support.web import BALANCE, Web, WebNode

STEP_COUNT_MAX = 120
"""Far more blocks than any exit takes."""


class ExitWeb(Web):
    """A web whose ledgers' money lies on a chain."""

    def __init__(
        self,
        hop_count: int,
        depth: int = 2,
        *,
        right_leads: frozenset[int] = frozenset(),
        chain_type: type[ModelChain] = ModelChain,
    ) -> None:
        super().__init__(hop_count, right_leads=right_leads)
        self.chain = chain_type(self.nodes, depth)
        for ledger_id in self.ledgers:
            self.chain.held[ledger_id] = 2 * BALANCE
        for _ in range(depth + 10):
            # The ledgers' recorded deposits are in blocks of their own: ours come above them.
            self.chain.mine()
        for node in self.row:
            self.chain.feeds[node.actor.address].clear()

    def work_on_chain(self, node: CoreNode) -> bool:
        """Its orders are signed, its transactions broadcast."""
        orders, node.submissions = node.submissions, []
        for order in orders:
            self.chain.sign(node.actor.address, order)
        broadcasts, node.broadcasts = node.broadcasts, []
        for signed in broadcasts:
            self.chain.broadcast(signed)
        asked, node.readings = node.readings, []
        for question in asked:
            self.chain.read(node.actor.address, question)
        return bool(orders or broadcasts or asked)

    def hear_of_chain(self, node: CoreNode) -> bool:
        """The node takes in the next chain fact; False if there is none."""
        feed = self.chain.feeds[node.actor.address]
        if not feed:
            return False
        node.feed(feed.pop(0))
        return True

    def step(self, *present: WebNode) -> None:
        """One block, ten seconds; those who are there speak with each other and with the chain."""
        for node in present:
            self.work_on_chain(node)
        self.chain.mine()
        for node in present:
            while self.hear_of_chain(node):
                self.work_on_chain(node)
            node.now_ms += 10_000
            node.feed(inputs.Tick())
            self.work_on_chain(node)
        away = {node.actor.address for node in self.row if node not in present}
        for node in self.row:
            for address in away:
                # What is said to who is gone waits; who is gone says nothing.
                node.outbox.pop(address, None)
            if node not in present:
                node.outbox.clear()
        self.settle(without=frozenset(away))

    def opened(self, paid: int = 0, amount: int = 1_000) -> ChannelId:
        """A channel over the whole row, open, with one payment if there is one."""
        channel_id = self.open(amount)
        self.settle()
        if paid:
            self.payer.feed(commands.SendPayment(channel_id, paid, b"\x01" * 32))
            self.settle()
        return channel_id

    def run(self, present: list[WebNode], done: Callable[[], bool]) -> None:
        """Those who are there go on until then; every challenge that nobody answers runs out."""
        stood: set[ChannelId] = set()
        for _ in range(STEP_COUNT_MAX):
            if done():
                return
            self.step(*present)
            kept = self.chain.disputes.kept
            running = {known for known in kept if kept[known].finalizes_at > self.chain.time_s}
            if running - stood:
                # Whoever is there has time to answer.
                for _ in range(4):
                    self.step(*present)
                stood |= running
                self.chain.pass_time(DURATION_S)
        raise AssertionError("it never came to that")
