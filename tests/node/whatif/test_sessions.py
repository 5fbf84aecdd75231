"""Who can be reached in a simulation, and which messages arrive."""

from __future__ import annotations

import pytest

from node.whatif import assumptions as assume
from protocols.objectives.base import WaitingFor
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import opened, pay
from tests.support.whatif_nodes import names, run, simulated, simulation_of

HOUR_S = 3_600
OPEN = assume.Open(BOB.address, DEPOSIT, ZERO_ADDRESS)


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
    simulation.course.sessions.silent.add(BOB.address)
    closing, _ = run(simulation, assume.Close(CHANNEL), assume.Wait(HOUR_S))
    assert [found.waiting_for for found in closing.awaited] == [WaitingFor.SUPPORTED_FINAL_STATE]
    assert "channel-finalized" not in names(closing)
    (back,) = run(simulation, assume.Silence(BOB.address, 1))
    assert "channel-finalized" in names(back)
    assert after.awaited == []


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
