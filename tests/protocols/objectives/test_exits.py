"""Leaving alone, in one go: what comes home is at least what the signed material is worth (M22)."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import REDEMPTION_TURN, ChannelStatus, status
from protocols.exit_errors import ChannelIsFinal, NothingToLeave
from protocols.objectives.base import ObjectiveType, newest
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S, open_command
from tests.support.exit_rig import (
    exit_value_of,
    is_completed,
    leave,
    paid_to,
    step,
    until,
    wait_out,
)
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.model_adjudicator import Kept
from tests.support.network import CoreNode, Network, opened, pay


def paid_network(amount: int = 30) -> Network:
    network = opened(depth=2)
    pay(network, amount, 1)
    network.settle()
    return network


def test_the_payee_gets_its_largest_voucher() -> None:
    network = paid_network()
    worth = exit_value_of(network.bob)
    leave(network, network.bob, CHANNEL)
    assert paid_to(network, network.bob) == worth == 30
    assert status(network.bob.channel()) == ChannelStatus.CLOSED
    assert network.bob.fold().digest() == network.bob.state.digest()


def test_the_payer_gets_back_what_nobody_redeemed() -> None:
    network = paid_network()
    worth = exit_value_of(network.alice)
    leave(network, network.alice, CHANNEL)
    assert paid_to(network, network.alice) == DEPOSIT >= worth


def test_a_payee_that_is_there_redeems_against_the_payers_exit() -> None:
    network = paid_network()
    both = (network.alice, network.bob)
    network.alice.feed(commands.ExitChannel(CHANNEL))
    while network.chain.disputes.kept.get(CHANNEL, Kept()).turn_num != REDEMPTION_TURN:
        step(network, *both)
    network.chain.pass_time(DURATION_S)
    while not all(is_completed(node, ObjectiveType.WITHDRAW, CHANNEL) for node in both):
        step(network, *both)
    assert (paid_to(network, network.alice), paid_to(network, network.bob)) == (DEPOSIT - 30, 30)


@pytest.mark.parametrize("index", [0, 1])
def test_a_ledger_is_left_with_what_was_agreed_last(index: int) -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    node = (network.alice, network.bob)[index]
    worth = exit_value_of(node)
    leave(network, node, LEDGER)
    assert paid_to(network, node) == worth == (800, 700)[index]


def test_a_channel_that_never_opened_is_left_with_the_deposit() -> None:
    network = Network(depth=0)
    network.alice.feed(open_command())
    network.deliver(network.alice)
    network.deliver(network.bob)
    until(network, network.alice, lambda: bool(network.chain.held.get(CHANNEL)))
    leave(network, network.alice, CHANNEL)
    assert paid_to(network, network.alice) == DEPOSIT
    opening = newest(network.alice.state.objectives, ObjectiveType.DIRECT_FUND, CHANNEL)
    assert opening is not None
    assert (opening.status, opening.success) == ("completed", False)


def test_a_second_wish_to_leave_is_the_first_one() -> None:
    network = paid_network()
    first = network.bob.feed(commands.ExitChannel(CHANNEL, "r1"))
    assert [e.objective_type for e in first.events if e.NAME == "objective-created"] == [
        "Exit",
        "Challenge",
    ]
    again = network.bob.feed(commands.ExitChannel(CHANNEL, "r2"))
    assert [event.NAME for event in again.events] == ["request-recorded"]


def test_what_cannot_be_left_is_refused_by_name() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    with pytest.raises(NothingToLeave):
        alice.feed(commands.ExitChannel(CHANNEL))
    network = paid_network()
    leave(network, network.bob, CHANNEL)
    with pytest.raises(NothingToLeave):
        network.bob.feed(commands.ExitChannel(CHANNEL))


def test_a_final_channel_is_withdrawn_from_and_not_challenged() -> None:
    network = paid_network()
    network.bob.feed(commands.ChallengeChannel(CHANNEL))
    wait_out(network, network.bob, CHANNEL)
    until(network, network.bob, lambda: network.bob.channel().chain_status == "expired")
    with pytest.raises(ChannelIsFinal):
        network.bob.feed(commands.ChallengeChannel(CHANNEL))
    network.bob.feed(commands.ExitChannel(CHANNEL))
    until(network, network.bob, lambda: is_completed(network.bob, ObjectiveType.EXIT, CHANNEL))
    assert paid_to(network, network.bob) == 30


def test_closing_together_stays_possible_while_a_challenge_runs() -> None:
    network = paid_network()
    alice, bob = network.alice, network.bob
    bob.feed(commands.ExitChannel(CHANNEL))
    until(network, bob, lambda: status(bob.channel()) == ChannelStatus.CHALLENGED)
    # The payer was only away: both agree on the end, and nobody waits for the challenge.
    alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    for _ in range(5):
        step(network, alice, bob)
    assert (paid_to(network, alice), paid_to(network, bob)) == (DEPOSIT - 30, 30)
    assert bob.channel().chain_status == "concluded"
    assert is_completed(bob, ObjectiveType.EXIT, CHANNEL)
    assert status(alice.channel()) == ChannelStatus.CLOSED
