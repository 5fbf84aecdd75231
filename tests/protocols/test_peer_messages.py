"""What peers say: taken in once and in order, or dropped; what tells nothing new is counted."""

from __future__ import annotations

import pytest

from protocols import commands, inputs, messages
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveType, objective_id
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import (
    CHANNEL,
    final,
    final_refusal,
    final_request,
    fixed_part,
    payment,
    proposal,
    signed,
    split,
    state,
)
from tests.support.network import CoreNode, Said, opened, pay
from tests.support.playbook import Playbook, names

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)


def numbered(
    sequence: int, body: messages.Body | None, by: Actor = ALICE, fault: str = ""
) -> inputs.PeerMessage:
    return inputs.PeerMessage(by.address, sequence, body, 100, fault)


# --- in order ---


def test_a_message_is_taken_in_once_and_in_order() -> None:
    bob = opened().bob
    first = bob.peer(ALICE.address).received + 1
    assert (
        Playbook(bob)
        >> numbered(first + 1, payment(20, 10))
        >> numbered(first, payment(10, 10))
        << "voucher-received"
        >> numbered(first, payment(10, 10))
        >> numbered(first + 1, payment(20, 10))
        << "voucher-received"
        >> numbered(0, payment(10, 10))
    )
    assert bob.channel().vouchers.payment_count == 2


def test_every_conversation_is_numbered_by_itself() -> None:
    bob = opened().bob
    stranger = bob.feed(numbered(1, payment(10, 10), by=IRENE))
    assert names(stranger) == ["message-dropped"]
    assert bob.peer(IRENE.address).received == 1


def test_a_node_whose_log_is_whole_waits_for_the_missing_message() -> None:
    bob = opened().bob
    received = bob.peer(ALICE.address).received
    assert names(bob.feed(numbered(received + 2, final_request(0)))) == []


def test_an_objective_message_is_recorded_under_its_objective() -> None:
    network = opened()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    close = objective_id(ObjectiveType.DIRECT_DEFUND, CHANNEL)
    received = [
        (fact.objective_id, fact.payload_type) for fact in network.bob.events_of("message-received")
    ]
    assert received == [
        (FUND, "ChannelProposal"),
        (FUND, "SignedState"),
        (close, "SignedState"),
    ]


def test_sent_and_received_messages_carry_one_id() -> None:
    network = opened()
    for sender, receiver in ((network.alice, network.bob), (network.bob, network.alice)):
        sent = [fact.message_id for fact in sender.events_of("message-sent")]
        assert sent == [fact.message_id for fact in receiver.events_of("message-received")]


# --- after a cut tail ---


def test_a_cut_node_takes_up_the_numbers_that_its_peer_goes_on_with() -> None:
    bob = opened().bob
    bob.lose_tail()
    received = bob.peer(ALICE.address).received
    body = final_request(0)
    result = bob.feed(numbered(received + 5, body))
    assert names(result)[:2] == ["delivery-resumed", "message-received"]
    assert bob.peer(ALICE.address).received == received + 5
    assert names(bob.feed(numbered(received + 5, body))) == []


def test_a_cut_node_counts_on_from_a_refused_message_as_well() -> None:
    bob = opened().bob
    bob.lose_tail()
    received = bob.peer(ALICE.address).received
    result = bob.feed(numbered(received + 5, None, fault="no message"))
    assert names(result) == ["delivery-resumed", "message-dropped"]
    assert bob.peer(ALICE.address).received == received + 5


def test_a_gap_is_made_good_once_for_each_cut() -> None:
    bob = opened().bob
    bob.lose_tail()
    received = bob.peer(ALICE.address).received
    bob.feed(numbered(received + 5, None))
    assert bob.peer(ALICE.address).gap_cut == 1
    assert names(bob.feed(numbered(received + 10, None))) == []
    bob.lose_tail()
    assert names(bob.feed(numbered(received + 10, None)))[0] == "delivery-resumed"


# --- dropped messages ---


def dropped(node: CoreNode, item: Said) -> MessageDropped:
    result = node.feed(item)
    (fact,) = result.events
    assert isinstance(fact, MessageDropped)
    assert result.effects == ()
    return fact


