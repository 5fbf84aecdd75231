"""The audit's question to the books: honest logs have no fault, planted ones are named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.audit.entry import decode_entry
from node.audit.facts import Facts
from node.books import BooksCheck
from node.books.entry import WALLET, Entry, channel_account, guarantee_account
from node.store.record import encode_record
from protocols import commands, events
from protocols.types import ZERO_ADDRESS
from tests.support import audit_webs
from tests.support.web import Web


def checked(history: list[events.Event]) -> tuple[BooksCheck, list[str]]:
    """The check after the whole history, and what it found on the way."""
    facts = Facts()
    check = BooksCheck(facts)
    found = []
    for seq, event in enumerate(history):
        entry = decode_entry(encode_record(seq, 1, None, event))
        found += list(check.check(entry))
        facts.apply(entry.event)
    return check, found


def virtual_history() -> list[events.Event]:
    web = Web(1, fees=(7,))
    web.pay(web.opened(1_000), 10)
    web.settle()
    return [event for _, event in web.row[1].log]


@pytest.mark.parametrize(
    "history",
    [audit_webs.leader, audit_webs.follower, audit_webs.closing_leader, virtual_history],
)
def test_an_honest_log_has_sound_books(history: Callable[[], list[events.Event]]) -> None:
    check, found = checked(history())
    assert found == []
    assert list(check.finish()) == []


def test_a_closed_virtual_channel_leaves_sound_books() -> None:
    web = Web(2, fees=(1, 2))
    channel_id = web.opened(1_000)
    web.pay(channel_id, 10)
    web.settle()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    for node in web.row:
        check, found = checked([event for _, event in node.log])
        assert [*found, *check.finish()] == []


def test_an_entry_that_does_not_balance_is_named() -> None:
    check, _ = checked(virtual_history())
    crooked = Entry("payment", ZERO_ADDRESS, ((WALLET, 5), ("expense:gas", -4)))
    check.books.enter(crooked)
    assert list(check.faults_of(crooked)) == [
        f"the entry payment in 0x{'00' * 20} does not balance: 1"
    ]
    assert next(iter(check.finish())).endswith("together stand at 1, not at 0")


@pytest.mark.parametrize(
    ("part", "amount"), [("ours", -99_999), ("theirs", -99_999), ("leaving", 1)]
)
def test_an_account_that_holds_less_than_nothing_is_named(part: str, amount: int) -> None:
    check, _ = checked(virtual_history())
    account = channel_account(next(iter(check.books.channels)), part)
    wrong = Entry("payment", ZERO_ADDRESS, ((account, amount), (WALLET, -amount)))
    check.books.enter(wrong)
    (fault,) = check.faults_of(wrong)
    assert fault.startswith(account)


def test_books_that_differ_from_the_facts_are_named() -> None:
    check, _ = checked(virtual_history())
    books = check.books
    ledger_id = next(channel_id for channel_id, one in books.channels.items() if one.guaranteed)
    (target,) = books.channels[ledger_id].guaranteed
    moved = (
        (channel_account(ledger_id, "ours"), 3),
        (WALLET, -3),
        (guarantee_account(ledger_id, target, "ours"), 4),
        (WALLET, -4),
        (channel_account(target, "ours"), 5),
        (WALLET, -5),
    )
    books.enter(Entry("payment", ZERO_ADDRESS, moved))
    found = list(check.finish())
    assert [text.split(" ", 2)[2].split(" 0x")[0] for text in found] == [
        "guarantees 1000 for",
        "holds 20000, the books say 20007",
        "is virtual, and the books say that it holds 5 of its own",
    ]
