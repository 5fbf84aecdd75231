"""Requests: an order that is repeated is answered alike, and carried out once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.answers import Answer
from node.payment_answers import Paid
from protocols.error import ProtocolError
from protocols.types import Address
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.owner import Order
    from tests.simulation.simulator.world import World


class Requests(Checker):
    """By request id, over restarts."""

    name = "orders carried out once"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._paid: set[tuple[Address, str]] = set()

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if isinstance(event, Paid) and event.request_id:
                key = (step.node.address, event.request_id)
                self.require(key not in self._paid, "paid twice for one order", event.request_id)
                self._paid.add(key)

    def forgot(self, node: SimulatedNode) -> None:
        self._paid = {key for key in self._paid if key[0] != node.address}

    def answer_leaves(self, node: SimulatedNode, order: Order, answer: Answer) -> None:
        first = order.answer
        if first is None or node.forgot_count:
            return
        same = (first.seq, first.channel_id, first.payment_ids, first.payment_id) == (
            answer.seq,
            answer.channel_id,
            answer.payment_ids,
            answer.payment_id,
        )
        if order.step.kind != "take":
            self.require(same, "another answer to the same order", order.request_id)

    def refusal_leaves(self, node: SimulatedNode, order: Order, error: ProtocolError) -> None:
        # A message that was answered before it was judged may be refused when it is repeated.
        if not node.forgot_count and order.step.kind != "say":
            answered = order.answer is not None and order.step.until == "durable"
            self.require(not answered, "an answered order was refused", repr(error))
