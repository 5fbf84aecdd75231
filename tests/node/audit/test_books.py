"""The books as a family of the audit."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.books import BookCheck
from node.audit.facts import Facts
from protocols import events
from scripts.benchmarks import sound_logs
from tests.support.audit_cases import History, alice, bob, changed, entries, nth
from tests.support.audit_webs import hub, payee, payer


def said(history: History) -> list[str]:
    facts = Facts()
    check = BookCheck(facts)
    found = []
    for entry in entries(history):
        found += [message for _, message in check.take([entry])]
        facts.apply(entry.event)
    return found + [fault.message for fault in check.finish(None)]  # type: ignore[arg-type]


@pytest.mark.parametrize("history", [alice, bob, payer, hub, payee])
def test_the_books_of_an_honest_history_balance(history: Callable[[], History]) -> None:
    assert said(history()) == []


def paid_out(history: History, size: int) -> tuple[list[tuple[int, str]], dict[bytes, object]]:
    """What is said, and all balances, if so many records are taken at once."""
    check, recorded = BookCheck(Facts()), entries(history)
    found = []
    for start in range(0, len(recorded), size):
        found += check.take(recorded[start : start + size])
    return found, dict(check._check.books.balances)


@pytest.mark.parametrize("of_payer", [True, False])
@pytest.mark.parametrize("amount", [10, 0, 10**18, 10**18 - 50, 2**256 - 1])
def test_a_run_of_payments_is_posted_as_each_of_them(of_payer: bool, amount: int) -> None:
    history = sound_logs.history(60, of_payer=of_payer)
    for index in (3, 17):
        kind = events.VoucherIssued if of_payer else events.VoucherReceived
        history = changed(history, kind, index, amount=amount.to_bytes(32, "big"))
    assert paid_out(history, 60) == paid_out(history, 1)


def test_books_that_say_something_else_are_named() -> None:
    seq, deposit = nth(alice(), events.DepositDetected)
    less = replace(deposit, now_held=(5).to_bytes(32, "big"))
    history = [*alice()[:seq], less, *alice()[seq + 1 :]]
    assert said(history) != []
