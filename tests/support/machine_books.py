"""Invariant of the state machine: the books of every node balance, and say what its state says."""

from __future__ import annotations

from hypothesis.stateful import invariant

from node.audit.facts import Facts as AuditFacts
from node.books import BooksCheck
from tests.support.book_readings import differences
from tests.support.machine_facts import Facts


class BookInvariants(Facts):
    """Double entry, after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: dict[bytes, tuple[BooksCheck, int]] = {}

    @invariant()
    def the_books_balance_and_say_what_the_state_says(self) -> None:
        for node in self.touched:
            check, count = self.checks.get(node.actor.address, (BooksCheck(AuditFacts()), 0))
            was_cut = bool(node.events_of("log-tail-cut"))
            if count > len(node.log) or was_cut:
                # A cut tail took records back.
                check, count = BooksCheck(AuditFacts()), 0
            for _, event in node.log[count:]:
                for entry in check.books.post(event):
                    assert list(check.faults_of(entry)) == [], node.actor.name
            self.checks[node.actor.address] = (check, len(node.log))
            assert differences(check.books, node.state) == [], node.actor.name
