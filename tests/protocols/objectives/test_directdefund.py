"""DirectDefund at every pause point: who signs first, what is refused, who concludes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import (
    FINAL_TURN_COUNT_MAX,
    ChannelStatus,
    next_final_turn,
    status,
    supported_final,
)
from protocols.crypto import recover_address
from protocols.errors import UnknownChannel
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from protocols.objectives.cranks import waiting_for
from protocols.objectives.directdefund import CONCLUDE, CONCLUDE_FALLBACK_MS
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.payment_errors import ChannelNotOpen
from protocols.transactions import ATTEMPT_COUNT_MAX, intent_id, pause_ms
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE, IVAN
from tests.support.builders import (
    ADJUDICATOR,
    CHANNEL,
    DEPOSIT,
    block_hash,
    chain_log,
    consent,
    final,
    final_refusal,
    final_request,
    open_command,
    payout,
    signed,
    split,
    tx_hash,
    voucher_signature,
)
from tests.support.model_chain import decode_conclude_call
from tests.support.network import CoreNode, Network, Said, opened, pay
from tests.support.playbook import Playbook, names

DEFUND = objective_id(ObjectiveType.DIRECT_DEFUND, CHANNEL)
STARTED = "objective-created, objective-params-recorded, objective-approved"
SIGNED_BY_ALL = "state-supported-updated, channel-finalized"
CLOSE = commands.CloseChannel(CHANNEL)
AFTER_CUT = 3 + FINAL_TURN_COUNT_MAX
"""The first final turn after a cut tail: the lost batch may hold any below."""


def paid(amount: int = 30) -> Network:
    """The open channel after one payment that BOB accepted and gave a receipt for."""
    network = opened()
    pay(network, amount, 1)
    network.settle()
    return network


def payee(accepted: int = 30) -> CoreNode:
    return paid(accepted).bob


def close_only_payer() -> CoreNode:
    """ALICE after a cut tail that took her payments with it; BOB has a voucher of 30."""
    alice = opened().alice
    alice.lose_tail()
    return alice


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


# --- the way of the payer and of the payee ---


def test_the_payer_who_closes_passes_every_pause_point() -> None:
    alice = paid().alice
    concluded, updated, paid_out = payout(9, DEPOSIT - 30, 30)
    assert (
        Playbook(alice)
        >> CLOSE
        << f"{STARTED}, state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
        >> Said(BOB, signed(final(30), BOB))
        << f"message-received, state-received, {SIGNED_BY_ALL}"
        << "transaction-requested, objective-cranked, submit conclude, wait conclusion"
        >> replace(concluded, confirmed=False)
        << "chain-log-observed, wait withdrawal"
        >> concluded
        << "channel-concluded, wait withdrawal"
        >> updated
        << "chain-log-observed, allocation-updated, wait withdrawal"
        >> paid_out
        << "chain-log-observed, outcome-paid, withdraw-completed, withdraw-completed"
        << "objective-completed, objective-cranked"
    )
    assert status(alice.channel()) == ChannelStatus.CLOSED
    assert alice.objective(ObjectiveType.DIRECT_DEFUND).success


def test_the_payee_who_closes_passes_every_pause_point() -> None:
    bob = payee()
    shown = messages.encode_body(final_request(30))
    assert (
        Playbook(bob)
        >> CLOSE
        << f"{STARTED}, final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait final-state-from-payer"
        >> Said(ALICE, signed(final(30), ALICE))
        << "message-received, state-stored, state-received, state-signed"
        << f"{SIGNED_BY_ALL}, message-sent, objective-cranked, send SignedState, wait conclusion"
    )
    assert bob.outbox[ALICE.address][-2].body == shown
    for log in payout(9, DEPOSIT - 30, 30):
        bob.feed(log)
    assert status(bob.channel()) == ChannelStatus.CLOSED
    assert bob.submissions == []


def test_the_payee_follows_when_the_payer_closes() -> None:
    bob = payee()
    assert (
        Playbook(bob)
        >> Said(ALICE, signed(final(30), ALICE))
        << f"message-received, {STARTED}, state-stored, state-received, state-signed"
        << f"{SIGNED_BY_ALL}, message-sent, objective-cranked, send SignedState, wait conclusion"
    )


def test_the_payer_follows_when_the_payee_closes() -> None:
    alice = paid().alice
    assert (
        Playbook(alice)
        >> Said(BOB, final_request(30))
        << f"message-received, final-state-requested, {STARTED}"
        << "state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
    )
    assert status(alice.channel()) == ChannelStatus.CLOSING


def test_the_payer_signs_her_largest_voucher_also_when_it_was_not_received() -> None:
    network = opened()
    pay(network, 12, 1)
    network.alice.feed(CLOSE)
    turn = network.alice.channel().turn(3)
    assert turn is not None
    assert network.alice.channel().state(turn).outcome == split(12)


@pytest.mark.parametrize("closer", ["alice", "bob"])
def test_a_close_by_either_side_pays_both_what_they_own(closer: str) -> None:
    network = paid(30)
    node: CoreNode = getattr(network, closer)
    node.feed(CLOSE)
    network.settle()
    assert network.chain.paid == {ALICE.address: DEPOSIT - 30, BOB.address: 30}
    for each in network.nodes.values():
        assert status(each.channel()) == ChannelStatus.CLOSED
        assert each.objective(ObjectiveType.DIRECT_DEFUND).status == ObjectiveStatus.COMPLETED
        assert sorted(each.channel().withdrawn) == sorted(network.chain.paid.items())


def test_a_channel_without_payments_returns_the_deposit() -> None:
    network = opened()
    network.bob.feed(CLOSE)
    network.settle()
    assert network.chain.paid == {ALICE.address: DEPOSIT}
    assert status(network.bob.channel()) == ChannelStatus.CLOSED


def test_a_channel_that_was_paid_to_the_last_unit_closes() -> None:
    network = paid(DEPOSIT)
    network.alice.feed(CLOSE)
    network.settle()
    assert network.chain.paid == {BOB.address: DEPOSIT}
    assert status(network.alice.channel()) == ChannelStatus.CLOSED


def test_both_sides_may_close_at_the_same_time() -> None:
    network = paid()
    network.alice.feed(CLOSE)
    network.bob.feed(CLOSE)
    network.settle()
    assert status(network.alice.channel()) == status(network.bob.channel()) == ChannelStatus.CLOSED


# --- the command ---


def test_a_second_close_names_the_first_objective_and_does_nothing() -> None:
    alice = paid().alice
    alice.feed(CLOSE)
    assert Playbook(alice) >> CLOSE << "wait supported-final-state"


def test_a_close_records_its_request_id() -> None:
    alice = paid().alice
    alice.feed(commands.CloseChannel(CHANNEL, "c1"))
    recorded = alice.events_of("objective-params-recorded")[-1]
    assert (recorded.request_id, recorded.request_hash) == ("c1", commands.command_hash(CLOSE))


def test_an_unknown_channel_cannot_be_closed() -> None:
    with pytest.raises(UnknownChannel):
        CoreNode(ALICE).feed(CLOSE)


def test_a_channel_that_is_not_funded_cannot_be_closed() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    with pytest.raises(ChannelNotOpen):
        alice.feed(CLOSE)
    assert DEFUND not in alice.state.objectives


def test_a_request_to_close_before_the_funding_is_dropped() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, final_request(0)))
    assert "CHANNEL_NOT_OPEN" in reason_of(alice)


def test_a_close_needs_no_approval() -> None:
    network = paid()
    network.bob.decision = CoreNode(BOB, verdict="deny").decision
    network.alice.feed(CLOSE)
    network.settle()
    assert status(network.bob.channel()) == ChannelStatus.CLOSED


def test_a_rejection_of_a_close_is_not_possible() -> None:
    bob = payee()
    bob.feed(CLOSE)
    bob.feed(Said(ALICE, messages.ObjectiveRejection(DEFUND, "X", "no")))
    assert "UNEXPECTED_MESSAGE" in reason_of(bob)
    assert bob.objective(ObjectiveType.DIRECT_DEFUND).is_active


# --- M12: the payee refuses less than the largest voucher it accepted; M7: the next turn ---


def test_the_payee_refuses_a_final_state_below_its_largest_voucher() -> None:
    bob = payee(30)
    assert (
        Playbook(bob)
        >> Said(ALICE, signed(final(29), ALICE))
        << f"message-received, {STARTED}, state-stored, state-received"
        << "final-state-refused, message-sent"
        << "send FinalStateRefusal, wait final-state-from-payer"
    )
    refusal = messages.decode_body(bob.outbox[ALICE.address][-1].body)
    assert refusal == final_refusal(3, 30)
    assert not bob.channel().signed_by_me(3)


def test_a_payer_who_is_refused_signs_the_next_turn_with_the_voucher_shown() -> None:
    alice = close_only_payer()
    alice.feed(CLOSE)
    alice.feed(Said(BOB, final_request(10)))
    assert (
        Playbook(alice)
        >> Said(BOB, final_refusal(AFTER_CUT, 30))
        << "message-received, final-state-requested, final-state-refused"
        << "state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
    )
    turn = alice.channel().turn(AFTER_CUT + 1)
    assert turn is not None
    assert alice.channel().state(turn).outcome == split(30)
    assert (
        Playbook(alice)
        >> Said(BOB, consent(final(30, AFTER_CUT + 1)))
        << (f"message-received, state-received, {SIGNED_BY_ALL}, transaction-requested")
        << "objective-cranked, submit conclude, wait conclusion"
    )


def test_the_payee_signs_the_next_turn_after_it_refused_one() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(29), ALICE)))
    assert bob.feed(Said(ALICE, signed(final(30, 4), ALICE))).waiting_for == WaitingFor.CONCLUSION
    final_turn = supported_final(bob.channel())
    assert final_turn is not None
    assert final_turn.turn_num == 4
    assert not bob.channel().signed_by_me(3)


def test_a_refused_turn_is_not_refused_twice() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(29), ALICE)))
    said_again = names(bob.feed(Said(ALICE, signed(final(29), ALICE))))
    assert said_again[:4] == [
        "message-received", "message-sent", "message-repeated", "send FinalStateRefusal",
    ]  # fmt: skip
    assert bob.channel().refused_turns == (3,)
    bob.feed(Said(ALICE, signed(final(28), ALICE)))
    assert "refused this turn already" in reason_of(bob)
    alice = close_only_payer()
    alice.feed(Said(BOB, final_request(10)))
    alice.feed(Said(BOB, final_refusal(AFTER_CUT, 30)))
    before = alice.channel()
    assert names(alice.feed(Said(BOB, final_refusal(AFTER_CUT, 30))))[0] == "message-received"
    alice.feed(Said(BOB, final_refusal(AFTER_CUT, 31)))
    assert "refused this turn already" in reason_of(alice)
    assert alice.channel() == before


def test_only_a_final_turn_above_all_others_is_taken() -> None:
    """The payer may leave turns out: she may have signed them before a cut tail."""
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30, 2), ALICE)))
    assert "not the next final turn" in reason_of(bob)
    bob.feed(Said(ALICE, signed(final(29, AFTER_CUT), ALICE)))
    assert bob.channel().refused_turns == (AFTER_CUT,)
    bob.feed(Said(ALICE, signed(final(30, AFTER_CUT - 1), ALICE)))
    assert "not the next final turn" in reason_of(bob)
    bob.feed(Said(ALICE, signed(final(30, AFTER_CUT + 16), ALICE)))
    assert bob.channel().signed_by_me(AFTER_CUT + 16)


def test_a_second_final_state_beside_one_that_waits_is_refused() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30), ALICE)))
    bob.feed(Said(ALICE, signed(final(30, 4), ALICE)))
    assert "not the next final turn" in reason_of(bob)


def test_another_final_state_of_a_signed_turn_is_refused() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30), ALICE)))
    bob.feed(Said(ALICE, signed(final(31), ALICE)))
    assert "taken by another state" in reason_of(bob)


def test_refused_turns_are_bounded() -> None:
    bob = payee(30)
    for turn_num in range(3, 3 + FINAL_TURN_COUNT_MAX):
        bob.feed(Said(ALICE, signed(final(0, turn_num), ALICE)))
    assert len(bob.channel().refused_turns) == FINAL_TURN_COUNT_MAX
    bob.feed(Said(ALICE, signed(final(30, next_final_turn(bob.channel())), ALICE)))
    assert "too many" in reason_of(bob)


def share(who: bytes, amount: int) -> Allocation:
    return Allocation(destination_of(who), amount)


A, B = share(ALICE.address, DEPOSIT - 30), share(BOB.address, 30)


@pytest.mark.parametrize(
    "outcome",
    [
        (),
        split(30) + split(30),
        (SingleAssetExit(ZERO_ADDRESS, (A,)),),
        (SingleAssetExit(ZERO_ADDRESS, (B, A)),),
        (SingleAssetExit(b"\x70" * 20, (A, B)),),
        (SingleAssetExit(ZERO_ADDRESS, (share(ALICE.address, DEPOSIT), B)),),
        (SingleAssetExit(ZERO_ADDRESS, (share(ALICE.address, 0), B)),),
        (SingleAssetExit(ZERO_ADDRESS, (share(IVAN.address, DEPOSIT - 30), B)),),
        (SingleAssetExit(ZERO_ADDRESS, (A, share(BOB.address, DEPOSIT + 1))),),
    ],
    ids=[
        "nothing",
        "two assets",
        "one share",
        "swapped",
        "a token",
        "more than the deposit",
        "less than the deposit",
        "to a stranger",
        "above the deposit",
    ],
)
def test_a_final_state_that_does_not_split_the_deposit_is_refused(outcome: Any) -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30, outcome=outcome), ALICE)))
    reason_of(bob)
    assert DEFUND not in bob.state.objectives
    assert bob.channel().turn(3) is None


def test_a_final_state_with_app_data_is_refused() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30, app_data=b"x"), ALICE)))
    assert "not a split of the deposit" in reason_of(bob)


def test_a_final_state_signed_by_somebody_else_starts_nothing() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30), IRENE)))
    assert "WRONG_SIGNER" in reason_of(bob)
    assert DEFUND not in bob.state.objectives


def test_the_payee_takes_more_than_it_accepted() -> None:
    bob = payee(30)
    result = bob.feed(Said(ALICE, signed(final(31), ALICE)))
    assert result.waiting_for == WaitingFor.CONCLUSION


def test_the_payer_signs_first() -> None:
    alice = paid().alice
    alice.feed(Said(BOB, signed(final(30), BOB)))
    assert "the payer signs the final state first" in reason_of(alice)
    assert alice.channel().turn(3) is None


def test_the_payee_cannot_answer_with_another_split() -> None:
    alice = paid().alice
    alice.feed(CLOSE)
    alice.feed(Said(BOB, signed(final(31), BOB)))
    assert "taken by another state" in reason_of(alice)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (final_refusal(3, 30), "not above what we offered"),
        (final_refusal(3, 31, by=BOB), "not ours"),
        (final_refusal(3, DEPOSIT + 1), "above the deposit"),
        (final_refusal(4, 31), "no such final state"),
        (final_refusal(1, 31), "no such final state"),
    ],
)
def test_a_refusal_without_reason_is_dropped(body: messages.FinalStateRefusal, reason: str) -> None:
    alice = paid(30).alice
    alice.feed(CLOSE)
    alice.feed(Said(BOB, body))
    assert reason in reason_of(alice)
    assert alice.channel().refused_turns == ()


def test_a_refusal_of_what_the_payee_signed_is_dropped() -> None:
    alice = paid(30).alice
    alice.feed(CLOSE)
    alice.feed(Said(BOB, signed(final(30), BOB)))
    alice.feed(Said(BOB, final_refusal(3, 31)))
    assert "no such final state" in reason_of(alice)


def test_only_the_payee_refuses() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(29), ALICE)))
    bob.feed(Said(ALICE, final_refusal(3, 31)))
    assert "STATE_REFUSED" in reason_of(bob)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (final_request(31, by=BOB), "not ours"),
        (final_request(DEPOSIT + 1), "above the deposit"),
        (messages.FinalStateRequest(CHANNEL, amount_to_bytes(5), b""), "not ours"),
    ],
)
def test_a_request_to_close_with_a_made_up_voucher_is_dropped(
    body: messages.FinalStateRequest, reason: str
) -> None:
    alice = paid(30).alice
    alice.feed(Said(BOB, body))
    assert reason in reason_of(alice)
    assert DEFUND not in alice.state.objectives


def test_a_request_to_close_by_a_stranger_is_dropped() -> None:
    alice = paid(30).alice
    alice.feed(Said(IRENE, final_request(30)))
    assert "UNKNOWN_CHANNEL" in reason_of(alice)


# --- M27: a payer whose log lost a tail ---


def test_a_close_only_payer_asks_the_payee_for_the_largest_voucher() -> None:
    alice = close_only_payer()
    assert (
        Playbook(alice)
        >> CLOSE
        << f"{STARTED}, final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait largest-voucher"
        >> inputs.Tick()
        >> Said(BOB, final_request(30))
        << "message-received, final-state-requested"
        << "state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
    )
    turn = alice.channel().turn(AFTER_CUT)
    assert turn is not None
    assert alice.channel().state(turn).outcome == split(30)


def test_a_payer_signs_what_she_forgot_only_under_her_own_signature() -> None:
    alice = close_only_payer()
    forged = replace(consent(final(30)), receivers_signature=BOB.signer(final(30).state_hash()))
    alice.feed(Said(BOB, forged))
    assert "WRONG_SIGNER" in reason_of(alice)
    assert alice.channel().turn(3) is None
    assert (
        Playbook(alice)
        >> Said(BOB, consent(final(30)))
        << f"message-received, {STARTED}, state-stored, state-signed, state-received"
        << f"{SIGNED_BY_ALL}, transaction-requested, objective-cranked"
        << "submit conclude, wait conclusion"
    )


def test_a_payer_signs_no_second_state_for_a_turn_whatever_she_is_shown() -> None:
    """Another final state under her signature can be no honest payee's: her guard still holds."""
    alice = close_only_payer()
    alice.feed(Said(BOB, consent(final(30))))
    alice.feed(Said(BOB, consent(final(31))))
    assert "taken by another state" in reason_of(alice)


