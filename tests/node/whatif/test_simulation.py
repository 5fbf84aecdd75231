"""What would follow from what is assumed, step by step, on a copy."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from node.whatif import assumptions as assume
from node.whatif import peers
from node.whatif.errors import NotPossible
from node.whatif.placeholders import is_placeholder
from node.whatif.simulation import Simulation
from protocols import commands
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, DEPOSIT, open_command
from tests.support.network import Network, opened, pay
from tests.support.web import Web
from tests.support.whatif_nodes import names, rules_of, run, simulated

HOUR_S = 3_600
OPEN = assume.Open(BOB.address, DEPOSIT, ZERO_ADDRESS)
LEDGER = assume.Open(BOB.address, 500, ZERO_ADDRESS, is_ledger=True, counterparty_amount=300)


def test_a_payment_is_recorded_and_sent_and_its_receipt_is_assumed() -> None:
    (step,) = simulated(opened().alice, assume.Payment(CHANNEL, 5))
    assert names(step, assumed=False) == ["voucher-issued", "peer-acknowledged"]
    assert names(step, assumed=True) == ["receipt-received"]
    assert [sent.kind for sent in step.sent] == ["Payment"]
    assert step.awaited == []


def test_a_simulated_payment_is_the_nodes_own_but_for_its_signature() -> None:
    network = opened()
    (step,) = simulated(network.alice, assume.Payment(CHANNEL, 5), others_answer=False)
    network.alice.feed(commands.SendPayment(CHANNEL, 5, step.recorded[0].event.payment_id))
    (issued,) = network.alice.events_of("voucher-issued")
    found: Any = step.recorded[0].event
    assert is_placeholder(found.signature)
    for name in found.__struct_fields__:
        assert name == "signature" or getattr(found, name) == getattr(issued, name)


def test_everything_signed_in_a_simulation_is_a_placeholder() -> None:
    steps = simulated(opened().alice, OPEN, LEDGER, assume.Close(CHANNEL))
    signatures = [
        recorded.event.signature  # type: ignore[attr-defined]
        for step in steps
        for recorded in step.recorded
        if "signature" in recorded.event.__struct_fields__
    ]
    assert len(signatures) == 10
    assert all(map(is_placeholder, signatures))


def test_what_the_node_refuses_is_refused_by_name_and_the_next_is_assumed_all_the_same() -> None:
    too_much, fine = simulated(
        opened().alice, assume.Payment(CHANNEL, DEPOSIT + 1), assume.Payment(CHANNEL, 5)
    )
    assert too_much.refusal is not None
    assert too_much.refusal.name() == "AMOUNT_ABOVE_DEPOSIT"
    assert too_much.recorded == []
    assert "voucher-issued" in names(fine)


@pytest.mark.parametrize("opening", [OPEN, LEDGER])
def test_a_channel_opens_by_itself_when_all_answer(opening: assume.Open) -> None:
    (step,) = simulated(opened().alice, opening)
    assert "objective-completed" in names(step)
    assert [submitted.order.kind for submitted in step.submitted] == ["deposit"]
    assert step.awaited == []


def test_two_hours_of_silence_in_the_middle_of_an_opening_give_it_up() -> None:
    web = Web(1, fees=(7,))
    web.open(1_000)
    hub = web.row[1].actor.address
    (step,) = simulated(web.payer, assume.Silence(hub, 2 * HOUR_S), others_answer=False)
    assert names(step)[0] == "objective-rejected"
    assert step.awaited == []


def test_a_challenge_is_answered_by_whoever_holds_the_end() -> None:
    network = opened()
    (step,) = simulated(network.bob, assume.Challenged(CHANNEL))
    assert "challenge-registered" in names(step)
    _, paid = simulated(network.bob, assume.Challenged(CHANNEL), assume.Payment(CHANNEL, 5))
    assert "voucher-refused" in names(paid)


def test_what_a_peer_proposed_can_be_decided_on() -> None:
    network = Network(verdict="ask")
    network.alice.feed(open_command())
    network.settle()
    (objective_id,) = network.bob.state.unapproved
    (approved,) = simulated(network.bob, assume.Decide(objective_id, approves=True))
    assert "objective-completed" in names(approved)
    (rejected,) = simulated(network.bob, assume.Decide(objective_id, approves=False))
    assert "objective-rejected" in names(rejected)


def test_what_was_under_way_goes_on_when_others_answer() -> None:
    network = Network()
    network.alice.feed(open_command())
    (step,) = simulated(network.alice, assume.Wait(60))
    assert "objective-completed" in names(step)


def test_what_breaks_the_nodes_own_rules_is_no_bug_of_the_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*args: object) -> list[bytes]:
        raise AssertionError("no honest peer says that")

    monkeypatch.setattr(peers, "answer", breaks)
    with pytest.raises(NotPossible, match="no honest peer says that"):
        simulated(opened().alice, assume.Payment(CHANNEL, 5))


@pytest.mark.parametrize("place", ["alice", "bob"])
def test_a_channel_that_is_being_left_can_be_simulated(place: str) -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    node = getattr(network, place)
    node.feed(commands.ExitChannel(CHANNEL))
    (step,) = simulated(node, assume.Wait(60), others_answer=False)
    assert step.refusal is None
    assert {found.objective_type for found in step.awaited} == {"Exit", "Challenge"}


def test_an_exit_that_the_policy_begins_can_be_simulated() -> None:
    network = opened()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    rules = replace(rules_of(network.alice), challenge_after_silence_s=HOUR_S)
    simulation = Simulation(network.alice.state, rules, others_answer=False)
    (step,) = run(simulation, assume.Wait(2 * HOUR_S))
    assert step.refusal is None
    assert [found.order.kind for found in step.submitted] == ["challenge"]
