"""What leaving would be worth, before and behind what is assumed."""

from __future__ import annotations

import pytest

from node.whatif import assumptions as assume
from node.whatif import worth as room
from node.whatif.costs import DEPOSIT_GAS, Bill
from protocols import exit_value as rule
from protocols.exit_plan import GAS, GUARANTEE_GAS
from protocols.exit_value import exit_value, material_of
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, PAYMENT_APP
from tests.support.network import CoreNode, opened
from tests.support.web import BALANCE, Web
from tests.support.whatif_nodes import run, simulation_of, worth

NONE = Bill(0, 0, 0, 0)


def values(node: CoreNode, *assumed: assume.Assumption) -> room.Worth:
    simulation = simulation_of(node)
    for step in run(simulation, *assumed):
        assert step.refusal is None, step.refusal
    return worth(simulation)


def test_a_payment_moves_the_worst_case_from_the_payer_to_the_payee() -> None:
    found = values(opened().alice, assume.Payment(CHANNEL, 5))
    (row,) = found.channels
    assert (row.channel_id, row.asset) == (CHANNEL, ZERO_ADDRESS)
    assert row.parties == (
        room.PartyWorth(ALICE.address, DEPOSIT, DEPOSIT - 5),
        room.PartyWorth(BOB.address, 0, 5),
    )
    assert found.totals == (room.TotalWorth(ZERO_ADDRESS, DEPOSIT, DEPOSIT - 5, 0),)


def test_what_was_paid_out_counts() -> None:
    found = values(opened().bob, assume.Payment(CHANNEL, 5), assume.Close(CHANNEL))
    (row,) = found.channels
    assert [party.after for party in row.parties] == [DEPOSIT - 5, 5]
    assert found.totals[0].after == 5


def test_what_comes_from_the_wallet_is_told_apart() -> None:
    found = values(opened().alice, assume.Open(BOB.address, 70, ZERO_ADDRESS))
    assert found.totals == (room.TotalWorth(ZERO_ADDRESS, 0, 70, 70),)


def test_a_virtual_channels_payment_is_seen_in_the_ledger_that_carries_it() -> None:
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    found = values(web.payer, assume.Payment(channel_id, 40))
    (row,) = found.channels
    assert row.channel_id == web.ledgers[0]
    mine = next(one for one in row.parties if one.party == web.payer.actor.address)
    assert (mine.before, mine.after) == (BALANCE - 7, BALANCE - 47)
    assert found.channel_count == 2


def test_the_totals_are_what_the_rule_says_of_all_together() -> None:
    web = Web(2, fees=(3, 5))
    web.opened(1_000)
    hub = web.row[1]
    found = values(hub, assume.Payment(web.ledgers[0], 11))
    state = hub.state
    materials = [material_of(state.channels[key], PAYMENT_APP) for key in state.channels]
    expected = exit_value(hub.actor.address, materials)[ZERO_ADDRESS]
    assert found.totals[0].before == expected
    assert found.totals[0].after == expected - 11
    assert found.channel_count == 3


def test_nothing_concerned_is_worth_nothing_new() -> None:
    assert values(opened().alice, assume.Wait(60)) == room.Worth((), (), 0, NONE, NONE)


def test_what_has_too_many_ends_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    monkeypatch.setattr(rule, "LOOKED_AT_COUNT_MAX", 0)
    simulation = simulation_of(web.payer, others_answer=False)
    run(simulation, assume.Close(channel_id), assume.Payment(web.ledgers[0], 5))
    found = worth(simulation)
    assert found.totals[0].after is None
    assert found.totals[0].before is not None


def test_too_many_linked_channels_have_no_total(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web(1, fees=(7,))
    web.opened(1_000)
    monkeypatch.setattr(room, "LINKED_CHANNEL_COUNT_MAX", 1)
    found = values(web.payer, assume.Payment(web.ledgers[0], 11))
    assert (found.totals[0].before, found.totals[0].after, found.channel_count) == (None, None, 0)
    assert found.leaving is None
    assert found.channels[0].parties[0].after is not None


def test_gas_is_told_apart_of_what_was_sent_and_of_leaving_then() -> None:
    price = assume.GasPrice(7)
    opened_one = values(opened().alice, price, assume.Open(BOB.address, 70, ZERO_ADDRESS))
    assert opened_one.spent == Bill(1, DEPOSIT_GAS, 0, 7 * DEPOSIT_GAS)
    gas = GAS["challenge"] + GAS["transfer"]
    assert opened_one.leaving == Bill(2, gas, 0, 7 * gas)
    # The totals are as they were: gas is of no channel's asset.
    assert opened_one.totals == (room.TotalWorth(ZERO_ADDRESS, 0, 70, 70),)


def test_gas_without_a_price_costs_nobody_knows_what() -> None:
    found = values(opened().alice, assume.Payment(CHANNEL, 5), assume.Close(CHANNEL))
    assert found.spent == Bill(1, GAS["conclude"], 0, None)
    assert found.leaving == NONE, "all of it was paid out"


def test_leaving_what_guarantees_link_ends_each_channel_once() -> None:
    web = Web(1, fees=(7,))
    web.opened(1_000)
    hub = web.row[1]
    found = values(hub, assume.GasPrice(2), assume.Payment(web.ledgers[1], 11))
    assert found.channel_count == 3
    gas = 3 * GAS["challenge"] + 2 * (GUARANTEE_GAS + GAS["reclaim"] + GAS["transfer"])
    assert found.leaving == Bill(7, gas, 0, 2 * gas)


@pytest.mark.slow
def test_it_stops_often_to_let_others_go_first() -> None:
    web = Web(0)
    for number in range(70):
        web.opened(10, number.to_bytes(4, "big"))
    simulation = simulation_of(web.payer)
    run(simulation, assume.Payment(web.ledgers[0], 11))
    assert sum(1 for _ in room.worth_of(simulation)) > 20
