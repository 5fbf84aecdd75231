"""The double-entry books that the records make, as one more family."""

from collections.abc import Iterable, Iterator, Sequence

from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.books.check import BooksCheck


class BookCheck(Check):
    """Every entry balances, and in the end the books say what the facts say."""

    name = BooksCheck.name

    def __init__(self, facts: Facts) -> None:
        self._books = BooksCheck(facts)

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        """Post what these records move."""
        return [(entry.seq, message) for entry in entries for message in self._books.check(entry)]

    def finish(self, ground: Ground) -> Iterator[Fault]:
        """Where books and facts differ."""
        yield from map(Fault, self._books.finish())
