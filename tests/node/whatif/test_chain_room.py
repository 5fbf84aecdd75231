"""What the chain does in a simulation: with our orders, and of its own."""

from __future__ import annotations

from node.whatif import assumptions as assume
from protocols import commands
from protocols.objectives.base import WaitingFor
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, open_command
from tests.support.exit_rig import until
from tests.support.network import Network, opened, pay
from tests.support.whatif_nodes import names, paid_network, run, simulated, simulation_of

HOUR_S = 3_600
LEDGER = assume.Open(BOB.address, 500, ZERO_ADDRESS, is_ledger=True, counterparty_amount=300)


def test_a_deposit_that_never_comes_is_waited_for() -> None:
    network = opened()
    silent = simulation_of(network.alice, others_answer=False)
    (proposed,) = run(silent, LEDGER)
    (ledger_id,) = {found.channel_id for found in proposed.awaited}
    simulation = simulation_of(network.alice)
    simulation.chain.no_deposit.add(ledger_id)
    opened_half, waited = run(simulation, LEDGER, assume.NoDeposit(ledger_id, 2 * HOUR_S))
    assert [found.waiting_for for found in opened_half.awaited] == [WaitingFor.COMPLETE_FUNDING]
    assert [found.waiting_for for found in waited.awaited] == [WaitingFor.COMPLETE_FUNDING]
    assert waited.time_ms - opened_half.time_ms == 2 * HOUR_S * 1_000


def test_without_the_chain_no_payment_is_safe() -> None:
    _, step = simulated(
        opened().alice, assume.ChainSilence(12 * HOUR_S), assume.Payment(CHANNEL, 5)
    )
    # The chain is back by then.
    assert step.refusal is None
    simulation = simulation_of(opened().alice)
    simulation.chain.is_silent = True
    _, refused = run(simulation, assume.Wait(12 * HOUR_S), assume.Payment(CHANNEL, 5))
    assert refused.refusal is not None
    assert refused.refusal.name() == "CHAIN_VIEW_STALE"


def test_a_close_is_concluded_and_paid_out() -> None:
    for place, kinds in (("alice", ["conclude"]), ("bob", [])):
        network = opened()
        pay(network, 30, 1)
        network.settle()
        (step,) = simulated(getattr(network, place), assume.Close(CHANNEL))
        assert [found.order.kind for found in step.submitted] == kinds
        assert names(step).count("withdraw-completed") == 2
        assert step.awaited == []


def test_a_strangers_deposit_and_a_strangers_conclusion_are_seen() -> None:
    deposited, concluded = simulated(
        opened().alice, assume.Deposited(CHANNEL, 7), assume.Concluded(CHANNEL)
    )
    assert "deposit-detected" in names(deposited)
    assert "channel-concluded" in names(concluded)


def test_an_order_that_was_under_way_is_mined() -> None:
    network = Network()
    network.alice.feed(open_command())
    network.deliver(network.alice)
    network.acknowledge(network.bob)
    network.deliver(network.bob)
    assert network.alice.submissions, "the deposit was ordered"
    (step,) = simulated(network.alice, assume.Wait(60))
    assert "deposit-detected" in names(step)
    assert "objective-completed" in names(step)


def seen_network() -> Network:
    """Alice leaves: her challenge is seen, and not confirmed."""
    network = paid_network()
    network.alice.feed(commands.ExitChannel(CHANNEL))
    until(network, network.alice, lambda: bool(network.alice.channel().observed))
    return network


def test_a_fork_takes_back_what_is_not_confirmed_and_it_is_mined_again() -> None:
    alice = seen_network().alice
    alone = simulation_of(alice, others_answer=False)
    (step,) = run(alone, assume.Reorg(1))
    assert names(step) == ["chain-reorged"]
    assert alone.course.state.channels[CHANNEL].observed == ()
    assert {found.waiting_for for found in step.awaited} >= {"challenge-registration"}
    simulation = simulation_of(alice)
    (again,) = run(simulation, assume.Reorg(1))
    assert names(again)[0] == "chain-reorged"
    assert "channel-halted" not in names(again)
    assert "challenge-registered" in names(again)


def test_a_fork_below_what_counted_halts_until_the_chain_has_it_again() -> None:
    alice = paid_network().alice
    (halted,) = simulated(alice, assume.Reorg(1_000), others_answer=False)
    assert names(halted) == ["chain-reorged", "channel-halted"]
    (lifted,) = simulated(alice, assume.Reorg(1_000))
    assert names(lifted)[2:] == ["holdings-read", "channel-halt-lifted"]
