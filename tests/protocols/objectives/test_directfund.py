"""DirectFund at every pause point, for both roles, by command and by message."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import commands, inputs, messages
from protocols.abi import encode_deposit_call
from protocols.channel import ChannelStatus, is_supported, status
from protocols.draft import Proposal
from protocols.effects import SubmitTransaction
from protocols.errors import (
    ObjectiveNotWaitingForApproval,
    UnknownObjective,
)
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from protocols.transactions import ATTEMPT_COUNT_MAX, RETRY_AFTER_MS, intent_id, pause_ms
from protocols.transactions import DEPOSIT as DEPOSIT_KIND
from protocols.types import UINT48_MAX, ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import (
    ADJUDICATOR,
    CHANNEL,
    DEPOSIT,
    DURATION_S,
    block_hash,
    chain_log,
    deposited,
    final,
    fixed_part,
    open_command,
    proposal,
    signed,
    state,
    tx_hash,
)
from tests.support.network import CoreNode, Said, opened
from tests.support.playbook import Playbook, names

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
REPEATED = ["message-received", "message-sent", "message-repeated", "send SignedState"]
CREATED = "objective-created, objective-params-recorded, channel-created, state-stored"
TAKEN_IN = f"message-received, {CREATED}, state-received"


def receipt(attempt: int = 0, *, succeeded: bool = True) -> inputs.TransactionReceipt:
    intent = intent_id(DEPOSIT_KIND, CHANNEL, attempt)
    name = tx_hash(1)
    return inputs.TransactionReceipt(intent, name, 1, block_hash(1), 50_000, 1, succeeded)


def payer_with_prefund() -> CoreNode:
    """ALICE after BOB signed the prefund: her deposit is requested."""
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    return alice


def payee_with_prefund() -> CoreNode:
    """BOB after he signed the prefund: he waits for the funding."""
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal()))
    return bob


def reason_of(node: CoreNode) -> str:
    """Why the last message was dropped."""
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


# --- the way of the payer and of the payee ---


def test_the_payer_passes_every_pause_point() -> None:
    alice = CoreNode(ALICE)
    order = SubmitTransaction(
        intent_id(DEPOSIT_KIND, CHANNEL, 0),
        DEPOSIT_KIND,
        ADJUDICATOR,
        amount_to_bytes(DEPOSIT),
        encode_deposit_call(ZERO_ADDRESS, CHANNEL, 0, DEPOSIT),
    )
    assert (
        Playbook(alice)
        >> open_command()
        << f"{CREATED}, objective-approved, state-signed, message-sent, objective-cranked"
        << "send ChannelProposal, wait complete-prefund"
        >> Said(BOB, signed(state(0), BOB))
        << "message-received, state-received, state-supported-updated"
        << "transaction-requested, objective-cranked"
        << order
        << "wait my-deposit"
        >> deposited(confirmed=False)
        << "chain-log-observed, wait complete-funding"
        >> deposited()
        << "deposit-detected, state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait complete-postfund"
        >> Said(BOB, signed(state(1), BOB))
        << "message-received, state-received, state-supported-updated"
        << "objective-completed, objective-cranked"
    )
    assert status(alice.channel()) == ChannelStatus.OPEN
    assert alice.objective(ObjectiveType.DIRECT_FUND).success


def test_the_payee_passes_every_pause_point() -> None:
    bob = CoreNode(BOB)
    assert (
        Playbook(bob)
        >> Said(ALICE, proposal())
        << f"{TAKEN_IN}, objective-approved, state-signed, state-supported-updated, message-sent"
        << "objective-cranked, send SignedState, wait complete-funding"
        >> deposited(confirmed=False)
        << "chain-log-observed, wait complete-funding"
        >> Said(ALICE, signed(state(1), ALICE))
        << "message-received, state-stored, state-received, wait complete-funding"
        >> deposited()
        << "deposit-detected, state-signed, state-supported-updated, message-sent"
        << "objective-completed, objective-cranked, send SignedState"
    )
    assert status(bob.channel()) == ChannelStatus.OPEN
    assert bob.submissions == []


def test_the_statuses_on_the_way_are_proposed_funding_open() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    assert status(alice.channel()) == ChannelStatus.PROPOSED
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert status(alice.channel()) == ChannelStatus.FUNDING
    alice.feed(deposited())
    assert status(alice.channel()) == ChannelStatus.FUNDING
    alice.feed(Said(BOB, signed(state(1), BOB)))
    assert status(alice.channel()) == ChannelStatus.OPEN


def test_both_sides_name_the_objective_and_the_channel_alike() -> None:
    alice, bob = CoreNode(ALICE), payee_with_prefund()
    alice.feed(open_command())
    assert FUND in alice.state.objectives
    assert FUND in bob.state.objectives
    assert alice.channel().fixed == bob.channel().fixed


def test_the_request_id_and_its_hash_are_recorded_with_the_objective() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command(request_id="r1"))
    (recorded,) = alice.events_of("objective-params-recorded")
    assert (recorded.request_id, recorded.initiator) == ("r1", ALICE.address)
    assert recorded.request_hash == commands.command_hash(open_command())


# --- approval ---


def test_policy_is_asked_with_what_the_peer_proposes() -> None:
    bob = payee_with_prefund()
    asked = Proposal(ALICE.address, "DirectFund", ZERO_ADDRESS, 0, DEPOSIT, DURATION_S)
    assert set(bob.proposals) == {asked}


def test_a_proposal_that_policy_leaves_to_the_owner_waits_for_approval() -> None:
    bob = CoreNode(BOB, verdict="ask")
    assert Playbook(bob) >> Said(ALICE, proposal()) << TAKEN_IN
    assert bob.objective(ObjectiveType.DIRECT_FUND).status == ObjectiveStatus.UNAPPROVED
    assert not bob.channel().signed_by_me(0)
    assert (
        Playbook(bob)
        >> inputs.Tick()
        >> commands.ApproveObjective(FUND)
        << "objective-approved, state-signed, state-supported-updated, message-sent"
        << "objective-cranked, send SignedState, wait complete-funding"
    )


def test_the_owner_rejects_and_the_proposer_is_told_why() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    assert (
        Playbook(bob)
        >> commands.RejectObjective(FUND, "not today")
        << "objective-rejected, message-sent, send ObjectiveRejection"
    )
    assert status(bob.channel()) == ChannelStatus.REJECTED
    (sent,) = bob.outbox[ALICE.address]
    body = messages.decode_body(sent.body)
    assert body == messages.ObjectiveRejection(FUND, "OWNER_REJECTED", "not today")


def test_policy_denies_and_the_proposer_is_told_why() -> None:
    bob = CoreNode(BOB, verdict="deny")
    assert (
        Playbook(bob)
        >> Said(ALICE, proposal())
        << f"{TAKEN_IN}, objective-rejected, message-sent, send ObjectiveRejection"
    )
    objective = bob.objective(ObjectiveType.DIRECT_FUND)
    assert (objective.status, objective.reason) == ("rejected", "house rules")


def test_a_long_reason_is_cut_to_what_a_message_carries() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(commands.RejectObjective(FUND, "x" * 1_000))
    body = messages.decode_body(bob.outbox[ALICE.address][0].body)
    assert isinstance(body, messages.ObjectiveRejection)
    assert len(body.reason) == messages.TEXT_LENGTH_MAX


@pytest.mark.parametrize("command", [commands.ApproveObjective, commands.RejectObjective])
def test_only_a_known_and_waiting_objective_is_decided(command: Any) -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(UnknownObjective):
        alice.feed(command(FUND))
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    with pytest.raises(ObjectiveNotWaitingForApproval) as refusal:
        alice.feed(command(FUND))
    assert refusal.value.status == "approved"


def test_an_objective_is_rejected_once() -> None:
    bob = CoreNode(BOB, verdict="deny")
    bob.feed(Said(ALICE, proposal()))
    with pytest.raises(ObjectiveNotWaitingForApproval):
        bob.feed(commands.ApproveObjective(FUND))


def test_a_rejection_by_the_peer_ends_the_objective() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    body = messages.ObjectiveRejection(FUND, "POLICY_DENIED", "no")
    assert Playbook(alice) >> Said(BOB, body) << "message-received, objective-rejected"
    assert status(alice.channel()) == ChannelStatus.REJECTED
    assert Playbook(alice) >> Said(BOB, body) << "message-received, message-repeated"
    assert Playbook(alice) >> deposited() << "chain-log-observed, deposit-detected"
    assert alice.submissions == []


def test_the_proposer_withdraws_a_proposal_that_waits_for_approval() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(Said(ALICE, messages.ObjectiveRejection(FUND, "WITHDRAWN", "changed my mind")))
    assert status(bob.channel()) == ChannelStatus.REJECTED
    with pytest.raises(ObjectiveNotWaitingForApproval):
        bob.feed(commands.ApproveObjective(FUND))


def test_a_rejection_after_a_deposit_was_ordered_is_too_late() -> None:
    alice = payer_with_prefund()
    alice.feed(Said(BOB, messages.ObjectiveRejection(FUND, "POLICY_DENIED", "no")))
    assert "money is on its way" in reason_of(alice)
    assert alice.events_of("message-dropped")[0].error_code == "decode_failed"
    assert alice.objective(ObjectiveType.DIRECT_FUND).is_active


def test_an_owner_withdraws_a_proposal_while_nothing_is_at_stake() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    assert (
        Playbook(alice)
        >> commands.RejectObjective(FUND, "changed my mind")
        << "objective-rejected, message-sent, send ObjectiveRejection"
    )
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert alice.submissions == []


def test_a_payee_that_signed_the_prefund_stands_by_it() -> None:
    bob = payee_with_prefund()
    before = bob.state.digest()
    with pytest.raises(ObjectiveNotWaitingForApproval):
        bob.feed(commands.RejectObjective(FUND))
    assert bob.state.digest() == before


def test_an_owner_withdraws_after_the_deposit_failed_but_not_while_it_is_under_way() -> None:
    alice = payer_with_prefund()
    with pytest.raises(ObjectiveNotWaitingForApproval):
        alice.feed(commands.RejectObjective(FUND))
    alice.feed(inputs.TransactionRefused(intent_id(DEPOSIT_KIND, CHANNEL, 0), "no money"))
    alice.feed(commands.RejectObjective(FUND))
    assert status(alice.channel()) == ChannelStatus.REJECTED


def test_a_strangers_deposit_keeps_nobody_from_rejecting_a_proposal() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(deposited(1))
    bob.feed(commands.RejectObjective(FUND))
    assert status(bob.channel()) == ChannelStatus.REJECTED


@pytest.mark.parametrize("confirmed", [False, True])
def test_what_holds_money_and_our_signature_is_not_withdrawn(confirmed: bool) -> None:
    bob = payee_with_prefund()
    bob.feed(deposited(confirmed=confirmed))
    with pytest.raises(ObjectiveNotWaitingForApproval):
        bob.feed(commands.RejectObjective(FUND))


def test_a_rejection_after_the_end_changes_nothing() -> None:
    alice = opened().alice
    before = alice.channel()
    body = messages.ObjectiveRejection(FUND, "X", "no")
    assert names(alice.feed(Said(BOB, body))) == ["message-received", "message-repeated"]
    assert alice.channel() == before


@pytest.mark.parametrize("by", [IRENE, BOB])
def test_a_rejection_of_somebody_elses_or_no_objective_is_dropped(by: Any) -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    identity = FUND if by is IRENE else bytes(32)
    alice.feed(Said(by, messages.ObjectiveRejection(identity, "X", "no")))
    assert "UNKNOWN_OBJECTIVE" in reason_of(alice)
    assert status(alice.channel()) == ChannelStatus.PROPOSED


def test_a_rejected_channel_takes_no_signature_any_more() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, messages.ObjectiveRejection(FUND, "POLICY_DENIED", "no")))
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert "rejected" in reason_of(alice)
    assert status(alice.channel()) == ChannelStatus.REJECTED


# --- deposits ---


def test_the_payer_deposits_after_the_prefund_is_signed_by_all_and_not_before() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(inputs.Tick())
    assert alice.submissions == []
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert len(alice.submissions) == 1


def test_only_confirmed_holdings_fund_a_channel() -> None:
    alice = payer_with_prefund()
    alice.feed(deposited(confirmed=False))
    assert not alice.channel().signed_by_me(1)
    alice.feed(deposited())
    assert alice.channel().signed_by_me(1)


def test_confirmed_holdings_below_the_sum_do_not_fund_a_channel() -> None:
    bob = payee_with_prefund()
    assert bob.feed(deposited(DEPOSIT - 1)).waiting_for == WaitingFor.COMPLETE_FUNDING
    assert bob.feed(deposited(DEPOSIT, 2)).waiting_for == WaitingFor.COMPLETE_POSTFUND


def test_a_strangers_deposit_lowers_ours() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(deposited(7, confirmed=False))
    alice.feed(Said(BOB, signed(state(0), BOB)))
    (order,) = alice.submissions
    assert order.value == amount_to_bytes(DEPOSIT - 7)
    assert order.data == encode_deposit_call(ZERO_ADDRESS, CHANNEL, 7, DEPOSIT - 7)


def test_a_stranger_who_deposits_everything_leaves_nothing_to_deposit() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(deposited(DEPOSIT + 1, confirmed=False))
    result = alice.feed(Said(BOB, signed(state(0), BOB)))
    assert result.waiting_for == WaitingFor.COMPLETE_FUNDING
    assert alice.submissions == []
    assert alice.feed(deposited(DEPOSIT + 1)).waiting_for == WaitingFor.COMPLETE_POSTFUND


def test_a_failed_deposit_is_tried_again_with_what_is_missing_now() -> None:
    alice = payer_with_prefund()
    alice.feed(deposited(5, confirmed=False))
    assert Playbook(alice) >> receipt(succeeded=False) << "transaction-mined, wait my-deposit"
    alice.now_ms += RETRY_AFTER_MS
    assert (
        Playbook(alice)
        >> inputs.Tick()
        << "transaction-requested, objective-cranked, submit deposit"
    )
    assert alice.submissions[-1].value == amount_to_bytes(DEPOSIT - 5)
    assert alice.submissions[0].intent_id != alice.submissions[1].intent_id


def test_a_refused_deposit_is_tried_again_up_to_the_bound() -> None:
    alice = payer_with_prefund()
    for attempt in range(ATTEMPT_COUNT_MAX):
        assert len(alice.submissions) == attempt + 1
        intent = intent_id(DEPOSIT_KIND, CHANNEL, attempt)
        assert alice.submissions[-1].intent_id == intent
        alice.feed(inputs.TransactionRefused(intent, "held != expectedHeld"))
        alice.now_ms += pause_ms(attempt) - 1
        assert names(alice.feed(inputs.Tick())) == []
        alice.now_ms += 1
        alice.feed(inputs.Tick())
    assert len(alice.submissions) == ATTEMPT_COUNT_MAX
    assert alice.feed(inputs.Tick()).events == ()
    assert alice.objective(ObjectiveType.DIRECT_FUND).is_active


def test_a_stranger_cannot_make_us_spend_all_attempts_before_we_see_his_deposit() -> None:
    """The call is refused at once, the log that explains it arrives a moment later."""
    alice = payer_with_prefund()
    first = intent_id(DEPOSIT_KIND, CHANNEL, 0)
    alice.feed(inputs.TransactionRefused(first, "held != expectedHeld"))
    for _ in range(10):
        alice.feed(inputs.Tick())
    alice.feed(deposited(1, confirmed=False))
    assert len(alice.submissions) == 1
    alice.now_ms += RETRY_AFTER_MS
    alice.feed(inputs.Tick())
    assert alice.submissions[1].value == amount_to_bytes(DEPOSIT - 1)


def test_a_mined_deposit_is_not_made_twice_while_its_log_is_on_the_way() -> None:
    alice = payer_with_prefund()
    alice.feed(receipt())
    alice.feed(inputs.Tick())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert len(alice.submissions) == 1


def test_a_deposit_that_a_reorg_took_away_is_awaited_again() -> None:
    alice = payer_with_prefund()
    assert alice.feed(deposited(confirmed=False)).waiting_for == WaitingFor.COMPLETE_FUNDING
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    assert alice.channel().observed == ()
    assert alice.feed(deposited(3, 2, confirmed=False)).waiting_for == WaitingFor.MY_DEPOSIT


@pytest.mark.parametrize("log_name", ["ChallengeRegistered", "Concluded"])
def test_nothing_is_deposited_while_the_channel_is_not_open_on_chain(log_name: str) -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(chain_log(log_name, 1, confirmed=False))
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert alice.submissions == []
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    alice.feed(inputs.Tick())
    assert [order.kind for order in alice.submissions] == [DEPOSIT_KIND]


# --- the postfund ---


def test_the_postfund_is_refused_before_the_prefund_is_signed_by_all() -> None:
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(Said(ALICE, signed(state(1), ALICE)))
    assert "prefund is not signed by all" in reason_of(bob)


@pytest.mark.parametrize("changed", [{"paid": 1}, {"app_data": b"x"}])
@pytest.mark.parametrize("turn_num", [0, 1])
def test_a_state_that_differs_from_the_agreed_one_is_refused(
    turn_num: int, changed: dict[str, Any]
) -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(turn_num, **changed), BOB)))
    assert "differ from the agreed prefund" in reason_of(alice)


@pytest.mark.parametrize("turn_num", [2, 3, UINT48_MAX])
def test_a_running_state_of_any_later_turn_is_refused(turn_num: int) -> None:
    alice = payer_with_prefund()
    alice.feed(Said(BOB, signed(state(turn_num), BOB)))
    assert "only pre- and postfund" in reason_of(alice)


def test_a_final_state_before_the_postfund_is_refused() -> None:
    bob = payee_with_prefund()
    bob.feed(Said(ALICE, signed(final(0), ALICE)))
    assert "not funded" in reason_of(bob)


def test_a_signature_by_somebody_else_is_refused() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), IRENE)))
    assert "WRONG_SIGNER" in reason_of(alice)
    assert not is_supported(alice.channel(), 0)


def test_a_state_received_twice_is_recorded_once() -> None:
    alice = payer_with_prefund()
    assert (
        Playbook(alice)
        >> Said(BOB, signed(state(0), BOB))
        << "message-received, message-repeated, wait my-deposit"
    )


@pytest.mark.parametrize("turn_num", [0, 1])
def test_a_payee_answers_a_state_said_again_with_its_own_signature(turn_num: int) -> None:
    bob = payee_with_prefund()
    bob.feed(deposited())
    bob.feed(Said(ALICE, signed(state(1), ALICE)))
    result = bob.feed(Said(ALICE, signed(state(turn_num), ALICE)))
    assert names(result)[:4] == REPEATED
    answer = messages.decode_body(bob.outbox[ALICE.address][-1].body)
    assert answer == signed(state(turn_num), BOB)


def test_a_payer_answers_a_prefund_said_again_with_her_postfund_and_nothing_else() -> None:
    alice = payer_with_prefund()
    alice.feed(deposited())
    result = alice.feed(Said(BOB, signed(state(0), BOB)))
    assert names(result)[:4] == REPEATED
    answer = messages.decode_body(alice.outbox[BOB.address][-1].body)
    assert answer == signed(state(1), ALICE)
    alice.feed(Said(BOB, signed(state(1), BOB)))
    assert names(alice.feed(Said(BOB, signed(state(1), BOB)))) == REPEATED[::2]


def test_a_state_of_another_channel_under_this_channels_id_is_refused() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    other = state(0, fixed=fixed_part(challenge_duration=DURATION_S + 1))
    body = signed(other, BOB)
    alice.feed(Said(BOB, messages.SignedState(CHANNEL, body.encoded_state, body.signature)))
    assert "another channel" in reason_of(alice)


def test_logs_of_a_channel_that_is_not_ours_lead_to_nothing() -> None:
    alice = payer_with_prefund()
    log = chain_log("Deposited", 1, channel_id=b"\x01" * 32, amount=DEPOSIT)
    assert names(alice.feed(log)) == []