def test_a_payer_who_lost_no_tail_is_shown_nothing_she_does_not_know() -> None:
    alice = paid().alice
    alice.feed(Said(BOB, consent(final(30))))
    assert "the payer signs the final state first" in reason_of(alice)


def test_every_cut_tail_leaves_room_for_what_it_may_have_held() -> None:
    alice = close_only_payer()
    alice.lose_tail()
    alice.feed(Said(BOB, final_request(30)))
    assert alice.channel().signed_by_me(AFTER_CUT + FINAL_TURN_COUNT_MAX)
    assert [turn.turn_num for turn in alice.channel().turns] == [0, 1, AFTER_CUT + 16]


def test_a_payer_signs_no_more_final_states_than_a_cut_tail_leaves_room_for() -> None:
    alice = close_only_payer()
    alice.feed(Said(BOB, final_request(0)))
    for number in range(FINAL_TURN_COUNT_MAX + 1):
        alice.feed(Said(BOB, final_refusal(AFTER_CUT + number, number + 1)))
    finals = [turn for turn in alice.channel().turns if turn.is_final]
    assert len(finals) == FINAL_TURN_COUNT_MAX
    defund = alice.objective(ObjectiveType.DIRECT_DEFUND)
    waits = waiting_for(alice.state, defund, alice.context())
    assert waits == WaitingFor.SUPPORTED_FINAL_STATE


