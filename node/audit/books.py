"""The double-entry books that the records make, as one more family."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.runs import RUN_KINDS, runs_of
from node.books.check import BooksCheck
from protocols.events import Event

_AMOUNT_MAX = 2**256 - 1


class BookCheck(Check):
    """Every entry balances, and in the end the books say what the facts say."""

    name = BooksCheck.name

    def __init__(self, facts: Facts) -> None:
        self._check = BooksCheck(facts)
        self._kinds = self._check.books.kinds

    def take(self, entries: Sequence[Entry]) -> Iterator[tuple[int, str]]:
        """Post what these records move."""
        for run in runs_of([entry for entry in entries if type(entry.event) in self._kinds]):
            together = self._as_one(run)
            if together is not None:
                self._check.books.post(together)
                continue
            for entry in run:
                for message in self._check.check(entry):
                    yield entry.seq, message

    def finish(self, ground: Ground) -> Iterable[Fault]:
        """Where books and facts differ."""
        return [Fault(message) for message in self._check.finish()]

    def _as_one(self, run: Sequence[Entry]) -> Event | None:
        """One payment of all that a run pays, where no account can fall below nothing on the way:
        who pays has it all before, and nobody gives anything back."""
        last = run[-1].event
        if len(run) == 1 or type(last) not in RUN_KINDS:
            return None
        channel = self._check.books.channels.get(last.channel_id)  # type: ignore[attr-defined]
        if channel is None:
            return None
        amounts: list[bytes] = [entry.event.amount for entry in run]  # type: ignore[attr-defined]
        amount = sum(int.from_bytes(encoded, "big") for encoded in amounts)
        accounts = [
            self._check.books.balance(channel.asset, account)
            for account in (channel.ours, channel.theirs)
        ]
        payer, payee = accounts if channel.my_index == 0 else reversed(accounts)
        if payer < amount or payee < 0 or amount > _AMOUNT_MAX:
            return None
        return replace(last, amount=amount.to_bytes(32, "big"))
