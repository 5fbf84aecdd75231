"""The copy that a simulation runs on: bounded, and seen by nobody."""

from __future__ import annotations

import weakref

import pytest

from node.whatif import assumptions as assume
from node.whatif import course
from node.whatif.errors import TooLarge
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import opened, pay
from tests.support.whatif_nodes import names, run, simulated, simulation_of

OPEN = assume.Open(BOB.address, DEPOSIT, ZERO_ADDRESS)


@pytest.mark.parametrize(
    "assumption",
    [
        assume.Payment(b"\x0f" * 32, 5),
        assume.Close(b"\x0f" * 32),
        assume.NoDeposit(b"\x0f" * 32, 5),
        assume.Concluded(b"\x0f" * 32),
    ],
)
def test_a_channel_that_nobody_knows_is_refused(assumption: assume.Assumption) -> None:
    (step,) = simulated(opened().alice, assumption)
    assert step.refusal is not None
    assert step.refusal.name() == "UNKNOWN_CHANNEL"


def test_too_many_events_end_a_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "EVENT_COUNT_MAX", 3)
    with pytest.raises(TooLarge, match="4 events"):
        simulated(opened().alice, OPEN)


def test_the_node_goes_on_and_the_simulation_does_not_see_it() -> None:
    network = opened()
    expected = [names(step) for step in simulated(network.alice, assume.Payment(CHANNEL, 5), OPEN)]
    simulation = simulation_of(network.alice)
    found, number = [], 0
    for step in simulation.steps([assume.Payment(CHANNEL, 5), OPEN]):
        number += 1
        pay(network, 3, number)
        network.settle()
        if step is not None:
            found.append(names(step))
    assert number > 10
    assert found == expected
    assert network.alice.channel().vouchers.total == 3 * number
    assert network.alice.actor is ALICE


def test_a_simulation_that_nobody_holds_any_more_is_gone_at_once() -> None:
    """Its copy pins what it was made from: nothing in it may wait for the garbage collector."""
    simulation = simulation_of(opened().alice)
    run(simulation, OPEN)
    gone = weakref.ref(simulation.course)
    del simulation
    assert gone() is None
