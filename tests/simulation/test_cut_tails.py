"""After a cut tail (M27) every channel still ends, with the split that was signed.

Each test forgets one answer of one node that had left already, lets it start again, and brings
both together. Nobody may wait for ever for what only the other one remembers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols import commands, events
from protocols.channel import ChannelStatus, status
from protocols.objectives.base import ObjectiveStatus, ObjectiveType
from protocols.objectives.directdefund import CONCLUDE_FALLBACK_MS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, open_command
from tests.support.network import CoreNode, Network, opened, pay

CLOSE = commands.CloseChannel(CHANNEL)
PAID = 30


def paid() -> Network:
    """Three payments of 10 were made and receipted."""
    network = opened()
    for number in (1, 2, 3):
        pay(network, 10, number)
    network.settle()
    return network


def hand_over(network: Network, sender: CoreNode, *, acknowledged: bool) -> None:
    """Everything that waits reaches the other side."""
    for index in range(network.waiting(sender)):
        network.deliver(sender, index)
    if acknowledged:
        network.acknowledge(network.other(sender))


def come_together(network: Network) -> None:
    """A session, and time for everybody who waits for time."""
    network.reconnect()
    network.settle()
    for _ in range(3):
        network.wait(CONCLUDE_FALLBACK_MS)
        network.tick()
        network.settle()


def signs_no_turn_twice(node: CoreNode) -> None:
    """M6, across what was forgotten: one state for a turn, ever."""
    signed: dict[int, bytes] = {}
    for event in (*node.lost, *(event for _, event in node.log)):
        if isinstance(event, events.StateSigned):
            first = signed.setdefault(event.turn_num, event.state_hash)
            assert first == event.state_hash, f"two states of turn {event.turn_num}"


def ends(network: Network, to_payee: int = PAID) -> None:
    """The channel is closed for both, nothing is under way, and the chain paid the split."""
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED
        close = node.objective(ObjectiveType.DIRECT_DEFUND)
        assert close.status == ObjectiveStatus.COMPLETED
        assert network.waiting(node) == 0
        signs_no_turn_twice(node)
        # A receipt for a payment that was forgotten looks like a fault, and so does a final state
        # of a payer who forgot that both had signed one.
        faults = [fact.reason for fact in node.events_of("message-dropped")]
        known = ("RECEIPT_WRONG", "STATE_REFUSED: state of turn 19")
        assert all(reason.startswith(known) for reason in faults), faults
    expected = {ALICE.address: DEPOSIT - to_payee, BOB.address: to_payee}
    assert network.chain.paid == {who: amount for who, amount in expected.items() if amount}


# --- closing ---


def test_a_payer_who_forgot_a_request_and_her_final_state_is_asked_again() -> None:
    network = paid()
    network.bob.feed(CLOSE)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.alice)
    assert status(network.alice.channel()) == ChannelStatus.OPEN
    come_together(network)
    ends(network)


def test_a_payer_who_forgot_a_final_state_that_arrived_closes_with_the_same_one() -> None:
    network = paid()
    network.alice.feed(CLOSE)
    hand_over(network, network.alice, acknowledged=False)
    network.cut_tail(network.alice)
    come_together(network)
    ends(network)
    (forgotten,) = (e.state_hash for e in network.alice.lost if e.NAME == "state-signed")
    signed_again = network.alice.events_of("state-signed")[-1]
    assert signed_again.state_hash == forgotten


@pytest.mark.parametrize("arrived_count", [0, 1, 2])
@pytest.mark.parametrize("asked", [False, True])
def test_a_payer_who_forgot_a_voucher_and_her_final_state_signs_no_other_for_its_turn(
    arrived_count: int, asked: bool
) -> None:
    network = paid()
    if asked:
        network.bob.feed(CLOSE)
    pay(network, 10, 4)
    network.alice.feed(CLOSE)
    for index in range(arrived_count):
        network.deliver(network.alice, index)
    network.cut_tail(network.alice, 2)
    assert network.alice.channel().vouchers.total == PAID
    come_together(network)
    network.bob.feed(CLOSE)
    come_together(network)
    ends(network, PAID + (10 if arrived_count else 0))


def test_a_payee_who_forgot_its_final_signature_is_told_the_final_state_again() -> None:
    network = paid()
    network.alice.feed(CLOSE)
    hand_over(network, network.alice, acknowledged=True)
    network.cut_tail(network.bob)
    assert status(network.bob.channel()) == ChannelStatus.OPEN
    come_together(network)
    ends(network)


def test_a_payee_who_forgot_that_it_asked_asks_when_the_payer_does() -> None:
    network = paid()
    network.bob.feed(CLOSE)
    network.cut_tail(network.bob)
    network.cut_tail(network.alice)
    network.alice.feed(CLOSE)
    come_together(network)
    ends(network)


def test_a_payer_who_forgot_the_payees_signature_gets_it_again() -> None:
    network = paid()
    network.alice.feed(CLOSE)
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.alice)
    come_together(network)
    ends(network)


# --- numbers ---


def test_a_payer_who_forgot_a_payment_closes_before_the_session_is_up() -> None:
    """Her request to close takes the number of the forgotten payment, which BOB has."""
    network = paid()
    alice, bob = network.alice, network.bob
    pay(network, 10, 4)
    hand_over(network, alice, acknowledged=False)
    network.cut_tail(alice)
    assert alice.channel().vouchers.total == PAID
    alice.feed(CLOSE)
    assert alice.outbox[BOB.address][-1].sequence == bob.peer(ALICE.address).received
    come_together(network)
    ends(network, PAID + 10)


def test_a_payment_that_only_the_payer_forgot_is_paid_out() -> None:
    network = paid()
    pay(network, 10, 4)
    hand_over(network, network.alice, acknowledged=False)
    network.cut_tail(network.alice)
    network.reconnect()
    network.bob.feed(CLOSE)
    come_together(network)
    ends(network, PAID + 10)


def test_a_payment_that_only_the_payee_forgot_is_paid_out() -> None:
    network = paid()
    pay(network, 10, 4)
    hand_over(network, network.alice, acknowledged=True)
    network.cut_tail(network.bob)
    come_together(network)
    network.bob.feed(CLOSE)
    come_together(network)
    ends(network, PAID + 10)


# --- opening ---


def closes_after_opening(network: Network) -> None:
    """The channel is open for both, pays, and closes."""
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.OPEN
        assert node.objective(ObjectiveType.DIRECT_FUND).success
    pay(network, PAID, 1)
    network.settle()
    network.alice.feed(CLOSE)
    come_together(network)
    ends(network)


def test_a_payee_who_forgot_the_proposal_opens_the_channel_that_the_payer_funds() -> None:
    network = Network()
    network.alice.feed(open_command())
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.bob, 2)
    assert not network.bob.state.channels
    network.work_on_chain(network.alice)
    come_together(network)
    assert network.chain.held == {CHANNEL: DEPOSIT}
    closes_after_opening(network)


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("seen_count", [1, 2, 4])
def test_a_deposit_that_passed_while_the_channel_was_forgotten_is_counted(
    depth: int, seen_count: int
) -> None:
    network = Network(depth=depth)
    network.alice.feed(open_command())
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.bob, 2)
    while network.work_on_chain(network.alice):
        network.hear_of_chain(network.alice)
    for _ in range(seen_count):
        network.chain.mine()
    while network.hear_of_chain(network.bob):
        pass
    assert network.bob.state.node.processed_block_num == max(-1, seen_count - depth or -1)
    come_together(network)
    assert network.chain.held == {CHANNEL: DEPOSIT}
    assert network.bob.peer(ALICE.address).fault_count == 0
    closes_after_opening(network)


def test_a_stranger_who_deposits_before_and_after_the_channel_is_told_again_changes_nothing() -> (
    None
):
    network = Network(depth=1)
    network.alice.feed(open_command())
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.bob, 2)
    for amount in (7, 8):
        network.chain.stranger_deposits(CHANNEL, amount)
        network.chain.mine()
    while network.hear_of_chain(network.bob):
        pass
    network.reconnect()
    hand_over(network, network.alice, acknowledged=True)
    network.chain.stranger_deposits(CHANNEL, 9)
    network.chain.mine()
    come_together(network)
    assert network.chain.held == {CHANNEL: DEPOSIT}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.OPEN


def postfund_of(name: str) -> Callable[[Network], None]:
    """Opens up to the moment at which that node has just answered with its postfund."""

    def reach(network: Network) -> None:
        network.alice.feed(open_command())
        while not getattr(network, name).events_of("objective-completed"):
            for node in network.nodes.values():
                hand_over(network, node, acknowledged=True)
                network.work_on_chain(node)
                network.hear_of_chain(node)
            network.chain.mine()

    return reach


@pytest.mark.parametrize("completes", ["alice", "bob"])
@pytest.mark.parametrize("forgets", ["alice", "bob"])
def test_whoever_forgets_the_end_of_the_opening_reaches_it_again(
    completes: str, forgets: str
) -> None:
    network = Network()
    postfund_of(completes)(network)
    network.cut_tail(getattr(network, forgets))
    come_together(network)
    network.bob.feed(CLOSE)
    come_together(network)
    ends(network, 0)


def test_an_owner_who_approves_once_more_opens_the_channel_that_the_payer_funded() -> None:
    network = Network(verdict="ask")
    network.alice.feed(open_command())
    network.settle()
    fund = network.bob.objective(ObjectiveType.DIRECT_FUND).objective_id
    network.bob.feed(commands.ApproveObjective(fund))
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.bob, 2)
    come_together(network)
    assert network.alice.channel().signed_by_me(1)
    assert not network.bob.channel().signed_by_me(0)
    network.bob.feed(commands.ApproveObjective(fund))
    come_together(network)
    network.bob.feed(CLOSE)
    come_together(network)
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED
    assert network.chain.paid == {ALICE.address: DEPOSIT}


# --- refused final states ---


def refused_once() -> Network:
    """ALICE forgot her last payment and signed what an older request of BOB's showed."""
    network = paid()
    network.bob.feed(CLOSE)
    pay(network, 10, 4)
    hand_over(network, network.alice, acknowledged=False)
    network.cut_tail(network.alice)
    network.reconnect()
    return network


