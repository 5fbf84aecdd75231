"""The owners: they order, wait for an answer, and order again when none came or it was no.

An owner knows what she was answered and nothing else. A command that was not answered before the
node died she repeats, with the same request id, as the manual says.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.answers import Answer, Until
from protocols import commands, inputs
from protocols.crypto import keccak256
from protocols.error import ProtocolError
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.types import ZERO_ADDRESS, ChannelId
from tests.simulation.simulator.plan import DEPOSIT, DIRECT, LEDGER, VIRTUAL_AMOUNT, Step
from tests.simulation.simulator.players import opening_of_app, saying
from tests.simulation.simulator.process import HUB_FEE, TOKEN, Process

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.world import World

DURATION_S = 86_400
RETRY_MS = 2_000
TRY_COUNT_MAX = 15
"""Refusals and missing channels after which an owner gives an order up."""
APPROVAL_MS = 1_500
"""How often an owner looks at what waits for her word."""


class Order:
    """One step of the plan under way."""

    def __init__(self, number: int, step: Step) -> None:
        self.step = step
        self.request_id = f"r{number}"
        self.entropy = number.to_bytes(4, "big")
        self.command: inputs.Input | None = None
        """Built once; what is repeated is the very same."""
        self.asked: Process | None = None
        """Who was asked last and has not answered."""
        self.answer: Answer | None = None
        self.is_given_up = False
        self.try_count = 0
        self.repeats_left = int(step.repeats)

    @property
    def is_over(self) -> bool:
        return self.is_given_up or (self.answer is not None and self.repeats_left == 0)


class Owners:
    """Everybody's."""

    def __init__(self, world: World) -> None:
        self._world = world
        steps = [step for step in world.plan.steps if step.kind != "steal"]
        self.orders = [Order(number, step) for number, step in enumerate(steps, 1)]
        self.channels: dict[str, ChannelId] = {}
        """By name in the plan: what was opened under it."""
        self.ends: dict[str, tuple[int, ...]] = {}
        for order in self.orders:
            world.schedule.after(order.step.at_ms, partial(self._attempt, order))
        if world.plan.asks:
            world.schedule.after(APPROVAL_MS, self._approve)

    def are_idle(self, *, patient: bool) -> bool:
        """Whether nobody wants anything more; who is not `patient` stops waiting for others."""
        return all(
            order.is_over
            or (not patient and order.asked is not None)
            or self._world.nodes[order.step.who].is_gone
            for order in self.orders
        )

    def add(self, step: Step) -> Order:
        """One more order, at once: to bring everything to its end."""
        order = Order(1_000 + len(self.orders), step)
        self.orders.append(order)
        self._attempt(order)
        return order

    def _attempt(self, order: Order) -> None:
        """Order it, or see what became of it; again a moment later until it is over."""
        node = self._world.nodes[order.step.who]
        if order.is_over or node.is_gone:
            return
        process = node.process
        if process is not None and order.asked is not process:
            self._ask(order, node, process)
        if not order.is_over:
            self._world.schedule.after(RETRY_MS, partial(self._attempt, order))

    def _ask(self, order: Order, node: SimulatedNode, process: Process) -> None:
        order.command = order.command or self._command(order, process)
        if order.command is None:
            self._count(order)
            return
        until: Until = order.step.until  # type: ignore[assignment]
        done = partial(self._told, order, node, process)
        order.asked = process
        if process.engine.command_then(order.command, until, done):
            process.plan_turn()

    def _count(self, order: Order) -> None:
        order.try_count += 1
        order.is_given_up = order.try_count > TRY_COUNT_MAX

    def _told(
        self, order: Order, node: SimulatedNode, process: Process, answer: Answer | ProtocolError
    ) -> None:
        order.asked = None
        if isinstance(answer, ProtocolError):
            self._world.refusal_leaves(node, order, answer)
            self._count(order)
            # What a reducer said no to it says no to again, and what is over stays over.
            order.is_given_up |= order.step.kind == "say" and not answer.retry_safe
            return
        self._world.answer_leaves(node, order, answer)
        if order.answer is not None:
            order.repeats_left = 0
            return
        order.answer = answer
        if order.step.kind == "open":
            self.channels[order.step.name] = answer.channel_id
        if order.step.kind == "voucher":
            self._hand_over(order, answer)

    def _hand_over(self, order: Order, answer: Answer) -> None:
        """The payer's owner gives the voucher to the payee's, who shows it to the payee's node."""
        payee = self._path(order.step.name)[-1]
        world, taking = self._world, Order(5_000 + len(self.orders), order.step)
        taking.step = Step(0, "take", order.step.name, payee)
        taking.command = commands.TakeVoucher(
            answer.channel_id, answer.total, answer.signature, taking.request_id
        )
        self.orders.append(taking)
        world.schedule.after(RETRY_MS, partial(self._attempt, taking))

    def _path(self, name: str) -> tuple[int, ...]:
        return next(s.path for s in self._world.plan.steps if s.kind == "open" and s.name == name)

    def _command(self, order: Order, process: Process) -> inputs.Input | None:
        """What is ordered; None while the channel it is about was not opened, or its game is at
        somebody else's move."""
        step = order.step
        if step.kind == "open":
            return self._opening(order)
        channel_id = self.channels.get(step.name)
        if channel_id is None:
            return None
        if step.kind == "say":
            channel = process.state.channels.get(channel_id)
            node = self._world.nodes[step.who]
            return None if channel is None else saying(step, node, channel, order.request_id)
        payment_id = keccak256(order.request_id.encode())
        request_id = order.request_id
        match step.kind:
            case "pay":
                amount = step.amounts[0]
                return commands.SendPayment(channel_id, amount, payment_id, "", request_id)
            case "batch":
                memos = ("",) * len(step.amounts)
                prefix = payment_id[:28]
                return commands.SendBatch(
                    channel_id, step.amounts, memos, prefix, request_id=request_id
                )
            case "voucher":
                amount = step.amounts[0]
                return commands.CreateVoucher(channel_id, amount, payment_id, "", request_id)
            case "move":
                return commands.PayLedger(channel_id, step.amounts[0], request_id)
            case "reject":
                identity = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
                return commands.RejectObjective(identity, "changed her mind", request_id)
            case "exit":
                return commands.ExitChannel(channel_id, request_id)
            case "challenge":
                return commands.ChallengeChannel(channel_id, request_id)
        return commands.CloseChannel(channel_id, request_id)

    def _opening(self, order: Order) -> inputs.Input:
        step, world = order.step, self._world
        asset = TOKEN if world.plan.has_token else ZERO_ADDRESS
        path = tuple(world.nodes[place].address for place in step.path[1:])
        leaving = world.plan.leaving
        duration_s = DURATION_S if leaving is None else leaving.duration_s
        common = (duration_s, order.entropy, order.request_id)
        if step.app:
            names = (order.entropy, order.request_id)
            return opening_of_app(step, path, asset, duration_s, names)
        if step.channel == DIRECT:
            return commands.OpenChannel(path[-1], asset, DEPOSIT, 0, *common)
        if step.channel == LEDGER:
            return commands.OpenLedger(path[-1], asset, DEPOSIT, DEPOSIT, *common)
        fees = (HUB_FEE,) * (len(path) - 1)
        return commands.OpenVirtual(path, asset, VIRTUAL_AMOUNT, fees, *common)

    def _approve(self) -> None:
        """Owners say yes to whatever was proposed."""
        world = self._world
        for node in world.nodes:
            process = node.process
            if process is None:
                continue
            for identity in list(process.state.unapproved):
                if process.state.objectives[identity].status == ObjectiveStatus.UNAPPROVED:
                    approval = commands.ApproveObjective(identity)
                    process.engine.command_then(approval, "durable", lambda answer: None)
                    process.plan_turn()
        world.schedule.after(APPROVAL_MS, self._approve)
