"""The books of whole lives: they balance at every record and say what the state says."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from node.books import Books
from node.books.entry import FEES_EARNED, FEES_PAID, FORWARDED, OUTSIDE, PAID, RECEIVED, WALLET
from protocols import commands
from protocols.types import ZERO_ADDRESS
from tests.support.book_readings import differences, own_accounts
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import CoreNode, opened, pay
from tests.support.web import BALANCE, Web


def posted(node: CoreNode) -> Books:
    """The node's books, proved to balance at every single record."""
    books = Books()
    for _, event in node.log:
        for entry in books.post(event):
            assert sum(amount for _, amount in entry.postings) == 0, entry
        for accounts in books.balances.values():
            assert sum(accounts.values()) == 0, event
    assert differences(books, node.state) == []
    return books


def kinds(node: CoreNode) -> Counter[str]:
    books = Books()
    return Counter(entry.kind for _, event in node.log for entry in books.post(event))


def balance(books: Books, account: str) -> int:
    return books.balance(ZERO_ADDRESS, account)


def test_a_payment_is_the_payers_expense_and_the_payees_income() -> None:
    network = opened()
    pay(network, 30, 1)
    pay(network, 12, 2)
    network.settle()
    alice, bob = posted(network.alice), posted(network.bob)
    assert balance(alice, PAID) == 42
    assert balance(bob, RECEIVED) == -42
    channel = network.alice.channel()
    assert own_accounts(alice, channel)["ours"] == DEPOSIT - 42
    assert own_accounts(bob, channel) == {
        "ours": 42,
        "theirs": DEPOSIT - 42,
        "surplus": 0,
        "leaving": 0,
    }


def test_each_payment_of_a_list_is_an_entry_of_its_own_with_its_memo() -> None:
    network = opened()
    network.alice.feed(commands.SendBatch(CHANNEL, (1, 2, 3), ("a", "b", "c"), b"list" * 7, True))
    network.settle()
    for node in (network.alice, network.bob):
        books = Books()
        found = [
            (entry.memo, entry.postings[0][1])
            for _, event in node.log
            for entry in books.post(event)
            if entry.kind == "payment"
        ]
        sign = -1 if node is network.alice else 1
        assert found == [("a", sign), ("b", 2 * sign), ("c", 3 * sign)]


def test_a_closed_channel_leaves_nothing_but_what_was_paid() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    alice, bob = posted(network.alice), posted(network.bob)
    for books, node in ((alice, network.alice), (bob, network.bob)):
        assert not any(own_accounts(books, node.channel()).values())
        assert balance(books, OUTSIDE) == 0
    assert balance(alice, WALLET) == -30 - balance(alice, "expense:gas")
    assert balance(bob, WALLET) == 30


def test_a_hub_earns_its_fee_and_passes_on_the_rest() -> None:
    web = Web(2, fees=(3, 5))
    channel_id = web.opened(1_000)
    web.pay(channel_id, 40)
    web.settle()
    payer, hub, second, payee = map(posted, web.row)
    assert balance(payer, FEES_PAID) == 8
    assert balance(hub, FEES_EARNED) == -3
    assert balance(second, FEES_EARNED) == -5
    assert balance(payer, PAID) == 40
    assert balance(payee, RECEIVED) == -40
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    _, hub, second, payee = map(posted, web.row)
    assert balance(hub, FEES_EARNED) == -3
    assert balance(hub, FORWARDED) == balance(second, FORWARDED) == 0
    assert balance(payee, RECEIVED) == -40
    assert not any("guarantee:" in account for account in hub.balances[ZERO_ADDRESS])


def test_a_channel_that_is_given_up_costs_nothing() -> None:
    web = Web(1, fees=(7,))
    web.row[2].decision = type(web.row[2].decision)("deny", "not today")
    web.open(1_000)
    web.settle()
    for node in web.row:
        books = posted(node)
        assert balance(books, FEES_PAID) == balance(books, FEES_EARNED) == 0
        assert balance(books, FORWARDED) == 0


def test_a_voucher_from_hand_to_hand_is_a_payment_on_both_sides() -> None:
    network = opened()
    network.alice.feed(commands.CreateVoucher(CHANNEL, 9, b"\x09" * 32, "gift"))
    (created,) = network.alice.events_of("voucher-created")
    network.bob.feed(commands.TakeVoucher(CHANNEL, 9, created.signature, "taken"))
    network.settle()
    assert balance(posted(network.alice), PAID) == 9
    assert balance(posted(network.bob), RECEIVED) == -9


def test_payments_in_a_ledger_count_once_agreed_and_what_was_undone_never_did() -> None:
    web = Web(0)
    ledger_id = web.ledgers[0]
    web.payer.feed(commands.PayLedger(ledger_id, 25, "rent"))
    assert balance(posted(web.payer), PAID) == 0
    web.settle()
    assert balance(posted(web.payer), PAID) == 25
    assert balance(posted(web.payee), RECEIVED) == -25
    web.payee.feed(commands.PayLedger(ledger_id, 5, "change"))
    web.settle()
    payer = posted(web.payer)
    assert (balance(payer, PAID), balance(payer, RECEIVED)) == (25, -5)
    assert own_accounts(payer, web.payer.channel(ledger_id))["ours"] == BALANCE - 20


@pytest.mark.parametrize("seed", range(6))
def test_books_are_true_whatever_the_wires_do(seed: int) -> None:
    rng = random.Random(seed)
    web = Web(2, fees=(1, 2), right_leads=frozenset({seed % 3}))
    for node in web.row:
        node.proves_purity = False
    first = web.open(900, b"one!")
    web.open(500, b"two!")
    web.storm(rng)
    for number in range(1, 6):
        web.pay(first, number * 7, number)
        web.step(rng)
    web.storm(rng)
    web.payer.feed(commands.CloseChannel(first))
    web.storm(rng)
    for node in web.row:
        posted(node)


def test_channels_that_nobody_introduced_make_no_entry() -> None:
    network = opened()
    books = Books()
    found = [entry.kind for _, event in network.alice.log[1:] for entry in books.post(event)]
    assert found == ["gas"]
    assert books.me == b""


def test_every_kind_of_entry_is_met_above() -> None:
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    web.pay(channel_id, 10)
    web.settle()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    hub = kinds(web.row[1])
    assert hub == {"deposit": 4, "guarantee": 2, "hub-fee": 1, "forwarded": 2, "release": 2}
