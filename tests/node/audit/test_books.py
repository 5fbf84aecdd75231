"""The books as a family of the audit."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.books import BookCheck
from node.audit.facts import Facts
from protocols import events
from tests.support.audit_cases import History, alice, bob, entries, nth
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


def test_books_that_say_something_else_are_named() -> None:
    seq, deposit = nth(alice(), events.DepositDetected)
    less = replace(deposit, now_held=(5).to_bytes(32, "big"))
    history = [*alice()[:seq], less, *alice()[seq + 1 :]]
    assert said(history) != []
