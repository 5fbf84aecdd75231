"""Runs: payments, and moves in a ledger, that nothing else interrupts, told in one sentence.

A channel may see a million payments; what a reader wants of them is how many, how much, and where
they stand in the log.
"""

from __future__ import annotations

from node.explain.story import Cast, Fact, Link, Step, shown_address
from node.explain.words import amount_words, counted
from protocols import events, ledger_events, payment_events
from protocols.event import Event
from protocols.ledger import MOVE
from protocols.outcome import address_of_destination, is_external
from protocols.types import amount_from_bytes

RUN_COUNT_MIN = 3
"""Payments from which on a run is told as one: two are told one by one."""

PAYMENTS, MOVES = "payments", "moves"

_PAYMENTS = (
    events.VoucherIssued,
    events.VoucherReceived,
    payment_events.PaymentListed,
    payment_events.BatchIssued,
    payment_events.BatchReceived,
    payment_events.BatchSplit,
)
_RECEIPTS = (events.ReceiptIssued, events.ReceiptReceived)
_AGREEMENTS = (ledger_events.LedgerUpdateSigned, ledger_events.LedgerUpdateConfirmed)
_UPDATES = (ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived)
_WISHES = (ledger_events.LedgerPaymentAsked, ledger_events.LedgerPaymentRequested)


def run_kind(event: Event, cast: Cast) -> str | None:
    """PAYMENTS or MOVES, if the record may stand in such a run; None for all others."""
    if isinstance(event, (*_PAYMENTS, *_RECEIPTS)):
        return PAYMENTS
    if cast.kind != "ledger":
        return None
    if isinstance(event, _UPDATES):
        return MOVES if event.kind == MOVE else None
    if isinstance(event, (*_AGREEMENTS, *_WISHES, events.RequestRecorded)):
        return MOVES
    return None


class Run:
    """Payments that follow each other: counted and summed, not kept."""

    def __init__(self, kind: str, cast: Cast, first: Fact) -> None:
        self.kind = kind
        self.first = self.last = first
        self.record_count = 0
        self.count = 0
        """Payments."""
        self.few: list[tuple[Fact, int | None]] = []
        """The records with their causes while they are too few for a run; else none."""
        self._cast = cast
        self._ours = self._theirs = self._receipted_count = 0

    @property
    def is_one(self) -> bool:
        """True once it is told as one."""
        return self.count >= RUN_COUNT_MIN

    def add(self, fact: Fact, cause_seq: int | None) -> None:
        """One more record."""
        self.last = fact
        self.record_count += 1
        self._sum_up(fact.event)
        if self.is_one:
            self.few = []
        else:
            self.few.append((fact, cause_seq))

    def _sum_up(self, event: Event) -> None:
        if isinstance(event, events.VoucherIssued | events.VoucherReceived):
            by_us = isinstance(event, events.VoucherIssued)
            self._paid(1, amount_from_bytes(event.amount), by_us=by_us)
        elif isinstance(event, payment_events.BatchIssued | payment_events.BatchReceived):
            rise = amount_from_bytes(event.total) - amount_from_bytes(event.base)
            by_us = isinstance(event, payment_events.BatchIssued)
            self._paid(event.payment_count, rise, by_us=by_us)
        elif isinstance(event, _RECEIPTS):
            self._receipted_count += event.payment_count
        elif isinstance(event, _UPDATES):
            giver = address_of_destination(event.left) if is_external(event.left) else b""
            self._paid(1, amount_from_bytes(event.amount), by_us=giver == self._cast.me)

    def _paid(self, count: int, amount: int, *, by_us: bool) -> None:
        self.count += count
        if by_us:
            self._ours += amount
        else:
            self._theirs += amount

    def step(self) -> Step:
        """All of it as one step."""
        cast, by_us = self._cast, self._ours >= self._theirs
        total = self._ours + self._theirs
        return Step(
            self.first.seq,
            self.last.seq,
            self.record_count,
            self.first.time_ms,
            self.last.time_ms,
            self.first.event.NAME,
            "us" if by_us else "peer",
            "peer" if by_us else "us",
            shown_address(cast.counterparty),
            self._sentence(),
            f"{counted(self.count, 'payment')}, {amount_words(cast.asset, total)}",
            False,
            str(total),
            None,
            "command" if by_us else "message",
            [Link(self.first.seq, "its first record"), Link(self.last.seq, "its last record")],
        )

    def _sentence(self) -> str:
        cast, other = self._cast, self._cast.counterparty
        name = "the other side" if other is None else cast.person(other)
        ways = ((self._ours, f"from us to {name}"), (self._theirs, f"from {name} to us"))
        sums = [f"{amount_words(cast.asset, amount)} {way}" for amount, way in ways if amount]
        what = "payment" if self.kind == PAYMENTS else "ledger payment"
        where = f"records {self.first.seq} to {self.last.seq}"
        receipted = f"; {self._receipted_count:,} receipted" if self._receipted_count else ""
        return f"{counted(self.count, what)}: {' and '.join(sums)} in all, {where}{receipted}."
