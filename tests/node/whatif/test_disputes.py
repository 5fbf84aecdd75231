"""Leaving as it is assumed: what the adjudicator answers, what comes home, who answers whom."""

from __future__ import annotations

import pytest

from node.whatif import assumptions as assume
from node.whatif.disputes import answer_to, may_redeem, redeems_now, shown_by_other
from protocols import commands
from protocols.channel import REDEMPTION_TURN
from protocols.exit_errors import ChallengeImpossible
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S
from tests.support.exit_rig import leave, paid_to, until
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, opened
from tests.support.web import BALANCE, Web
from tests.support.whatif_nodes import names, paid_network, run, simulated, simulation_of, worth

DAY = assume.Wait(DURATION_S + 60)


def kinds(node: CoreNode, *assumed: assume.Assumption) -> list[list[str]]:
    """By step: what would be submitted."""
    steps = simulated(node, *assumed)
    assert [step.refusal for step in steps] == [None] * len(steps)
    return [[found.order.kind.split()[0] for found in step.submitted] for step in steps]


@pytest.mark.parametrize(
    ("place", "expected"),
    [("alice", DEPOSIT - 30), ("bob", 30)],
)
def test_an_exit_is_carried_out_to_its_end(place: str, expected: int) -> None:
    node = getattr(paid_network(), place)
    simulation = simulation_of(node)
    begun, expired = run(simulation, assume.Exit(CHANNEL), DAY)
    assert [found.order.kind for found in begun.submitted] == ["challenge"]
    assert [found.order.kind for found in expired.submitted] == ["transfer"]
    assert {found.objective_type for found in begun.awaited} == {"Exit", "Challenge"}
    assert "challenge-expired" in names(expired)
    assert expired.awaited == []
    assert worth(simulation).totals[0].after == expected


def test_a_simulated_exit_pays_what_a_real_one_does() -> None:
    network = paid_network()
    simulation = simulation_of(network.bob)
    run(simulation, assume.Exit(CHANNEL), DAY)
    leave(network, network.bob, CHANNEL)
    ((paid_address, amount),) = simulation.course.state.channels[CHANNEL].withdrawn
    assert (paid_address, amount) == (BOB.address, paid_to(network, network.bob))


def test_a_payee_that_is_there_redeems_and_a_silent_one_does_not() -> None:
    network = paid_network()
    (begun,) = simulated(network.alice, assume.Exit(CHANNEL))
    assert names(begun).count("challenge-registered") == 2
    (alone,) = simulated(network.alice, assume.Exit(CHANNEL), others_answer=False)
    assert "challenge-registered" not in names(alone)


def test_an_old_state_is_answered_with_the_largest_voucher() -> None:
    begun, expired = kinds(paid_network().bob, assume.Challenged(CHANNEL), DAY)
    assert (begun, expired) == (["challenge"], ["transfer"])


def test_an_old_state_of_a_ledger_is_cleared_by_a_checkpoint() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    (step, impossible) = simulated(
        network.bob, assume.Challenged(LEDGER), assume.ChallengeExpires(LEDGER)
    )
    assert [found.order.kind for found in step.submitted] == ["checkpoint"]
    assert "challenge-cleared" in names(step)
    assert step.awaited == []
    assert impossible.refusal is not None
    assert impossible.refusal.name() == "CHALLENGE_IMPOSSIBLE"


def test_an_old_state_that_nobody_answers_stands_and_that_is_an_alarm() -> None:
    network = paid_network()
    simulation = simulation_of(network.bob, others_answer=False)
    seen, expired = run(simulation, assume.Challenged(CHANNEL), assume.ChallengeExpires(CHANNEL))
    assert [found.order.kind for found in seen.submitted] == ["challenge"]
    assert "challenge-expired" in names(expired)
    assert "challenge-unanswerable" in names(expired)


def test_a_ledger_is_left_with_what_it_carries() -> None:
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    simulation = simulation_of(web.payer)
    silence = assume.Silence(web.row[1].actor.address, 1)
    begun, second, ended = run(simulation, assume.Exit(web.ledgers[0]), silence, DAY)
    submitted = [*begun.submitted, *second.submitted]
    assert [found.order.kind for found in submitted] == ["challenge", "challenge"]
    assert {found.channel_id for found in submitted} == {web.ledgers[0], channel_id}
    assert [found.order.kind.split()[0] for found in ended.submitted] == ["reclaim", "transfer"]
    assert ended.awaited == []
    assert worth(simulation).totals[0].after == BALANCE - 7


def test_a_challenge_that_was_seen_before_runs_on() -> None:
    network = paid_network()
    network.alice.feed(commands.ExitChannel(CHANNEL))
    until(network, network.alice, lambda: bool(network.alice.channel().observed))
    (step,) = simulated(network.alice, assume.ChallengeExpires(CHANNEL))
    assert "challenge-expired" in names(step)
    assert "withdraw-completed" in names(step)
    assert step.awaited == []


def test_an_order_that_was_under_way_is_answered() -> None:
    network = paid_network()
    network.bob.feed(commands.ExitChannel(CHANNEL))
    (step,) = simulated(network.bob, DAY)
    assert names(step).count("withdraw-completed") == 1
    assert step.awaited == []


@pytest.mark.parametrize("turn_num", [2, 3, 7])
def test_a_state_that_nobody_holds_is_refused(turn_num: int) -> None:
    network = paid_network()
    (step,) = simulated(network.bob, assume.Challenged(CHANNEL, turn_num))
    assert step.refusal is not None
    assert step.refusal.name() == "CHALLENGE_IMPOSSIBLE"


def test_what_was_outranked_is_taken_no_more() -> None:
    network = paid_network()
    newest = assume.Challenged(CHANNEL, REDEMPTION_TURN)
    redeemed, older = simulated(network.alice, newest, assume.Challenged(CHANNEL, 1))
    assert redeemed.refusal is None
    assert older.refusal is not None
    assert "turn 1" in str(older.refusal)


def test_only_a_payee_with_a_voucher_of_ours_redeems() -> None:
    network = paid_network()
    alice, bob = network.alice, network.bob
    assert may_redeem(alice.state, alice.channel())
    assert not may_redeem(bob.state, bob.channel())
    assert not redeems_now(alice.state, alice.channel(), 0)
    assert not may_redeem(opened().alice.state, opened().alice.channel())
    with pytest.raises(ChallengeImpossible):
        shown_by_other(bob.state, bob.channel(), REDEMPTION_TURN)


@pytest.mark.parametrize("kind", ["transfer", "reclaim " + CHANNEL.hex()])
def test_what_the_adjudicator_would_refuse_reverts(kind: str) -> None:
    alice = paid_network().alice
    channel = alice.channel()
    assert answer_to(alice.state, channel, kind, 0) is None
