"""The outbox: what was sent and not acknowledged is in it, and in the end it is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.store.kv import OUTBOX
from protocols.effects import message_key
from protocols.types import Address
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode


class Delivery(Checker):
    """Neither lost nor cleared by having been sent; drained when the faults are over."""

    name = "outbox"

    def stepped(self, step: Step) -> None:
        for family, key, _ in step.changed:
            if family == "peers":
                self._is_what_waits(step.node, key)

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        process = node.process
        assert process is not None
        for peer in list(process.state.peers):
            self._is_what_waits(node, peer)

    def _is_what_waits(self, node: SimulatedNode, peer: Address) -> None:
        process = node.process
        if process is None or node.forgot_count:
            return
        known = process.state.peer(peer)
        count = known.sent - known.acknowledged
        waiting = process.outbox.waiting_count(peer)
        self.require(waiting == count, "the outbox holds", node.actor.name, waiting, count)
        for sequence in range(known.acknowledged + 1, known.sent + 1):
            kept = node.disk.right_value(OUTBOX, message_key(peer, sequence))
            self.require(kept is not None, "sent, not acknowledged and not on the disk", sequence)

    def rested(self) -> None:
        for node in self.world.nodes:
            process = node.process
            if process is None or not node.is_honest:
                continue
            for peer in list(process.state.peers):
                other = self.world.by_address[peer]
                if other.is_honest and not other.is_gone:
                    count = process.outbox.waiting_count(peer)
                    self.require(count == 0, "not drained", node.actor.name, count)
            count = process.outbox.transaction_count
            self.require(count == 0, "orders to the chain not settled", node.actor.name, count)

    def ended(self) -> None:
        self.rested()
