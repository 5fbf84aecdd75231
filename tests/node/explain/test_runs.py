"""Payments that follow each other are one step."""

import pytest
from msgspec.structs import replace

from node.explain.runs import MOVES, PAYMENTS, RUN_COUNT_MIN, Run, joined, run_kind
from node.explain.steps import Story
from node.explain.story import Cast, Fact, Step
from protocols import events, ledger_events, payment_events
from protocols.outcome import destination_of
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.event_samples import sample

CAST = Cast(ALICE.address, b"\x01" * 32, "direct", (ALICE.address, BOB.address))
LEDGER = replace(CAST, kind="ledger")


def issued(amount: int) -> events.VoucherIssued:
    event = sample(events.VoucherIssued)
    assert isinstance(event, events.VoucherIssued)
    return replace(event, amount=amount_to_bytes(amount))


def run_of(*recorded: events.Event, cast: Cast = CAST, kind: str = PAYMENTS) -> Run:
    facts = [Fact(10 + n, 1_000 * n, None, event) for n, event in enumerate(recorded)]
    run = Run(kind, cast, facts[0])
    for fact in facts:
        run.add(fact, None)
    return run


def test_a_run_says_how_many_how_much_and_where() -> None:
    receipt = replace(sample(events.ReceiptReceived), payment_count=2)
    batch = replace(
        sample(payment_events.BatchIssued),
        base=amount_to_bytes(30),
        total=amount_to_bytes(1_030),
        payment_count=1_238,
    )
    step = run_of(issued(10), issued(20), receipt, batch).step()
    assert step.what.startswith("1,240 payments: 1030 wei from us to payee 0x")
    assert step.what.endswith("in all, records 10 to 13; 2 receipted.")
    assert (step.seq, step.last_seq, step.record_count, step.amount) == (10, 13, 4, "1030")
    assert (step.who, step.to, step.label) == ("us", "peer", "1,240 payments, 1030 wei")


def test_few_payments_are_told_one_by_one() -> None:
    run = run_of(*(issued(1) for _ in range(RUN_COUNT_MIN - 1)))
    assert not run.is_one
    assert len(run.few) == RUN_COUNT_MIN - 1
    assert run_of(*(issued(1) for _ in range(RUN_COUNT_MIN))).few == []


def test_moves_both_ways_are_summed_apart() -> None:
    mine, theirs = destination_of(ALICE.address), destination_of(BOB.address)
    move = replace(sample(ledger_events.LedgerUpdateProposed), kind="move")
    moves = [replace(move, left=mine, right=theirs, amount=amount_to_bytes(5))] * 2
    moves.append(replace(move, left=theirs, right=mine, amount=amount_to_bytes(1)))
    assert {run_kind(event, LEDGER) for event in moves} == {MOVES}
    what = run_of(*moves, cast=LEDGER, kind=MOVES).step().what
    assert what.startswith("3 ledger payments: 10 wei from us to follower 0x")
    assert "and 1 wei from follower 0x" in what


def test_a_guarantee_is_never_part_of_a_run() -> None:
    added = replace(sample(ledger_events.LedgerUpdateProposed), kind="add")
    assert run_kind(added, LEDGER) is None
    assert run_kind(sample(ledger_events.LedgerUpdateSigned), CAST) is None
    assert run_kind(sample(events.StateSigned), CAST) is None


def steps_of(facts: list[Fact]) -> list[Step]:
    story = Story(CAST)
    for fact in facts:
        story.add(fact)
    return story.steps()


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_run_that_pages_cut_is_joined_as_one_page_would_tell_it(cut: int) -> None:
    receipt = replace(sample(events.ReceiptReceived), payment_count=2)
    signed = sample(events.StateSigned)
    recorded = [signed, issued(1), issued(2), receipt, issued(3), issued(4), signed, issued(5)]
    facts = [Fact(10 + n, 1_000 * n, None, event) for n, event in enumerate(recorded)]
    pages = steps_of(facts[:cut]) + steps_of(facts[cut:])
    whole = joined(pages, CAST)
    assert whole == steps_of(facts)
    (run,) = [step for step in whole if step.record_count > 1]
    assert (run.seq, run.last_seq, run.record_count, run.amount) == (11, 15, 5, "10")
    assert joined(whole, CAST) == whole


def test_runs_of_different_kinds_stay_apart() -> None:
    payments = run_of(issued(1), issued(2), issued(3)).step()
    assert payments.run is not None
    moves = replace(payments, run=replace(payments.run, kind=MOVES))
    assert joined([payments, moves], CAST) == [payments, moves]
    assert joined([], CAST) == []
