"""Runs: payments, and moves in a ledger, that nothing else interrupts, told in one sentence.

A channel may see a million payments; what a reader wants of them is how many, how much, and where
they stand in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from node.explain.story import Cast, Fact, Link, RunFigures, Step, shown_address
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

    def figures(self) -> RunFigures:
        """What it comes to."""
        ours, theirs = str(self._ours), str(self._theirs)
        return RunFigures(self.kind, self.count, ours, theirs, self._receipted_count)

    def step(self) -> Step:
        """All of it as one step."""
        return _run_step(
            self._cast,
            self.figures(),
            _Ends(self.first.seq, self.last.seq, self.first.time_ms, self.last.time_ms),
            self.record_count,
            self.first.event.NAME,
        )


class _Ends(NamedTuple):
    """Where a run is in the log, and when it was."""

    seq: int
    last_seq: int
    time_ms: int
    last_time_ms: int


def figures_of(fact: Fact, cast: Cast) -> RunFigures | None:
    """What one record adds to a run; None if it may not stand in one."""
    kind = run_kind(fact.event, cast)
    if kind is None:
        return None
    run = Run(kind, cast, fact)
    run.add(fact, None)
    return run.figures()


def joined(steps: Sequence[Step], cast: Cast) -> list[Step]:
    """The steps of pages behind each other as one page would tell them: no run in pieces."""
    found: list[Step] = []
    for kind, group in groupby(steps, key=lambda step: None if step.run is None else step.run.kind):
        parts = list(group)
        figures = _sum_of([step.run for step in parts if step.run is not None])
        if kind is None or len(parts) == 1 or figures.payment_count < RUN_COUNT_MIN:
            found += parts
            continue
        first, last = parts[0], parts[-1]
        ends = _Ends(first.seq, last.last_seq, first.time_ms, last.last_time_ms)
        count = sum(step.record_count for step in parts)
        found.append(_run_step(cast, figures, ends, count, first.name))
    return found


def _sum_of(figures: Sequence[RunFigures]) -> RunFigures:
    return RunFigures(
        figures[0].kind if figures else "",
        sum(each.payment_count for each in figures),
        str(sum(int(each.from_us) for each in figures)),
        str(sum(int(each.to_us) for each in figures)),
        sum(each.receipted_count for each in figures),
    )


def _run_step(cast: Cast, figures: RunFigures, ends: _Ends, record_count: int, name: str) -> Step:
    ours, theirs = int(figures.from_us), int(figures.to_us)
    by_us, total = ours >= theirs, ours + theirs
    return Step(
        ends.seq,
        ends.last_seq,
        record_count,
        ends.time_ms,
        ends.last_time_ms,
        name,
        "us" if by_us else "peer",
        "peer" if by_us else "us",
        shown_address(cast.counterparty),
        _sentence(cast, figures, ends),
        f"{counted(figures.payment_count, 'payment')}, {amount_words(cast.asset, total)}",
        False,
        str(total),
        None,
        "command" if by_us else "message",
        [Link(ends.seq, "its first record"), Link(ends.last_seq, "its last record")],
        figures,
    )


def _sentence(cast: Cast, figures: RunFigures, ends: _Ends) -> str:
    other = cast.counterparty
    name = "the other side" if other is None else cast.person(other)
    ways = ((figures.from_us, f"from us to {name}"), (figures.to_us, f"from {name} to us"))
    sums = [f"{amount_words(cast.asset, int(sum_))} {way}" for sum_, way in ways if int(sum_)]
    what = "payment" if figures.kind == PAYMENTS else "ledger payment"
    where = f"records {ends.seq} to {ends.last_seq}"
    count = figures.receipted_count
    receipted = f"; {count:,} receipted" if count else ""
    return (
        f"{counted(figures.payment_count, what)}: {' and '.join(sums)} in all, {where}{receipted}."
    )
