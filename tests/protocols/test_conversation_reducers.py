"""How a conversation changes: each fact counts its messages; what waits for an answer is known."""

from __future__ import annotations

import pytest

from protocols import events, payment_events
from protocols.types import amount_to_bytes, to_hex
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL
from tests.support.network import CoreNode, opened

ONE = b"\x01" * 32


def voucher(kind: type[events.Event]) -> events.Event:
    amount = amount_to_bytes(5)
    return kind(CHANNEL, ONE, amount, amount, bytes(65))


AMOUNT = amount_to_bytes(5)
PEER_ID = to_hex(BOB.address)
COUNTED: list[tuple[events.Event, int, int]] = [
    (voucher(events.VoucherIssued), 1, 0),
    (voucher(events.VoucherReceived), 0, 1),
    (events.VoucherResent(CHANNEL, ONE, AMOUNT), 1, 0),
    (payment_events.BatchSplit(CHANNEL, AMOUNT, 0, "", ONE), 0, 0),
    (payment_events.PaymentListed(CHANNEL, ONE, AMOUNT), 0, 0),
    (payment_events.VoucherTaken(CHANNEL, AMOUNT, AMOUNT, bytes(65)), 0, 0),
    (voucher(payment_events.VoucherCreated), 0, 0),
    (events.VoucherRefused(CHANNEL, BOB.address, ONE, AMOUNT, AMOUNT, "X", ""), 1, 1),
    (events.VoucherRefusalReceived(CHANNEL, BOB.address, ONE, AMOUNT, bytes(32), "X", ""), 0, 1),
    (events.ReceiptIssued(CHANNEL, AMOUNT, 0, ONE, bytes(65)), 1, 0),
    (events.ReceiptReceived(CHANNEL, AMOUNT, 0, ONE, bytes(65)), 0, 1),
    (events.MessageSent(ONE, PEER_ID, ONE, 10), 1, 0),
    (events.MessageReceived(ONE, PEER_ID, ONE, 10), 0, 1),
    (events.MessageDropped(PEER_ID, "why", "payload_invalid", 10), 0, 1),
    (events.PeerMisbehaved(BOB.address, "X", "why", 1), 0, 0),
    (events.PeerAcknowledged(BOB.address, 1), 0, 0),
    (events.MessageAcked(ONE, PEER_ID, 5), 0, 0),
]


@pytest.mark.parametrize(("fact", "sent", "received"), COUNTED, ids=lambda v: getattr(v, "NAME", v))
def test_every_fact_counts_the_messages_it_stands_for(
    fact: events.Event, sent: int, received: int
) -> None:
    alice = opened().alice
    before = alice.peer(BOB.address)
    alice.record(fact)
    after = alice.peer(BOB.address)
    assert (after.sent - before.sent, after.received - before.received) == (sent, received)


def test_faults_of_a_peer_are_counted() -> None:
    alice = CoreNode(ALICE)
    alice.record(events.MessageDropped(PEER_ID, "why", "payload_invalid", 10))
    alice.record(events.PeerMisbehaved(BOB.address, "X", "why", 1))
    assert alice.peer(BOB.address).fault_count == 2


def test_a_conversation_is_taken_up_where_the_peer_stands_and_never_lower() -> None:
    alice = CoreNode(ALICE)
    alice.lose_tail()
    alice.record(events.DeliveryResumed(BOB.address, 7, 0))
    peer = alice.peer(BOB.address)
    assert (peer.sent, peer.received, peer.resumed_cut, peer.gap_cut) == (7, 0, 1, 0)
    alice.record(events.DeliveryResumed(BOB.address, 2, 0))
    assert alice.peer(BOB.address).sent == 7


def test_a_gap_in_the_peers_numbers_is_made_good_apart_from_our_own_count() -> None:
    alice = CoreNode(ALICE)
    alice.lose_tail()
    alice.record(events.DeliveryResumed(BOB.address, 0, 9))
    peer = alice.peer(BOB.address)
    assert (peer.sent, peer.received, peer.resumed_cut, peer.gap_cut) == (0, 9, 0, 1)


def test_an_unreceipted_channel_is_known_until_its_receipt() -> None:
    bob = opened().bob
    bob.record(voucher(events.VoucherReceived))
    assert bob.state.unreceipted == {CHANNEL}
    bob.record(events.ReceiptIssued(CHANNEL, AMOUNT, 1, ONE, bytes(65)))
    assert bob.state.unreceipted == set()


def test_a_refused_channel_is_known_until_it_is_sent_again_or_receipted() -> None:
    refusal = events.VoucherRefusalReceived(CHANNEL, BOB.address, ONE, AMOUNT, bytes(32), "X", "")
    receipt = events.ReceiptReceived(CHANNEL, AMOUNT, 1, ONE, bytes(65))
    for end in (events.VoucherResent(CHANNEL, ONE, AMOUNT), receipt):
        alice = opened().alice
        alice.record(voucher(events.VoucherIssued))
        alice.record(refusal)
        assert alice.state.refused == {CHANNEL}
        alice.record(end)
        assert alice.state.refused == set()


def test_a_receipt_for_a_part_leaves_a_refusal_in_force() -> None:
    alice = opened().alice
    for total in (5, 10):
        fact = events.VoucherIssued(CHANNEL, ONE, AMOUNT, amount_to_bytes(total), bytes(65))
        alice.record(fact)
    alice.record(
        events.VoucherRefusalReceived(
            CHANNEL, BOB.address, ONE, amount_to_bytes(10), AMOUNT, "X", ""
        )
    )
    alice.record(events.ReceiptReceived(CHANNEL, AMOUNT, 1, ONE, bytes(65)))
    assert alice.state.refused == {CHANNEL}
