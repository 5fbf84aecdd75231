"""Entries by how a channel ended on chain: what differs from what was agreed, once certain."""

from __future__ import annotations

from collections.abc import Sequence

from node.books import Books
from node.books.entry import PAID, RECEIVED, channel_account
from protocols.event import Event
from protocols.types import ZERO_ADDRESS
from tests.support.audit_exits import leaving_follower, leaving_payee, leaving_payer
from tests.support.builders import CHANNEL
from tests.support.exit_rig import leave, paid_to, until
from tests.support.ledger_rig import LEADER_AMOUNT, LEDGER, open_ledger_command
from tests.support.network import Network


def books_of(history: Sequence[Event]) -> Books:
    books = Books()
    for event in history:
        books.post(event)
    return books


def balance(books: Books, account: str) -> int:
    return books.balance(ZERO_ADDRESS, account)


def test_a_redemption_books_what_was_paid_and_no_more() -> None:
    books = books_of(leaving_payee())
    assert balance(books, RECEIVED) == -30
    assert balance(books, channel_account(CHANNEL, "ours")) == 0


def test_payments_that_nobody_redeemed_come_back_to_the_payer() -> None:
    books = books_of(leaving_payer())
    assert balance(books, PAID) == 0
    assert balance(books, channel_account(CHANNEL, "ours")) == 0


def test_the_settlement_is_an_entry_of_its_own() -> None:
    books, kinds = Books(), []
    for event in leaving_payer():
        kinds += [entry.kind for entry in books.post(event)]
    assert kinds.count("settlement") == 1


def test_a_ledger_that_ends_with_what_was_agreed_needs_none() -> None:
    books, kinds = Books(), []
    for event in leaving_follower():
        kinds += [entry.kind for entry in books.post(event)]
    assert "settlement" not in kinds
    assert balance(books, channel_account(LEDGER, "ours")) == 0


def test_a_ledger_that_is_left_before_the_other_party_deposited_owes_nobody_anything() -> None:
    network = Network(depth=0)
    alice = network.alice
    alice.feed(open_ledger_command())
    for node in (alice, network.bob):
        network.deliver(node)
        network.acknowledge(network.other(node))
    until(network, alice, lambda: alice.channel(LEDGER).holdings != ())
    leave(network, alice, LEDGER)
    assert paid_to(network, alice) == LEADER_AMOUNT
    books = books_of([event for _, event in alice.log])
    for part in ("ours", "theirs", "surplus"):
        assert balance(books, channel_account(LEDGER, part)) == 0