def test_a_close_only_payer_who_gets_a_signature_she_forgot_asks_what_she_owes() -> None:
    alice = close_only_payer()
    assert (
        Playbook(alice)
        >> Said(BOB, signed(final(30), BOB))
        << f"message-received, {STARTED}, final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait largest-voucher"
    )
    assert alice.channel().turn(3) is None


def test_a_voucher_for_the_whole_deposit_may_be_shown() -> None:
    alice = close_only_payer()
    alice.feed(Said(BOB, final_request(DEPOSIT)))
    turn = alice.channel().turn(AFTER_CUT)
    assert turn is not None
    assert alice.channel().state(turn).outcome == split(DEPOSIT)


def test_a_payee_shows_its_largest_voucher_when_it_is_asked_to() -> None:
    bob = payee(30)
    assert (
        Playbook(bob)
        >> Said(ALICE, final_request(0))
        << f"message-received, final-state-requested, {STARTED}"
        << "final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait final-state-from-payer"
    )
    shown = messages.decode_body(bob.outbox[ALICE.address][-1].body)
    assert shown == messages.FinalStateRequest(CHANNEL, amount_to_bytes(30), voucher_signature(30))


def test_a_payer_who_forgot_her_payments_still_pays_them() -> None:
    network = opened()
    pay(network, 30, 1)
    network.deliver(network.alice)
    network.alice = forgetful = opened().alice
    forgetful.lose_tail()
    network.nodes[ALICE.address] = forgetful
    forgetful.feed(CLOSE)
    bob = network.bob
    bob.feed(Said(ALICE, final_request(0)))
    forgetful.feed(Said(BOB, messages.decode_body(bob.outbox[ALICE.address][-1].body)))
    bob.feed(Said(ALICE, messages.decode_body(forgetful.outbox[BOB.address][-1].body)))
    final_turn = supported_final(bob.channel())
    assert final_turn is not None
    assert bob.channel().state(final_turn).outcome == split(30)


