"""Runs of vouchers: what is found of all at once is found of one after the other."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from node.audit.batches import BatchCheck
from node.audit.facts import Facts
from node.audit.runs import RUN_KINDS, VoucherRuns, runs_of
from node.audit.virtual import VirtualCheck
from node.audit.vouchers import VoucherCheck
from node.verify.claims import SignedTotals, faults
from protocols import events
from scripts.benchmarks import sound_logs
from tests.support.audit_cases import History, alice, bob, entries, nth
from tests.support.audit_webs import payee, payer

MANY, MANY_OF_OURS = sound_logs.history(45), sound_logs.history(45, of_payer=True)
HISTORIES = {
    "alice": alice(),
    "bob": bob(),
    "payer": payer(),
    "payee": payee(),
    "many": MANY,
    "many of ours": MANY_OF_OURS,
}


def test_vouchers_of_one_channel_that_follow_each_other_are_one_run() -> None:
    recorded = entries(MANY)
    runs = runs_of(recorded)
    assert [entry for run in runs for entry in run] == recorded
    assert max(map(len, runs)) == 10
    for before, after in pairwise(runs):
        kinds = {type(before[-1].event), type(after[0].event)}
        assert len(kinds) == 2 or not kinds <= RUN_KINDS


class Families:
    """What judges vouchers, over facts of its own."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.batches = BatchCheck(self.facts)
        self.checks = (VirtualCheck(self.facts), VoucherCheck(self.facts), self.batches)
        self.runs = VoucherRuns(self.facts, self.batches)

    def one_by_one(self, history: History) -> list[str]:
        found = []
        for entry in entries(history):
            for check in self.checks:
                if check.judges is None or type(entry.event) in check.judges:
                    found += list(faults(check.check(entry)))
            self.facts.apply(entry.event)
        return found


def changed_voucher(history: History, at: int, field: str, value: Any) -> History:
    places = [place for place, event in enumerate(history) if type(event) in RUN_KINDS]
    place = places[at % len(places)]
    return [*history[:place], replace(history[place], **{field: value}), *history[place + 1 :]]


FIELDS = st.sampled_from(
    [
        ("memo", "another"),
        ("amount", bytes(32)),
        ("amount", (1).to_bytes(32, "big")),
        ("total", (1).to_bytes(32, "big")),
        ("total", b"\xff" * 32),
        ("payment_id", b"\x01" * 32),
        ("payment_id", (2).to_bytes(32, "big")),
        ("signature", bytes(65)),
        ("channel_id", b"\x02" * 32),
    ]
)


@pytest.mark.slow
@given(st.sampled_from(sorted(HISTORIES)), st.integers(0, 50), st.none() | FIELDS, st.data())
def test_a_run_is_in_order_only_if_each_of_it_is(
    name: str, at: int, change: tuple[str, Any] | None, data: st.DataObject
) -> None:
    history = HISTORIES[name]
    if not any(type(event) in RUN_KINDS for event in history):
        return
    if change is not None:
        history = changed_voucher(history, at, *change)
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(1, len(history)))
        history = [*history[:cut], *history[cut + 1 :]]
    together, apart = Families(), Families()
    seen = 0
    for run in runs_of(entries(history)):
        part = history[seen : seen + len(run)]
        seen += len(run)
        expected = apart.one_by_one(part)
        claim = together.runs.judge(run) if type(run[0].event) in RUN_KINDS else None
        found = together.one_by_one(part) if claim is None else list(faults([claim]))
        assert found == expected
        if claim is not None:
            assert len(claim.totals32) == len(run)
    assert together.facts.channels == apart.facts.channels


def test_an_honest_run_is_judged_at_once() -> None:
    families, history = Families(), MANY
    judged = 0
    for run in runs_of(entries(history)):
        claim = families.runs.judge(run) if type(run[0].event) in RUN_KINDS else None
        if claim is None:
            families.one_by_one([entry.event for entry in run])
        else:
            assert isinstance(claim, SignedTotals)
            judged += len(run)
    assert judged == sum(isinstance(event, events.VoucherReceived) for event in history) > 1


def test_a_run_of_ours_ends_a_list_that_was_split() -> None:
    """What `BatchSplit` looks back at counts runs as it counts single vouchers."""
    kind = events.VoucherIssued
    history = MANY_OF_OURS
    first, _ = nth(history, kind)
    families = Families()
    families.one_by_one(history[:first])
    run = runs_of(entries(history)[first:])[0]
    assert families.runs.judge(run) is not None
    assert not families.batches.is_open
