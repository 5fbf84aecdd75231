"""The demo's judgement: every wrong figure is a problem, and only a wrong one."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.demo_chain import ChainTransaction
from node.cli.demo_report import (
    DEPOSIT_WEI,
    LATENCY_PAYMENT_COUNT,
    AuditResult,
    Balances,
    DemoResult,
    paid_wei,
    payment_wei,
    percentile,
)

COUNT = 50
PAID = paid_wei(COUNT + LATENCY_PAYMENT_COUNT)


def good() -> DemoResult:
    view = {
        "status": "closed",
        "deposit": str(DEPOSIT_WEI),
        "paid": str(PAID),
        "receipted": str(PAID),
        "payment_count": COUNT + LATENCY_PAYMENT_COUNT,
    }
    deposit = ChainTransaction("0x01", "0xaa", "deposit", 50_000, 70, True)
    return DemoResult(
        payment_count=COUNT,
        seconds=0.5,
        latencies_ms=[float(number) for number in range(1, 201)],
        transactions=[deposit],
        alice=Balances("0xAA", 10**21, 10**21 - PAID - 70, -PAID, 70),
        bob=Balances("0xBB", 10**21, 10**21 + PAID, PAID, 0),
        channel_views={"alice": dict(view), "bob": dict(view)},
        exit_codes={"alice": 0, "bob": 0},
        audits=[AuditResult("a", 10, []), AuditResult("b", 10, [])],
    )


def test_a_run_without_a_flaw_is_ok() -> None:
    document = good().document()
    assert document["ok"] is True
    assert document["problems"] == []
    assert document["payments_per_second"] == 100
    assert document["latency_ms"] == {"p50": 100.0, "p99": 198.0}
    assert document["outcome"]["bob"]["expected_wei"] == str(10**21 + PAID)


def off_by_a_wei(result: DemoResult) -> None:
    result.bob = dataclasses.replace(result.bob, after_wei=result.bob.after_wei - 1)


def gas_that_nobody_paid(result: DemoResult) -> None:
    result.alice = dataclasses.replace(result.alice, gas_wei=71)


def a_lost_payment(result: DemoResult) -> None:
    result.channel_views["bob"]["payment_count"] -= 1


def a_missing_receipt(result: DemoResult) -> None:
    result.channel_views["alice"]["receipted"] = "0"


def a_failed_transaction(result: DemoResult) -> None:
    result.transactions[0] = dataclasses.replace(result.transactions[0], succeeded=False)


def an_unclean_stop(result: DemoResult) -> None:
    result.exit_codes["bob"] = -9


def a_finding(result: DemoResult) -> None:
    result.audits[0].findings.append({"seq": 3})


def a_note(result: DemoResult) -> None:
    result.audits[0].notes.append("not stopped cleanly")


def an_empty_log(result: DemoResult) -> None:
    result.audits[1] = AuditResult("b", 0, [])


def a_log_nobody_audited(result: DemoResult) -> None:
    result.audits.pop()


@pytest.mark.parametrize(
    "spoil",
    [
        off_by_a_wei,
        gas_that_nobody_paid,
        a_lost_payment,
        a_missing_receipt,
        a_failed_transaction,
        an_unclean_stop,
        a_finding,
        a_note,
        an_empty_log,
        a_log_nobody_audited,
    ],
)
def test_any_wrong_figure_makes_it_not_ok(spoil: Callable[[DemoResult], None]) -> None:
    result = good()
    spoil(result)
    document = result.document()
    assert document["ok"] is False
    assert len(document["problems"]) == 1


@given(st.integers(min_value=0, max_value=2_000))
def test_the_total_is_the_sum_of_all_payments(count: int) -> None:
    assert paid_wei(count) == sum(payment_wei(index) for index in range(count))


def test_the_most_payments_that_can_be_asked_for_fit_into_the_deposit() -> None:
    assert paid_wei(1_000_000 + LATENCY_PAYMENT_COUNT) < DEPOSIT_WEI


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(min_value=1, max_value=100))
def test_a_percentile_is_the_least_value_that_covers_its_share(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