@pytest.mark.parametrize(
    ("body", "by", "code"),
    [
        (None, ALICE, "decode_failed"),
        (messages.SignedState(CHANNEL, b"short", bytes(65)), ALICE, "decode_failed"),
        (signed(state(1, 5), ALICE), ALICE, "payload_invalid"),
        (signed(final(0), IRENE), ALICE, "signature_invalid"),
        (messages.SignedState(CHANNEL, final(0).encode(), bytes(65)), ALICE, "signature_invalid"),
        (signed(final(0), ALICE), IRENE, "channel_unknown"),
        (messages.FinalStateRequest(bytes(32), bytes(32), b""), ALICE, "channel_unknown"),
        (final_request(0), IRENE, "channel_unknown"),
        (messages.ObjectiveRejection(bytes(32), "X", ""), ALICE, "channel_unknown"),
        (messages.ObjectiveRejection(FUND, "X", ""), IRENE, "channel_unknown"),
        (messages.Receipt(CHANNEL, bytes(32), 1, bytes(32), bytes(65)), ALICE, "channel_unknown"),
        (proposal(state(0, outcome=split(total=5))), ALICE, "replay_attack"),
        (payment(10, 10, channel_id=bytes(32)), ALICE, "channel_unknown"),
        (payment(10, 10), IRENE, "channel_unknown"),
        (proposal(state(0, fixed=fixed_part(channel_nonce=7))), ALICE, "payload_invalid"),
        (final_refusal(3, 5), ALICE, "payload_invalid"),
    ],
)
def test_a_refused_message_is_a_fact_with_one_of_five_codes(
    body: messages.Body | None, by: Actor, code: str
) -> None:
    bob = opened().bob
    before = bob.state.channels[CHANNEL]
    received = bob.peer(by.address).received
    fact = dropped(bob, Said(by, body, "no message"))
    assert fact.error_code == code
    assert bob.state.channels[CHANNEL] == before
    assert bob.peer(by.address).received == received + 1
    assert bob.peer(by.address).fault_count == 1


def test_the_reason_of_a_drop_is_bounded() -> None:
    fact = dropped(opened().bob, Said(ALICE, None, "x" * 10_000))
    assert len(fact.reason) <= messages.TEXT_LENGTH_MAX
    assert fact.reason.startswith("UNEXPECTED_MESSAGE")


def test_the_next_message_is_taken_after_a_dropped_one() -> None:
    bob = opened().bob
    dropped(bob, Said(ALICE, None))
    assert names(bob.feed(Said(ALICE, payment(10, 10)))) == ["voucher-received"]


def test_a_refused_message_leaves_no_trace_of_what_it_had_begun() -> None:
    """A final state below the voucher would start an objective; a wrong signature may not."""
    bob = opened().bob
    dropped(bob, Said(ALICE, signed(final(0), IRENE)))
    assert len(bob.state.objectives) == 1


# --- what tells nothing new ---


@pytest.mark.parametrize(
    ("body", "by", "node", "repeat_count"),
    [
        (proposal(), ALICE, "bob", 3),
        (signed(state(0), BOB), BOB, "alice", 3),
        (signed(state(1), ALICE), ALICE, "bob", 3),
        (signed(final(30), ALICE), ALICE, "bob", 2),
        (final_request(0), ALICE, "bob", 2),
        (final_request(0), BOB, "alice", 2),
    ],
)
def test_a_message_that_tells_nothing_new_is_counted(
    body: messages.Body, by: Actor, node: str, repeat_count: int
) -> None:
    hearing = getattr(opened(), node)
    for _ in range(3):
        hearing.feed(Said(by, body))
    assert hearing.peer(by.address).repeat_count == repeat_count
    assert hearing.peer(by.address).fault_count == 0
    repeated = hearing.events_of("message-repeated")
    assert {(event.peer, event.payload_type) for event in repeated} == {
        (by.address, type(body).__name__)
    }


def test_nothing_of_an_ordinary_life_is_a_repetition() -> None:
    network = opened()
    for number in range(5):
        pay(network, 10, number)
    network.settle()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    for node in network.nodes.values():
        assert node.events_of("message-repeated") == []


def test_refused_payments_are_counted_on_both_sides() -> None:
    network = opened()
    network.bob.lose_tail()
    for number in range(3):
        pay(network, 10, number)
    network.settle()
    assert network.bob.peer(ALICE.address).refusal_count >= 3
    assert network.alice.peer(BOB.address).refusal_count >= 1
