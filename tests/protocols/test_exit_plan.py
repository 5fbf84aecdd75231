"""The forecast of an exit names the transactions that the exit then makes."""

from __future__ import annotations

from collections import Counter

import pytest

from protocols import commands
from protocols.exit_plan import GAS, ExitPlan, plan_exit, worth_steps
from protocols.objectives.base import ObjectiveType
from protocols.steps import finished
from protocols.types import Address, Amount
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, DURATION_S, final, signed
from tests.support.exit_rig import exit_value_of, is_completed, leave, wait_out
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, Said, opened, pay

NOW_S = 1_700_000_000


def worth_of(node: CoreNode, plan: ExitPlan) -> dict[Address, Amount] | None:
    """What it comes to, however often it stops."""
    return finished(worth_steps(node.state, plan))


def test_a_payee_redeems_waits_and_is_paid() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    bob = network.bob
    plan = plan_exit(bob.state, bob.channel(), NOW_S)
    assert [(s.step, s.after_s) for s in plan.steps] == [
        ("redemption", 0),
        ("transfer", DURATION_S),
    ]
    assert plan.duration_s == DURATION_S
    assert plan.gas == GAS["redemption"] + GAS["transfer"]
    assert worth_of(bob, plan) == {bytes(20): 30}
    leave(network, bob, CHANNEL)
    made = [e.kind for e in bob.events_of("transaction-requested")]
    assert made == ["challenge", "transfer"]


def test_what_runs_already_is_not_planned_again() -> None:
    network = opened_ledger()
    alice = network.alice
    alice.feed(commands.ChallengeChannel(LEDGER))
    wait_out(network, alice, LEDGER)
    ends_at = network.chain.disputes.kept[LEDGER].finalizes_at
    plan = plan_exit(alice.state, alice.channel(LEDGER), ends_at - 500)
    assert [(s.step, s.after_s) for s in plan.steps] == [("transfer", 500)]


def test_a_final_state_of_all_takes_one_transaction() -> None:
    bob = opened().bob
    bob.feed(Said(ALICE, signed(final(0), ALICE)))
    plan = plan_exit(bob.state, bob.channel(), NOW_S)
    assert [(s.step, s.after_s) for s in plan.steps] == [("conclude", 0)]
    assert worth_of(bob, plan) == {bytes(20): 0}


@pytest.mark.parametrize("place", range(4))
def test_the_plan_of_a_virtual_channel_is_what_each_role_then_does(place: int) -> None:
    web = ExitWeb(2)
    channel_id = web.opened(300)
    node = web.row[place]
    plan = plan_exit(node.state, node.channel(channel_id), NOW_S)
    assert worth_of(node, plan) == {bytes(20): exit_value_of(node)}
    assert plan.duration_s == 2 * DURATION_S
    node.feed(commands.ExitChannel(channel_id))
    web.run([node], lambda: is_completed(node, ObjectiveType.EXIT, channel_id))
    made = Counter(e.kind.split()[0] for e in node.events_of("transaction-requested"))
    planned = Counter(s.step.replace("redemption", "challenge") for s in plan.steps)
    # A hub's right side gets nothing of what nobody redeemed: it is not reclaimed then.
    assert planned - made == Counter(reclaim=1 if place in (1, 2) else 0)
    assert not made - planned


def test_the_plan_of_a_ledger_challenges_all_it_carries_at_once() -> None:
    web = ExitWeb(1)
    web.opened(300)
    payer = web.payer
    plan = plan_exit(payer.state, payer.channel(web.ledgers[0]), NOW_S)
    assert [(s.step, s.after_s) for s in plan.steps] == [
        ("challenge", 0),
        ("challenge", 0),
        ("reclaim", DURATION_S),
        ("transfer", DURATION_S),
    ]
