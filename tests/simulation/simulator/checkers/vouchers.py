"""Vouchers: each payment counts once, and nobody signs for what was not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols import events, payment_events
from protocols.channel import Channel, funding_terms, known_signer, supported_final
from protocols.event import Event
from protocols.types import Address, ChannelId, PaymentId, amount_from_bytes
from protocols.voucher import verify_voucher
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.world import World

CREDITED = (events.VoucherReceived, payment_events.PaymentListed)
Key = tuple[Address, ChannelId]


class Vouchers(Checker):
    """Both sides of every payment channel, from their records."""

    name = "vouchers"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._payments: dict[Key, set[PaymentId]] = {}
        self._sums: dict[Key, int] = {}
        """What the payee credited, payment by payment."""
        self._taken: dict[Key, int] = {}
        """The same with vouchers from hand to hand: what it may sign for."""
        self._verified: dict[Key, int] = {}

    def forgot(self, node: SimulatedNode) -> None:
        for known in (self._payments, self._sums, self._taken, self._verified):
            for key in [key for key in known if key[0] == node.address]:
                del known[key]  # type: ignore[attr-defined]

    def stepped(self, step: Step) -> None:
        if not step.node.is_honest:
            return
        for _, event in step.news:
            self._credited(step.node, event)
        for channel in step.channels:
            is_paid_in = channel.ledger is None and channel.app is None
            if is_paid_in and channel.is_end and channel.turns:
                self._sides(step.node, channel)

    def _credited(self, node: SimulatedNode, event: Event) -> None:
        if isinstance(event, CREDITED):
            channel = node.state.channels[event.channel_id]
            if channel.my_index == 0:
                return
            key = (node.address, event.channel_id)
            known = self._payments.setdefault(key, set())
            self.require(event.payment_id not in known, "credited twice", event.payment_id)
            known.add(event.payment_id)
            self._sums[key] = self._sums.get(key, 0) + amount_from_bytes(event.amount)
        elif isinstance(event, payment_events.VoucherTaken):
            key = (node.address, event.channel_id)
            self._sums[key] = self._sums.get(key, 0) + amount_from_bytes(event.amount)

    def _sides(self, node: SimulatedNode, channel: Channel) -> None:
        vouchers, deposit = channel.vouchers, funding_terms(channel).total
        in_order = 0 <= vouchers.receipted_total <= vouchers.total <= deposit
        self.require(in_order, "receipts, payments and deposit out of order", channel.channel_id)
        self._signed(node, channel)
        payee, payer = channel.fixed.participants[-1], channel.fixed.participants[0]
        if channel.my_index and not node.cut_count:
            credited = self._sums.get((node.address, channel.channel_id), 0)
            self.require(
                vouchers.total == credited, "accepted and credited", vouchers.total, credited
            )
        ends = [self.world.by_address[who] for who in (payer, payee)]
        if not all(end.is_honest and not end.forgot_count for end in ends):
            return
        known = [end.state.channels.get(channel.channel_id) for end in ends]
        paying, paid = known
        if paying is None or paid is None:
            return
        self.require(paid.vouchers.total <= paying.vouchers.total, "accepted more than was issued")
        self.require(
            paying.vouchers.receipted_total <= paid.vouchers.total,
            "a receipt for what was not taken",
        )
        final = supported_final(channel)
        if final is not None:
            share = channel.state(final).outcome[0].allocations[1].amount
            fits = paid.vouchers.total <= share <= paying.vouchers.total
            self.require(fits, "a final state pays", share, paid.vouchers.total)

    def _signed(self, node: SimulatedNode, channel: Channel) -> None:
        vouchers, key = channel.vouchers, (node.address, channel.channel_id)
        if not vouchers.signature or self._verified.get(key) == vouchers.total:
            return
        self._verified[key] = vouchers.total
        signer = known_signer(channel, 0)
        assert signer is not None
        fits = verify_voucher(channel.channel_id, vouchers.total, vouchers.signature, signer)
        self.require(fits, "a voucher its payer did not sign", channel.channel_id, vouchers.total)
