"""The crank: dispatch, delivery, dropped messages, and what it never does."""

from __future__ import annotations

import pytest

from protocols import inputs, messages
from protocols.crank import crank, waiting_for
from protocols.delivery import RESUME_JUMP_MAX, SEQUENCE_MAX
from protocols.errors import ProtocolError, UnknownChannel
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveType, WaitingFor, objective_id
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import (
    CHANNEL,
    deposited,
    final,
    final_refusal,
    final_request,
    fixed_part,
    open_command,
    payment,
    proposal,
    signed,
    split,
    state,
)
from tests.support.network import CoreNode, Network, Said, opened, pay
from tests.support.playbook import Playbook, names

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)


def numbered(
    sequence: int, body: messages.Body | None, by: Actor = ALICE, fault: str = ""
) -> inputs.PeerMessage:
    return inputs.PeerMessage(by.address, sequence, body, 100, fault)


# --- delivery ---


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


def test_a_cut_node_does_not_reuse_numbers_that_its_peer_has_seen() -> None:
    alice = opened().alice
    alice.lose_tail()
    sent = alice.peer(BOB.address).sent
    result = alice.feed(inputs.PeerConnected(BOB.address, sent + 4))
    assert names(result)[:2] == ["delivery-resumed", "peer-acknowledged"]
    told = [sequence.sequence for sequence in alice.outbox[BOB.address]]
    assert told == [sent + 5, sent + 6], "the opening is said again, under new numbers"
    alice.feed(inputs.CloseChannel(CHANNEL))
    assert alice.outbox[BOB.address][-1].sequence == sent + 7


def test_an_acknowledgement_alone_takes_up_nothing() -> None:
    alice = opened().alice
    alice.lose_tail()
    sent = alice.peer(BOB.address).sent
    assert names(alice.feed(inputs.PeerAck(BOB.address, sent + 4))) == []
    assert alice.peer(BOB.address).sent == sent


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


def test_a_gap_is_made_good_once_for_each_cut() -> None:
    bob = opened().bob
    bob.lose_tail()
    received = bob.peer(ALICE.address).received
    bob.feed(numbered(received + 5, None))
    assert bob.peer(ALICE.address).gap_cut == 1
    assert names(bob.feed(numbered(received + 10, None))) == []
    bob.lose_tail()
    assert names(bob.feed(numbered(received + 10, None)))[0] == "delivery-resumed"


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
    assert names(alice.feed(numbered(sequence, final_request(0), by=BOB))) == []
    alice.feed(inputs.CloseChannel(CHANNEL))
    assert alice.outbox[BOB.address]


def test_a_node_whose_log_is_whole_waits_for_the_missing_message() -> None:
    bob = opened().bob
    received = bob.peer(ALICE.address).received
    assert names(bob.feed(numbered(received + 2, final_request(0)))) == []


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


def test_a_fault_of_the_framing_is_recorded_in_bounded_form() -> None:
    bob = CoreNode(BOB)
    fault = inputs.PeerFault(ALICE.address, "FRAME_TOO_LARGE", "x" * 1_000, 2**20, count=3)
    assert Playbook(bob) >> fault << "peer-misbehaved"
    (fact,) = bob.events_of("peer-misbehaved")
    assert (fact.error_code, fact.count) == ("FRAME_TOO_LARGE", 3)
    assert len(fact.reason) == messages.TEXT_LENGTH_MAX


def test_an_objective_message_is_recorded_under_its_objective() -> None:
    network = opened()
    network.alice.feed(inputs.CloseChannel(CHANNEL))
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


# --- what is asked, and time ---


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
    network.alice.feed(inputs.CloseChannel(CHANNEL))
    network.settle()
    for node in network.nodes.values():
        for objective in node.state.objectives_of(CHANNEL):
            assert waiting_for(node.state, objective, node.context()) == WaitingFor.NOTHING


def test_time_alone_changes_nothing_in_a_quiet_node() -> None:
    network = opened()
    network.wait(10**9)
    for node in network.nodes.values():
        assert names(node.feed(inputs.Tick())) == []
        assert names(node.feed(inputs.EndOfBatch())) == []


def test_a_crank_is_recorded_with_its_effects_and_whether_it_waits() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    (fact,) = alice.events_of("objective-cranked")
    assert (fact.side_effects_count, fact.waiting) == (1, True)
    network = opened()
    last = network.alice.events_of("objective-cranked")[-1]
    assert not last.waiting


def test_a_refused_command_raises_and_leaves_nothing() -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(UnknownChannel):
        alice.feed(inputs.SendPayment(CHANNEL, 1, amount_to_bytes(1)))
    assert len(alice.log) == 1


def test_an_input_that_has_no_crank_is_a_bug_and_no_refusal() -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(AssertionError) as bug:
        crank(alice.state, inputs.Input(), alice.context())
    assert not isinstance(bug.value, ProtocolError)


def test_a_deposit_for_several_channels_moves_its_own_alone() -> None:
    network = Network()
    network.alice.feed(open_command())
    network.alice.feed(open_command(nonce_entropy=b"next"))
    network.settle()
    assert len(network.alice.state.channels) == 2
    assert len(network.chain.held) == 2
    assert names(network.alice.feed(deposited(1, 1))) == []


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
    network.alice.feed(inputs.CloseChannel(CHANNEL))
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