# --- the conclusion ---


def both_signed(closer: CoreNode, other: Any) -> None:
    closer.feed(CLOSE)
    closer.feed(Said(other, signed(final(30), other)))


def test_the_conclusion_carries_the_final_state_and_both_signatures() -> None:
    alice = paid(30).alice
    both_signed(alice, BOB)
    order = alice.submissions[-1]
    assert (order.kind, order.to, order.value) == (CONCLUDE, ADJUDICATOR, bytes(32))
    fixed, concluded, signatures = decode_conclude_call(order.data)
    assert concluded == final(30)
    for (v, r, s), who in zip(signatures, fixed.participants, strict=True):
        assert recover_address(concluded.state_hash(), r + s + bytes((v,))) == who


def test_a_final_signature_whose_v_recovers_somebody_else_is_refused() -> None:
    alice = paid(30).alice
    alice.feed(CLOSE)
    body = signed(final(30), BOB)
    flipped = body.signature[:64] + bytes((55 - body.signature[64],))
    alice.feed(Said(BOB, messages.SignedState(CHANNEL, body.encoded_state, flipped)))
    assert "WRONG_SIGNER" in reason_of(alice)


def test_the_payee_concludes_when_the_payer_does_not_for_a_while() -> None:
    bob = payee(30)
    both_signed(bob, ALICE)
    bob.now_ms += CONCLUDE_FALLBACK_MS - 1
    assert names(bob.feed(inputs.Tick())) == []
    bob.now_ms += 1
    assert (
        Playbook(bob)
        >> inputs.Tick()
        << ("transaction-requested, objective-cranked, submit conclude")
    )
    assert names(bob.feed(inputs.Tick())) == []


