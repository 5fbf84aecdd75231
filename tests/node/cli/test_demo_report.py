"""The demo's judgement: every wrong figure is a problem, and only a wrong one."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.demo_chain import ChainTransaction
from node.cli.demo_report import (
    DEPOSIT_WEI,
    HUB_FEE_WEI,
    LATENCY_PAYMENT_COUNT,
    VIRTUAL_WEI,
    Account,
    AuditResult,
    Balance,
    DemoPlan,
    DemoResult,
    VirtualRun,
    paid_wei,
    payment_wei,
    percentile,
)

COUNT, CHANNEL_COUNT = 50, 3
PAID = paid_wei(COUNT + LATENCY_PAYMENT_COUNT) + CHANNEL_COUNT * paid_wei(COUNT)
FEES = CHANNEL_COUNT * HUB_FEE_WEI
START = 10**21


def view(deposit: int, count: int) -> dict[str, Any]:
    paid = str(paid_wei(count))
    return {
        "status": "closed",
        "deposit": str(deposit),
        "paid": paid,
        "receipted": paid,
        "payment_count": count,
    }


def good_virtual() -> VirtualRun:
    at_ends = view(VIRTUAL_WEI, COUNT)
    at_hub = {**at_ends, "paid": "0", "receipted": "0", "payment_count": 0}
    views = {"alice": at_ends, "hub": at_hub, "bob": at_ends}
    return VirtualRun(
        opening_seconds=0.1,
        seconds=0.5,
        closing_seconds=0.2,
        chain_transaction_count=0,
        views={name: [dict(one) for _ in range(CHANNEL_COUNT)] for name, one in views.items()},
        ledger_views={name: [{"status": "closed"}] for name in views},
    )


def good() -> DemoResult:
    shown = view(DEPOSIT_WEI, COUNT + LATENCY_PAYMENT_COUNT)
    deposit = ChainTransaction("0x01", "0xaa", "deposit", 50_000, 70, True)
    gains = {"alice": -PAID - FEES, "hub": FEES, "bob": PAID}
    gas = {"alice": 70}
    accounts = {
        name: Account(
            name,
            Balance(START, START + gain - gas.get(name, 0), gain, gas.get(name, 0)),
        )
        for name, gain in gains.items()
    }
    return DemoResult(
        plan=DemoPlan(COUNT, 1, CHANNEL_COUNT),
        seconds=0.5,
        latencies_ms=[float(number) for number in range(1, 201)],
        transactions=[deposit],
        accounts=accounts,
        channel_views={"alice": dict(shown), "bob": dict(shown)},
        virtual=good_virtual(),
        exit_codes=dict.fromkeys(gains, 0),
        audits=[AuditResult(name, 10, []) for name in gains],
    )


def virtual(result: DemoResult) -> VirtualRun:
    assert result.virtual is not None
    return result.virtual


def test_a_run_without_a_flaw_is_ok() -> None:
    document = good().document()
    assert document["ok"] is True
    assert document["problems"] == []
    assert document["payments_per_second"] == 100
    assert document["latency_ms"] == {"p50": 100.0, "p99": 198.0}
    assert document["outcome"]["bob"]["expected_wei"] == str(START + PAID)
    assert document["outcome"]["hub"]["expected_wei"] == str(START + FEES)
    assert document["virtual"] == {
        "hops": 1,
        "channels": CHANNEL_COUNT,
        "payments": CHANNEL_COUNT * COUNT,
        "opening_seconds": 0.1,
        "seconds": 0.5,
        "payments_per_second": 300.0,
        "closing_seconds": 0.2,
        "paid_wei": str(CHANNEL_COUNT * paid_wei(COUNT)),
        "fees_wei": str(FEES),
        "chain_transactions": 0,
    }


def test_a_run_without_virtual_channels_says_so() -> None:
    result = dataclasses.replace(good(), virtual=None)
    document = result.document()
    assert document["virtual"] is None
    assert document["ok"] is True


def test_a_token_is_judged_beside_the_gas() -> None:
    result = good()
    account = Account("0xaa", Balance(START, START - 70, 0, 70), Balance(START, START - 5, -5))
    result.accounts["alice"] = account
    assert result.document()["ok"] is True
    assert account.document()["token"] == {
        "before": str(START),
        "after": str(START - 5),
        "expected": str(START - 5),
    }
    wrong = dataclasses.replace(account, token=Balance(START, START - 5, -6))
    result.accounts["alice"] = wrong
    assert result.problems == [f"alice holds {START - 5} units instead of {START - 6}"]


def off_by_a_wei(result: DemoResult) -> None:
    bob = result.accounts["bob"]
    wei = dataclasses.replace(bob.wei, after=bob.wei.after - 1)
    result.accounts["bob"] = dataclasses.replace(bob, wei=wei)


def gas_that_nobody_paid(result: DemoResult) -> None:
    alice = result.accounts["alice"]
    result.accounts["alice"] = dataclasses.replace(
        alice, wei=dataclasses.replace(alice.wei, gas=71)
    )


def a_hub_without_its_fee(result: DemoResult) -> None:
    hub = result.accounts["hub"]
    wei = dataclasses.replace(hub.wei, after=START)
    result.accounts["hub"] = dataclasses.replace(hub, wei=wei)


def a_transaction_in_between(result: DemoResult) -> None:
    virtual(result).chain_transaction_count = 1


def an_open_virtual_channel(result: DemoResult) -> None:
    virtual(result).views["hub"][1]["status"] = "open"


def a_virtual_channel_too_few(result: DemoResult) -> None:
    virtual(result).views["bob"].pop()


def a_virtual_payment_without_receipt(result: DemoResult) -> None:
    virtual(result).views["alice"][0]["receipted"] = "0"


def an_open_ledger(result: DemoResult) -> None:
    virtual(result).ledger_views["hub"][0]["status"] = "closing"


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
        a_hub_without_its_fee,
        a_transaction_in_between,
        an_open_virtual_channel,
        a_virtual_channel_too_few,
        a_virtual_payment_without_receipt,
        an_open_ledger,
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
    assert paid_wei(1_000_000) < VIRTUAL_WEI


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(min_value=1, max_value=100))
def test_a_percentile_is_the_least_value_that_covers_its_share(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
