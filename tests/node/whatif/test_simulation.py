"""What would follow from what is assumed, step by step, on a copy."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from node.whatif import assumptions as assume
from node.whatif import simulation as room
from node.whatif.errors import NotPossible, TooLarge
from node.whatif.placeholders import is_placeholder
from protocols import inputs
from protocols.objectives.base import WaitingFor
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, open_command
from tests.support.network import Network, opened, pay
from tests.support.web import Web
from tests.support.whatif_nodes import names, rules_of, run, simulated, simulation_of

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
    network.alice.feed(inputs.SendPayment(CHANNEL, 5, step.recorded[0].event.payment_id))
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


@pytest.mark.parametrize("opening", [OPEN, LEDGER])
def test_a_channel_opens_by_itself_when_all_answer(opening: assume.Open) -> None:
    (step,) = simulated(opened().alice, opening)
    assert "objective-completed" in names(step)
    assert [submitted.order.kind for submitted in step.submitted] == ["deposit"]
    assert step.awaited == []


def test_a_deposit_that_never_comes_is_waited_for() -> None:
    network = opened()
    silent = simulation_of(network.alice, others_answer=False)
    (proposed,) = run(silent, LEDGER)
    (ledger_id,) = {found.channel_id for found in proposed.awaited}
    simulation = simulation_of(network.alice)
    simulation._no_deposit.add(ledger_id)
    opened_half, waited = run(simulation, LEDGER, assume.NoDeposit(ledger_id, 2 * HOUR_S))
    assert [found.waiting_for for found in opened_half.awaited] == [WaitingFor.COMPLETE_FUNDING]
    assert [found.waiting_for for found in waited.awaited] == [WaitingFor.COMPLETE_FUNDING]
    assert waited.time_ms - opened_half.time_ms == 2 * HOUR_S * 1_000


def test_a_silent_peer_answers_once_it_is_back() -> None:
    alice = opened().alice
    asked, silence, after = simulated(
        alice,
        assume.Silence(BOB.address, 60),
        assume.Close(CHANNEL),
        assume.Wait(1),
    )
    assert names(asked) == []
    assert "channel-finalized" in names(silence)
    simulation = simulation_of(alice)
    simulation._silent.add(BOB.address)
    closing, _ = run(simulation, assume.Close(CHANNEL), assume.Wait(HOUR_S))
    assert [found.waiting_for for found in closing.awaited] == [WaitingFor.SUPPORTED_FINAL_STATE]
    assert "channel-finalized" not in names(closing)
    (back,) = run(simulation, assume.Silence(BOB.address, 1))
    assert "channel-finalized" in names(back)
    assert after.awaited == []


def test_two_hours_of_silence_in_the_middle_of_an_opening_give_it_up() -> None:
    web = Web(1, fees=(7,))
    channel_id = web.open(1_000)
    hub = web.row[1].actor.address
    (step,) = simulated(web.payer, assume.Silence(hub, 2 * HOUR_S), others_answer=False)
    assert "unwinding-asked" in names(step) or "objective-rejected" in names(step)
    assert {found.channel_id for found in step.awaited} <= {channel_id}


def test_without_the_chain_no_payment_is_safe() -> None:
    _, step = simulated(
        opened().alice, assume.ChainSilence(12 * HOUR_S), assume.Payment(CHANNEL, 5)
    )
    # The chain is back by then.
    assert step.refusal is None
    simulation = simulation_of(opened().alice)
    simulation._chain_is_silent = True
    _, refused = run(simulation, assume.Wait(12 * HOUR_S), assume.Payment(CHANNEL, 5))
    assert refused.refusal is not None
    assert refused.refusal.name() == "CHAIN_VIEW_STALE"


def test_after_a_restart_everything_unacknowledged_leaves_again() -> None:
    network = opened()
    pay(network, 5, 1)
    _, step = simulated(
        network.alice, assume.Payment(CHANNEL, 7), assume.Restart(), others_answer=False
    )
    sequences = [sent.sequence for sent in step.sent]
    peer = network.alice.peer(BOB.address)
    assert sequences == [peer.acknowledged + 1, peer.acknowledged + 2]
    assert all(sent.is_again for sent in step.sent)
    assert [sent.kind for sent in step.sent] == ["", "Payment"]


def test_orders_to_the_chain_leave_again_as_well() -> None:
    opening, step = simulated(opened().alice, OPEN, assume.Restart(), others_answer=False)
    assert opening.submitted == step.submitted == []
    simulation = simulation_of(opened().alice)
    simulation._chain_is_silent = True
    _, step = run(simulation, OPEN, assume.Restart())
    assert [(found.order.kind, found.is_again) for found in step.submitted] == [("deposit", True)]


def test_messages_that_were_lost_leave_again_to_that_peer() -> None:
    _, step = simulated(
        opened().alice,
        assume.Payment(CHANNEL, 5),
        assume.MessagesLost(BOB.address),
        others_answer=False,
    )
    assert [(sent.peer, sent.is_again) for sent in step.sent] == [(BOB.address, True)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_lost_message_breaks_the_session_and_leaves_again(number: int) -> None:
    """With it all that was sent behind it; what it led to comes later and is the same."""
    network = opened()
    first = network.alice.peer(BOB.address).sent + 1
    lost = assume.MessageLost(BOB.address, number)
    paid = [assume.Payment(CHANNEL, 7)] * 3
    announced, *steps = simulated(network.alice, lost, *paid)
    assert announced.sent == []
    for place, step in enumerate(steps, 1):
        told = [(sent.sequence - first + 1, sent.is_lost, sent.is_again) for sent in step.sent]
        once = [(place, False, False)]
        assert told == ([(place, True, False), (place, False, True)] if place == number else once)
        assert names(step)[-2:] == ["receipt-received", "peer-acknowledged"]
    *_, last = simulated(network.alice, *paid)
    assert names(steps[2]) == names(last)


def test_what_is_sent_behind_a_lost_message_waits_for_the_session_too() -> None:
    network = opened()
    lost = assume.MessageLost(BOB.address, 1)
    _, step = simulated(network.alice, lost, OPEN)
    is_lost = [sent.is_lost for sent in step.sent if not sent.is_again]
    again = [sent for sent in step.sent if sent.is_again]
    assert is_lost[: len(again)] == [True] * len(again)
    assert again
    assert step.awaited == simulated(network.alice, OPEN)[0].awaited


def test_without_answers_a_lost_message_leaves_again_and_nothing_else_happens() -> None:
    network = opened()
    lost = assume.MessageLost(BOB.address, 2)
    paid = assume.Payment(CHANNEL, 7)
    _, one, two = simulated(network.alice, lost, paid, paid, others_answer=False)
    assert names(one) == names(two) == ["voucher-issued"]
    assert [sent.is_again for sent in two.sent[:2]] == [False, True]


def test_a_close_is_concluded_and_paid_out() -> None:
    for place, kinds in (("alice", ["conclude"]), ("bob", [])):
        network = opened()
        pay(network, 30, 1)
        network.settle()
        (step,) = simulated(getattr(network, place), assume.Close(CHANNEL))
        assert [found.order.kind for found in step.submitted] == kinds
        assert names(step).count("withdraw-completed") == 2
        assert step.awaited == []


def test_a_challenge_is_answered_by_whoever_holds_the_end() -> None:
    network = opened()
    (step,) = simulated(network.bob, assume.Challenged(CHANNEL))
    assert "challenge-registered" in names(step)
    _, paid = simulated(network.bob, assume.Challenged(CHANNEL), assume.Payment(CHANNEL, 5))
    assert "voucher-refused" in names(paid)


def test_a_strangers_deposit_and_a_strangers_conclusion_are_seen() -> None:
    deposited, concluded = simulated(
        opened().alice, assume.Deposited(CHANNEL, 7), assume.Concluded(CHANNEL)
    )
    assert "deposit-detected" in names(deposited)
    assert "channel-concluded" in names(concluded)


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


def test_too_many_events_end_a_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "EVENT_COUNT_MAX", 3)
    with pytest.raises(TooLarge, match="4 events"):
        simulated(opened().alice, OPEN)


def test_what_breaks_the_nodes_own_rules_is_no_bug_of_the_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*args: object) -> list[bytes]:
        raise AssertionError("no honest peer says that")

    monkeypatch.setattr(room.peers, "answer", breaks)
    with pytest.raises(NotPossible, match="no honest peer says that"):
        simulated(opened().alice, assume.Payment(CHANNEL, 5))


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


@pytest.mark.parametrize("place", ["alice", "bob"])
def test_a_channel_that_is_being_left_can_be_simulated(place: str) -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    node = getattr(network, place)
    node.feed(inputs.ExitChannel(CHANNEL))
    (step,) = simulated(node, assume.Wait(60), others_answer=False)
    assert step.refusal is None
    assert {found.objective_type for found in step.awaited} == {"Exit", "Challenge"}


def test_an_exit_that_the_policy_begins_can_be_simulated() -> None:
    network = opened()
    network.alice.feed(inputs.CloseChannel(CHANNEL))
    rules = replace(rules_of(network.alice), challenge_after_silence_s=HOUR_S)
    simulation = room.Simulation(network.alice.state, rules, others_answer=False)
    (step,) = run(simulation, assume.Wait(2 * HOUR_S))
    assert step.refusal is None
    assert [found.order.kind for found in step.submitted] == ["challenge"]