def test_the_payee_concludes_at_once_under_a_challenge() -> None:
    """M20: whoever holds the final state answers, at depth 0."""
    bob = payee(30)
    both_signed(bob, ALICE)
    assert names(bob.feed(inputs.Tick())) == []
    challenge = chain_log("ChallengeRegistered", 9, confirmed=False)
    result = bob.feed(challenge)
    assert "submit conclude" in names(result)
    assert len(bob.submissions) == 1


def test_the_payee_concludes_at_once_what_is_signed_under_a_challenge() -> None:
    bob = payee(30)
    bob.feed(chain_log("ChallengeRegistered", 9, confirmed=False))
    assert "submit conclude" in names(bob.feed(Said(ALICE, signed(final(30), ALICE))))


def test_a_final_state_said_again_is_answered_with_the_signature_given() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30), ALICE)))
    assert (
        Playbook(bob)
        >> Said(ALICE, signed(final(30), ALICE))
        << "message-received, message-sent, message-repeated, send SignedState, wait conclusion"
    )
    assert messages.decode_body(bob.outbox[ALICE.address][-1].body) == consent(final(30))


def test_a_payer_who_is_asked_again_sends_the_final_state_she_signed() -> None:
    alice = paid(30).alice
    alice.feed(Said(BOB, final_request(30)))
    alice.feed(Said(BOB, final_request(30)))
    first, second = (messages.decode_body(sent.body) for sent in alice.outbox[BOB.address][-2:])
    assert first == second == signed(final(30), ALICE)
    assert len(alice.events_of("state-signed")) == 3