def test_a_refusal_that_was_forgotten_is_said_again() -> None:
    network = refused_once()
    hand_over(network, network.bob, acknowledged=True)
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.alice)
    come_together(network)
    assert network.chain.paid == {ALICE.address: DEPOSIT - PAID - 10, BOB.address: PAID + 10}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED


def test_a_payee_who_forgot_what_it_refused_is_offered_it_again() -> None:
    network = refused_once()
    hand_over(network, network.bob, acknowledged=True)
    hand_over(network, network.alice, acknowledged=True)
    network.cut_tail(network.bob)
    come_together(network)
    assert network.chain.paid == {ALICE.address: DEPOSIT - PAID - 10, BOB.address: PAID + 10}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED


def test_a_payee_who_forgot_a_refusal_that_arrived_refuses_again_and_takes_the_next_turn() -> None:
    network = refused_once()
    hand_over(network, network.bob, acknowledged=True)
    hand_over(network, network.alice, acknowledged=True)
    hand_over(network, network.bob, acknowledged=True)
    network.cut_tail(network.bob, 3)
    assert network.alice.channel().refused_turns == (19,)
    assert network.bob.channel().refused_turns == ()
    come_together(network)
    assert network.chain.paid == {ALICE.address: DEPOSIT - PAID - 10, BOB.address: PAID + 10}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED
