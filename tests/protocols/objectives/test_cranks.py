"""How objectives are cranked: what they wait for, and the fact of each crank."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.objectives.base import ObjectiveType, WaitingFor
from protocols.objectives.cranks import waiting_for
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    CHANNEL,
    open_command,
    proposal,
)
from tests.support.network import CoreNode, Said, opened


def test_the_condition_that_is_awaited_is_computed_from_a_copy() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    objective = alice.objective(ObjectiveType.DIRECT_FUND)
    before = alice.state.digest()
    assert waiting_for(alice.state, objective, alice.context()) == WaitingFor.COMPLETE_PREFUND
    assert alice.state.digest() == before


@pytest.mark.parametrize(
    ("verdict", "expected"), [("ask", WaitingFor.APPROVAL), ("deny", WaitingFor.NOTHING)]
)
def test_an_objective_without_approval_waits_for_it_or_for_nothing(
    verdict: str, expected: WaitingFor
) -> None:
    bob = CoreNode(BOB, verdict=verdict)
    bob.feed(Said(ALICE, proposal()))
    objective = bob.objective(ObjectiveType.DIRECT_FUND)
    assert waiting_for(bob.state, objective, bob.context()) == expected


def test_a_completed_close_waits_for_nothing() -> None:
    network = opened()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    for node in network.nodes.values():
        for objective in node.state.objectives_of(CHANNEL):
            assert waiting_for(node.state, objective, node.context()) == WaitingFor.NOTHING


def test_a_crank_is_recorded_with_its_effects_and_whether_it_waits() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    (fact,) = alice.events_of("objective-cranked")
    assert (fact.side_effects_count, fact.waiting) == (1, True)
    network = opened()
    last = network.alice.events_of("objective-cranked")[-1]
    assert not last.waiting