def test_a_payee_who_is_asked_again_asks_again() -> None:
    bob = payee(30)
    bob.feed(CLOSE)
    bob.feed(Said(ALICE, final_request(0)))
    first, second = (messages.decode_body(sent.body) for sent in bob.outbox[ALICE.address][-2:])
    assert first == second == final_request(30)


def test_a_payee_who_signed_and_is_asked_sends_the_signature() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, signed(final(30), ALICE)))
    bob.feed(Said(ALICE, final_request(0)))
    said = [messages.decode_body(sent.body) for sent in bob.outbox[ALICE.address]]
    assert said[-2:] == [consent(final(30)), consent(final(30))]


def test_the_payee_does_not_conclude_what_is_concluded_already() -> None:
    bob = payee(30)
    both_signed(bob, ALICE)
    bob.feed(chain_log("Concluded", 9, confirmed=False))
    bob.now_ms += CONCLUDE_FALLBACK_MS
    assert names(bob.feed(inputs.Tick())) == []


def test_a_failed_conclusion_is_tried_again_up_to_the_bound() -> None:
    alice = paid(30).alice
    both_signed(alice, BOB)
    for attempt in range(ATTEMPT_COUNT_MAX):
        intent = intent_id(CONCLUDE, CHANNEL, attempt)
        assert alice.submissions[-1].intent_id == intent
        failed = inputs.TransactionReceipt(
            intent, tx_hash(9), 9, block_hash(9), 100_000, 1, succeeded=False
        )
        alice.feed(failed)
        alice.now_ms += pause_ms(attempt)
        alice.feed(inputs.Tick())
    assert alice.feed(inputs.Tick()).effects == ()
    assert len(alice.submissions) == ATTEMPT_COUNT_MAX


