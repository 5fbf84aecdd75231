"""Orders of a simulation: they leave again, and are held back while they are too dear."""

from __future__ import annotations

from node.whatif import assumptions as assume
from protocols import commands
from protocols.exit_plan import GAS
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.exit_rig import until
from tests.support.network import opened
from tests.support.whatif_nodes import names, paid_network, run, simulated, simulation_of, worth

OPEN = assume.Open(BOB.address, DEPOSIT, ZERO_ADDRESS)


def test_orders_to_the_chain_leave_again_as_well() -> None:
    opening, step = simulated(opened().alice, OPEN, assume.Restart(), others_answer=False)
    assert opening.submitted == step.submitted == []
    simulation = simulation_of(opened().alice)
    simulation.chain.is_silent = True
    _, step = run(simulation, OPEN, assume.Restart())
    assert [(found.order.kind, found.is_again) for found in step.submitted] == [("deposit", True)]


def test_a_fee_spike_holds_an_answer_back_until_it_is_over() -> None:
    simulation = simulation_of(paid_network().bob)
    simulation.course.orders.fee_ceiling_wei = 500
    _, challenged, waited, after = run(
        simulation,
        assume.GasPrice(501),
        assume.Challenged(CHANNEL),
        assume.Wait(60),
        assume.GasPrice(500),
    )
    assert [found.is_held_back for found in challenged.submitted] == [True]
    assert names(challenged).count("transaction-held-back") == 1
    assert names(waited) == []
    assert [(one.is_again, one.is_held_back) for one in after.submitted] == [(True, False)]
    assert [one.cost_wei for one in after.submitted] == [500 * GAS["redemption"]]
    assert names(after).count("challenge-registered") == 1


def test_an_answer_that_is_held_back_too_long_is_lost() -> None:
    simulation = simulation_of(paid_network().bob)
    simulation.course.orders.fee_ceiling_wei = 500
    *_, expired = run(
        simulation,
        assume.GasPrice(501),
        assume.Challenged(CHANNEL),
        assume.ChallengeExpires(CHANNEL),
    )
    assert "challenge-expired" in names(expired)
    assert "challenge-unanswerable" in names(expired)
    assert worth(simulation).totals[0].after == 0


def test_each_transaction_is_paid_for_at_the_price_of_its_time() -> None:
    simulation = simulation_of(paid_network().bob)
    run(simulation, assume.GasPrice(3), assume.Exit(CHANNEL), assume.GasPrice(5))
    bill = simulation.course.orders.bill(simulation.course.state)
    assert (bill.call_count, bill.cost_wei) == (1, 3 * GAS["redemption"])
    silent = simulation_of(paid_network().bob, others_answer=False)
    run(silent, assume.GasPrice(3), assume.Exit(CHANNEL), assume.GasPrice(5))
    waiting = silent.course.orders.bill(silent.course.state)
    assert (waiting.call_count, waiting.cost_wei) == (1, 5 * GAS["redemption"])


def test_what_a_fork_takes_back_is_paid_for_once() -> None:
    network = paid_network()
    network.bob.feed(commands.ExitChannel(CHANNEL))
    until(network, network.bob, lambda: bool(network.bob.channel().observed))
    simulation = simulation_of(network.bob)
    run(simulation, assume.GasPrice(3), assume.Reorg(1), assume.Wait(60), assume.Reorg(1_000))
    assert simulation.course.orders.bill(simulation.course.state).call_count == 1
