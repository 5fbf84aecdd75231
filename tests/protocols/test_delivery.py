"""Delivery: numbers that are counts, and what an acknowledgement covers."""

from __future__ import annotations

import pytest

from protocols import messages
from protocols.crypto import keccak256
from protocols.delivery import (
    Peer,
    PendingMessage,
    is_objective_message,
    message_id,
    with_acknowledged,
    with_fault,
    with_received,
    with_sent,
    with_sent_message,
    without_pending,
)
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, final_request, payment, proposal, signed, state

FRESH = Peer(BOB.address)
ONE, TWO = b"\x01" * 32, b"\x02" * 32


def test_every_sent_message_takes_the_next_number() -> None:
    peer = with_sent_message(with_sent(with_sent_message(FRESH, ONE, 5)), TWO, 9)
    assert peer.sent == 3
    assert peer.pending == (PendingMessage(1, ONE, 5), PendingMessage(3, TWO, 9))


def test_what_comes_in_is_counted_apart_from_what_goes_out() -> None:
    peer = with_received(with_received(with_sent(FRESH)))
    assert (peer.sent, peer.received) == (1, 2)


def test_an_acknowledgement_never_falls() -> None:
    assert with_acknowledged(with_acknowledged(FRESH, 5), 3).acknowledged == 5


def test_an_acknowledged_message_waits_no_more() -> None:
    peer = with_sent_message(with_sent_message(FRESH, ONE, 1), TWO, 1)
    assert without_pending(peer, ONE).pending == (PendingMessage(2, TWO, 1),)
    assert without_pending(peer, bytes(32)) == peer


def test_faults_are_counted() -> None:
    assert with_fault(with_fault(FRESH)).fault_count == 2


def test_a_message_id_names_one_delivery_and_no_other() -> None:
    sender, receiver = ALICE.address, BOB.address
    known = message_id(sender, receiver, 1, b"body")
    assert known == keccak256(sender + receiver + bytes(7) + b"\x01" + b"body")
    others = {
        message_id(receiver, sender, 1, b"body"),
        message_id(sender, receiver, 2, b"body"),
        message_id(sender, receiver, 1, b"bodz"),
    }
    assert known not in others
    assert len(others) == 3


@pytest.mark.parametrize(
    ("body", "is_objective"),
    [
        (proposal(), True),
        (signed(state(0), BOB), True),
        (final_request(0), True),
        (messages.FinalStateRefusal(CHANNEL, 3, bytes(32), b""), True),
        (messages.ObjectiveRejection(CHANNEL, "X", ""), True),
        (payment(1, 1), False),
        (messages.PaymentRefusal(CHANNEL, CHANNEL, bytes(32), bytes(32), "X", ""), False),
        (messages.Receipt(CHANNEL, bytes(32), 0, bytes(32), bytes(65)), False),
    ],
)
def test_payments_and_their_answers_are_their_own_facts(
    body: messages.Body, is_objective: bool
) -> None:
    assert is_objective_message(body) == is_objective
