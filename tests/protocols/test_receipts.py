"""Receipts: the payee's signature over what it accepted, kept by the payer, never taken twice."""

from __future__ import annotations

import pytest

from protocols import commands, inputs, messages
from protocols.crypto import merkle_root, payment_leaf
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveType
from protocols.receipts import root_of
from protocols.types import amount_to_bytes
from protocols.voucher import NO_PAYMENTS_ROOT, receipt_hash
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import CHANNEL
from tests.support.network import CoreNode, Network, Said, opened, pay
from tests.support.playbook import Playbook, names


def receipt(total: int, count: int, root: bytes, by: Actor = BOB) -> messages.Receipt:
    signature = by.signer(receipt_hash(CHANNEL, total, root))
    return messages.Receipt(CHANNEL, amount_to_bytes(total), count, root, signature)


def three_payments() -> Network:
    network = opened()
    for number in (1, 2, 3):
        pay(network, 10, number)
    return network


def root_over(*numbers: int) -> bytes:
    return merkle_root([payment_leaf(n.to_bytes(32, "big"), 10) for n in numbers])


def test_one_receipt_covers_all_payments_of_a_batch_by_their_root() -> None:
    network = three_payments()
    for index in range(3):
        network.deliver(network.alice, index)
    result = network.bob.feed(inputs.EndOfBatch())
    assert names(result) == ["receipt-issued", "send Receipt"]
    body = messages.decode_body(network.bob.outbox[ALICE.address][-1].body)
    assert body == receipt(30, 3, root_over(1, 2, 3))
    assert BOB.known.verify(
        receipt_hash(CHANNEL, 30, root_over(1, 2, 3)), getattr(body, "signature", b"")
    )


def test_the_payer_takes_receipts_batch_by_batch() -> None:
    alice = three_payments().alice
    assert Playbook(alice) >> Said(BOB, receipt(20, 2, root_over(1, 2))) << "receipt-received"
    vouchers = alice.channel().vouchers
    assert (vouchers.receipted_total, vouchers.receipted_count) == (20, 2)
    assert root_of(vouchers.pending) == root_over(3)
    assert Playbook(alice) >> Said(BOB, receipt(30, 1, root_over(3))) << "receipt-received"
    assert alice.channel().vouchers.pending == ()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (receipt(30, 0, root_over(1, 2, 3)), "root is over other payments"),
        (receipt(25, 0, NO_PAYMENTS_ROOT), "does not end with a payment"),
        (receipt(30, 3, NO_PAYMENTS_ROOT), "root is over other payments"),
        (receipt(30, 4, root_over(1, 2, 3)), "does not end with a payment"),
        (receipt(30, 2, root_over(1, 2)), "does not end with a payment"),
        (receipt(25, 2, root_over(1, 2)), "does not end with a payment"),
        (receipt(20, 2, root_over(2, 1)), "root is over other payments"),
        (receipt(20, 2, root_over(1, 3)), "root is over other payments"),
        (receipt(30, 3, root_over(1, 2, 3), by=IRENE), "not signed by the payee"),
        (receipt(30, 3, root_over(1, 2, 3), by=ALICE), "not signed by the payee"),
    ],
)
def test_a_wrong_receipt_is_dropped(body: messages.Receipt, reason: str) -> None:
    alice = three_payments().alice
    before = alice.channel()
    assert names(alice.feed(Said(BOB, body))) == ["message-dropped"]
    dropped = alice.log[-1][1]
    assert isinstance(dropped, MessageDropped)
    assert reason in dropped.reason
    assert alice.channel() == before


@pytest.mark.parametrize(("side", "by"), [("alice", IRENE), ("bob", ALICE)])
def test_only_the_payee_gives_receipts(side: str, by: Actor) -> None:
    node: CoreNode = getattr(three_payments(), side)
    result = node.feed(Said(by, receipt(30, 3, root_over(1, 2, 3), by=by)))
    assert names(result) == ["message-dropped"]
    assert "UNKNOWN_CHANNEL" in node.events_of("message-dropped")[0].reason


def test_a_receipt_is_not_taken_twice() -> None:
    alice = three_payments().alice
    alice.feed(Said(BOB, receipt(30, 3, root_over(1, 2, 3))))
    alice.feed(Said(BOB, receipt(30, 3, root_over(1, 2, 3))))
    assert alice.channel().vouchers.receipted_count == 3
    assert len(alice.events_of("message-dropped")) == 1


def test_receipts_still_come_when_the_channel_is_closing() -> None:
    network = three_payments()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    assert network.alice.channel().vouchers.receipted_total == 30
    assert network.alice.objective(ObjectiveType.DIRECT_DEFUND).success
