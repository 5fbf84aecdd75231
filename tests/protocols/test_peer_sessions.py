"""Sessions: what a peer acknowledges, and where both go on after a tail was cut."""

from __future__ import annotations

import pytest

from protocols import commands, inputs, messages
from protocols.delivery import RESUME_JUMP_MAX, SEQUENCE_MAX
from protocols.peer_sessions import is_loss, shared_channel_count
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import (
    CHANNEL,
    final_request,
    open_command,
)
from tests.support.network import CoreNode, opened, pay
from tests.support.playbook import Playbook, names
from tests.support.web import Web


def test_an_acknowledgement_covers_everything_up_to_its_number() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(open_command(nonce_entropy=b"next"))
    alice.now_ms += 40
    assert (
        Playbook(alice)
        >> inputs.PeerAck(BOB.address, 2)
        << "peer-acknowledged, message-acked, message-acked"
        >> inputs.PeerAck(BOB.address, 2)
        >> inputs.PeerAck(BOB.address, 1)
    )
    assert alice.peer(BOB.address).pending == ()
    assert alice.outbox[BOB.address] == []
    assert {fact.roundtrip_ms for fact in alice.events_of("message-acked")} == {40}


def test_a_part_is_acknowledged_and_the_rest_waits() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(open_command(nonce_entropy=b"next"))
    assert names(alice.feed(inputs.PeerAck(BOB.address, 1))) == [
        "peer-acknowledged",
        "message-acked",
    ]
    assert [sent.sequence for sent in alice.outbox[BOB.address]] == [2]


def test_an_acknowledgement_beyond_what_was_sent_is_ignored() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    for sequence in (2, 100, 2**63):
        assert names(alice.feed(inputs.PeerAck(BOB.address, sequence))) == []
    assert names(alice.feed(inputs.PeerAck(IRENE.address, 1))) == []


def test_a_clock_that_went_back_makes_no_negative_roundtrip() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.now_ms -= 5_000
    alice.feed(inputs.PeerAck(BOB.address, 1))
    assert alice.events_of("message-acked")[0].roundtrip_ms == 0


def test_a_payment_is_acknowledged_without_a_message_event() -> None:
    network = opened()
    pay(network, 10, 1)
    network.deliver(network.alice)
    network.acknowledge(network.bob)
    acked = network.alice.log[-1][1]
    assert acked.NAME == "peer-acknowledged"
    assert network.waiting(network.alice) == 0


def test_a_session_of_two_whole_logs_says_nothing_again() -> None:
    network = opened()
    lengths = [len(node.log) for node in network.nodes.values()]
    network.reconnect()
    assert [len(node.log) for node in network.nodes.values()] == lengths


def test_a_session_acknowledges_what_the_peer_has() -> None:
    network = opened()
    pay(network, 10, 1)
    network.deliver(network.alice)
    network.reconnect()
    assert network.waiting(network.alice) == 0


def test_a_fault_of_the_framing_is_recorded_in_bounded_form() -> None:
    bob = CoreNode(BOB)
    fault = inputs.PeerFault(ALICE.address, "FRAME_TOO_LARGE", "x" * 1_000, 2**20, count=3)
    assert Playbook(bob) >> fault << "peer-misbehaved"
    (fact,) = bob.events_of("peer-misbehaved")
    assert (fact.error_code, fact.count) == ("FRAME_TOO_LARGE", 3)
    assert len(fact.reason) == messages.TEXT_LENGTH_MAX


# --- after a cut tail ---


def test_a_cut_node_does_not_reuse_numbers_that_its_peer_has_seen() -> None:
    alice = opened().alice
    alice.lose_tail()
    sent = alice.peer(BOB.address).sent
    result = alice.feed(inputs.PeerConnected(BOB.address, sent + 4))
    assert names(result)[:2] == ["delivery-resumed", "peer-acknowledged"]
    told = [sequence.sequence for sequence in alice.outbox[BOB.address]]
    assert told == [sent + 5, sent + 6], "the opening is said again, under new numbers"
    alice.feed(commands.CloseChannel(CHANNEL))
    assert alice.outbox[BOB.address][-1].sequence == sent + 7


def test_an_acknowledgement_alone_takes_up_nothing() -> None:
    alice = opened().alice
    alice.lose_tail()
    sent = alice.peer(BOB.address).sent
    assert names(alice.feed(inputs.PeerAck(BOB.address, sent + 4))) == []
    assert alice.peer(BOB.address).sent == sent


