"""Acknowledged means durable: what left a node is on its disk at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from node.answers import Answer
from node.store.kv import LOG, OUTBOX
from node.store.record import CHAIN_SIZE_BYTES, decode_record, seq_key
from protocols.effects import (
    BroadcastTransaction,
    Effect,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
    message_key,
    outbox_key,
)
from protocols.types import Address
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.owner import Order

_decode_effect = msgspec.msgpack.Decoder(Effect).decode


class Durability(Checker):
    """Messages, acknowledgements, answers and transactions; and nothing of them lost later."""

    name = "acknowledged means durable"

    def message_leaves(
        self, node: SimulatedNode, peer: Address, sequence: int, body: bytes
    ) -> None:
        value = node.disk.right_value(OUTBOX, message_key(peer, sequence))
        self.require(value is not None, "a message left that is not on the disk", peer, sequence)
        assert value is not None
        effect = _decode_effect(value)
        same = isinstance(effect, SendMessage) and effect.body == body
        self.require(same, "another message is on the disk than the one that left", peer, sequence)

    def effect_leaves(
        self,
        node: SimulatedNode,
        effect: SubmitTransaction | BroadcastTransaction | ReadHoldings,
    ) -> None:
        value = node.disk.right_value(OUTBOX, outbox_key(effect))
        self.require(value is not None, "an order to the chain left that is not on the disk")
        assert value is not None
        same = _decode_effect(value) == effect
        self.require(same, "another order is on the disk than the one that left")

    def acknowledgement_leaves(self, node: SimulatedNode, peer: Address, received: int) -> None:
        node.shadow.catch_up()
        durable = node.shadow.state.peer(peer).received
        self.require(durable >= received, "acknowledged and not on the disk", peer, received)

    def answer_leaves(self, node: SimulatedNode, order: Order, answer: Answer) -> None:
        value = node.disk.right_value(LOG, seq_key(answer.seq))
        self.require(value is not None, "answered and not on the disk", answer.seq)
        assert value is not None
        event = decode_record(value[CHAIN_SIZE_BYTES:]).event()
        if order.step.kind in ("pay", "voucher"):
            named = getattr(event, "payment_id", b"")
            self.require(named == answer.payment_id, "answered by another record", answer.seq)

    def stepped(self, step: Step) -> None:
        step.node.acknowledged_seq = step.node.shadow.next_seq

    def forgot(self, node: SimulatedNode) -> None:
        node.acknowledged_seq = 0

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        assert node.process is not None
        kept = node.process.log.next_seq
        self.require(
            kept >= node.acknowledged_seq,
            "records that were acknowledged are gone",
            kept,
            node.acknowledged_seq,
        )