def test_a_conclusion_that_a_reorg_took_away_is_awaited_again() -> None:
    alice = paid(30).alice
    both_signed(alice, BOB)
    alice.feed(chain_log("Concluded", 9, confirmed=False))
    assert status(alice.channel()) == ChannelStatus.CONCLUDED
    alice.feed(inputs.ChainReorg(9, block_hash(9), block_hash(9, fork=1)))
    assert status(alice.channel()) == ChannelStatus.CLOSING


def test_the_channel_is_closed_when_everybody_is_paid_and_not_before() -> None:
    alice = paid(30).alice
    both_signed(alice, BOB)
    concluded, updated, _ = payout(9, DEPOSIT - 30, 30)
    alice.feed(concluded)
    alice.feed(updated)
    one = chain_log("OutcomePaid", 9, log_index=2, indices=(0,), amounts=(DEPOSIT - 30,))
    assert alice.feed(one).waiting_for == WaitingFor.WITHDRAWAL
    rest = chain_log("OutcomePaid", 10, indices=(1,), amounts=(30,))
    assert alice.feed(rest).waiting_for == WaitingFor.NOTHING
    assert status(alice.channel()) == ChannelStatus.CLOSED
    assert alice.feed(inputs.Tick()).events == ()


def test_vouchers_shown_in_turns_tell_nothing_new() -> None:
    alice = paid(30).alice
    alice.feed(Said(BOB, final_request(30)))
    for count, total in enumerate((0, 30, 0, 30), 1):
        alice.feed(Said(BOB, final_request(total)))
        assert alice.peer(BOB.address).repeat_count == count


def test_a_payer_shows_no_voucher() -> None:
    bob = payee(30)
    bob.feed(Said(ALICE, final_request(7)))
    assert bob.log[-1][1].NAME == "message-dropped"
    assert bob.channel().final_requests == ()