def test_a_conversation_is_taken_up_once_for_each_peer_and_cut() -> None:
    alice = opened().alice
    for cut_count in (1, 2):
        alice.lose_tail()
        for who in (BOB, IRENE):
            received = alice.peer(who.address).sent
            connected = inputs.PeerConnected(who.address, received)
            assert names(alice.feed(connected))[0] == "delivery-resumed"
            assert names(alice.feed(inputs.PeerConnected(who.address, received))) == []
            assert alice.peer(who.address).resumed_cut == cut_count


def test_a_peer_that_forgot_what_it_acknowledged_is_told_again() -> None:
    network = opened()
    alice = network.alice
    peer = alice.peer(BOB.address)
    assert peer.acknowledged == peer.sent == 2
    result = alice.feed(inputs.PeerConnected(BOB.address, 1))
    assert names(result) == ["message-sent"] * 2 + ["send ChannelProposal", "send SignedState"]
    assert alice.peer(BOB.address).acknowledged == 2
    assert names(alice.feed(inputs.PeerConnected(BOB.address, 2))) == []


def test_a_strangers_count_after_a_cut_tail_costs_nothing() -> None:
    for item in (
        inputs.PeerConnected(IRENE.address, 2**48),
        inputs.PeerConnected(IRENE.address, RESUME_JUMP_MAX + 1),
        inputs.PeerAck(IRENE.address, 2**48),
        inputs.PeerAck(IRENE.address, 2**64 - 1),
    ):
        alice = opened().alice
        alice.lose_tail()
        before = alice.state.digest()
        result = alice.feed(item)
        assert (result.events, result.effects) == ((), ())
        assert alice.state.digest() == before


def test_a_jump_is_taken_up_to_the_bound_and_costs_two_facts() -> None:
    alice = opened().alice
    alice.lose_tail()
    result = alice.feed(inputs.PeerConnected(IRENE.address, RESUME_JUMP_MAX))
    assert names(result) == ["delivery-resumed", "peer-acknowledged"]
    assert alice.peer(IRENE.address).sent == RESUME_JUMP_MAX


@pytest.mark.parametrize("sequence", [SEQUENCE_MAX + 1, 2**64 - 1])
def test_a_cut_node_is_not_counted_out_of_its_numbers(sequence: int) -> None:
    alice = opened().alice
    alice.lose_tail()
    assert names(alice.feed(inputs.PeerAck(BOB.address, sequence))) == []
    sent = alice.peer(BOB.address).sent
    alice.feed(inputs.PeerConnected(BOB.address, sequence))
    assert not alice.events_of("delivery-resumed")
    assert alice.peer(BOB.address).sent <= sent + 2
    assert names(alice.feed(inputs.PeerMessage(BOB.address, sequence, final_request(0), 100))) == []
    alice.feed(commands.CloseChannel(CHANNEL))
    assert alice.outbox[BOB.address]


# --- what a session begins with ---


def test_a_session_begins_with_a_loss_of_ours_until_it_is_made_good() -> None:
    alice = opened().alice
    received = alice.peer(BOB.address).sent
    assert not is_loss(alice.state, BOB.address, received)
    alice.lose_tail()
    assert is_loss(alice.state, BOB.address, received)
    alice.feed(inputs.PeerConnected(BOB.address, received))
    assert not is_loss(alice.state, BOB.address, received)


def test_a_session_begins_with_a_loss_of_a_peer_that_forgot_what_it_acknowledged() -> None:
    alice = opened().alice
    acknowledged = alice.peer(BOB.address).acknowledged
    assert is_loss(alice.state, BOB.address, acknowledged - 1)
    assert not is_loss(alice.state, BOB.address, acknowledged)
    assert not is_loss(alice.state, IRENE.address, 0)


def test_channels_are_shared_with_their_counterparty() -> None:
    alice = opened().alice
    assert shared_channel_count(alice.state, BOB.address) == 1
    assert shared_channel_count(alice.state, IRENE.address) == 0


def test_a_virtual_channel_is_shared_with_all_to_whom_we_speak_of_it() -> None:
    web = Web(1)
    web.opened()
    payer, hub, payee = web.row
    assert shared_channel_count(payer.state, hub.actor.address) == 2, (
        "the ledger, and what it funds"
    )
    assert shared_channel_count(payer.state, payee.actor.address) == 1
    assert shared_channel_count(hub.state, payee.actor.address) == 2
