"""Chain facts: observed and confirmed, once each; reorgs, receipts, and what is not ours."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, events, inputs
from protocols.abi import encode_outcome
from protocols.adjudication import Adjudicated
from protocols.chain_facts import PAYING_LOGS, RECORDED_LOGS
from protocols.channel import (
    ChainStatus,
    ChannelStatus,
    Holding,
    is_withdrawn,
    observed_adjudicated,
    observed_chain_status,
    status,
)
from protocols.effects import BroadcastTransaction, ReadHoldings
from protocols.objectives.base import ObjectiveType, WaitingFor
from protocols.objectives.cranks import waiting_for
from protocols.transactions import TransactionStatus, intent_id
from protocols.types import ZERO_ADDRESS, amount_from_bytes, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    CHANNEL,
    DEPOSIT,
    block_hash,
    chain_log,
    deposited,
    final,
    open_command,
    payment,
    payout,
    proposal,
    signed,
    state,
    tx_hash,
)
from tests.support.network import CoreNode, Said, opened
from tests.support.playbook import Playbook, names

TOKEN = b"\x70" * 20
INTENT = intent_id("deposit", CHANNEL, 0)


def waiting_payer() -> CoreNode:
    """ALICE with her deposit requested."""
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    return alice


def concluding_payee() -> CoreNode:
    """BOB with a supported final state that pays him 30."""
    bob = opened().bob
    bob.feed(Said(ALICE, signed(final(30), ALICE)))
    return bob


# --- logs ---


def test_a_log_is_observed_once_and_confirmed_once() -> None:
    alice = waiting_payer()
    alice.feed(deposited(confirmed=False))
    assert names(alice.feed(deposited(confirmed=False)))[0].startswith("wait")
    assert names(alice.feed(deposited()))[0] == "deposit-detected"
    for log in (deposited(), deposited(confirmed=False)):
        assert names(alice.feed(log)) == []
    assert len(alice.events_of("chain-log-observed")) == 1
    assert len(alice.events_of("deposit-detected")) == 1


def test_a_log_that_comes_confirmed_at_once_is_observed_on_the_way() -> None:
    alice = waiting_payer()
    assert names(alice.feed(deposited()))[:2] == ["chain-log-observed", "deposit-detected"]


def test_an_old_log_below_the_newest_confirmed_one_is_known_already() -> None:
    alice = waiting_payer()
    alice.feed(deposited(5, 7, log_index=3))
    for log in (deposited(4, 6), deposited(4, 7, log_index=2), deposited(4, 7, log_index=3)):
        assert names(alice.feed(log)) == []
    assert alice.channel().holdings == (Holding(ZERO_ADDRESS, 5),)


def test_a_deposit_is_recorded_with_what_it_added() -> None:
    alice = waiting_payer()
    alice.feed(deposited(5, 1))
    alice.feed(deposited(12, 2, tx_index=4))
    first, second = alice.events_of("deposit-detected")
    added = [amount_from_bytes(fact.amount_deposited) for fact in (first, second)]
    assert added == [5, 7]
    assert amount_from_bytes(second.now_held) == 12
    assert (second.block_num, second.tx_index, second.tx_hash) == (2, 4, tx_hash(2))


def test_a_deposit_of_another_asset_is_held_apart() -> None:
    alice = waiting_payer()
    alice.feed(deposited(5, 1, asset=TOKEN))
    assert alice.channel().holdings == (Holding(TOKEN, 5),)
    assert not alice.channel().signed_by_me(1)


@pytest.mark.parametrize("name", ["Reclaimed", "Transfer", ""])
def test_logs_that_change_nothing_we_believe_are_not_recorded(name: str) -> None:
    assert name not in RECORDED_LOGS
    assert names(waiting_payer().feed(chain_log(name, 1))) == []


def test_logs_of_other_channels_are_not_recorded() -> None:
    alice = waiting_payer()
    assert names(alice.feed(deposited(channel_id=bytes(32)))) == []


def test_an_allocation_update_names_the_channels_asset() -> None:
    bob = opened().bob
    bob.feed(chain_log("AllocationUpdated", 9, amount=3))
    (fact,) = bob.events_of("allocation-updated")
    assert (fact.asset, amount_from_bytes(fact.new_amount)) == (ZERO_ADDRESS, 3)
    assert bob.channel().holdings == (Holding(ZERO_ADDRESS, 3),)


@pytest.mark.parametrize("name", ["ChallengeCleared", "Checkpointed"])
def test_a_challenge_is_seen_at_depth_0_and_recorded_whole_when_confirmed(name: str) -> None:
    bob = opened().bob
    raised = chain_log(
        "ChallengeRegistered",
        9,
        number=1_700_000_000,
        turn_num=1,
        challenger=ALICE.address,
        candidate_state_hash=b"\x07" * 32,
    )
    bob.feed(replace(raised, confirmed=False))
    assert observed_chain_status(bob.channel()) == ChainStatus.CHALLENGED
    assert bob.channel().chain_status == ChainStatus.OPEN
    assert names(bob.feed(raised))[:1] == ["challenge-registered"]
    (fact,) = bob.events_of("challenge-registered")
    assert (fact.turn_num_record, fact.finalization_time) == (1, 1_700_000_000)
    assert (fact.challenger, fact.candidate_state_hash) == (ALICE.address, b"\x07" * 32)
    assert bob.channel().chain_status == ChainStatus.CHALLENGED
    assert names(bob.feed(chain_log(name, 10, number=2)))[1] == "challenge-cleared"
    assert bob.events_of("challenge-cleared")[0].new_turn_num_record == 2
    assert bob.channel().chain_status == ChainStatus.OPEN


def test_a_challenge_with_an_unknown_candidate_has_no_state_hash() -> None:
    bob = opened().bob
    bob.feed(chain_log("ChallengeRegistered", 9))
    assert bob.events_of("challenge-registered")[0].candidate_state_hash is None


def test_a_conclusion_names_the_final_turn_if_we_know_it() -> None:
    bob, other = concluding_payee(), opened().bob
    for node, turn_num in ((bob, 3), (other, None)):
        node.feed(chain_log("Concluded", 9))
        assert node.events_of("channel-concluded")[0].finalized_at_turn == turn_num


def test_payouts_are_recorded_by_recipient() -> None:
    bob = concluding_payee()
    for log in payout(9, DEPOSIT - 30, 30):
        bob.feed(log)
    paid = [
        (fact.recipient, fact.asset, amount_from_bytes(fact.amount))
        for fact in bob.events_of("withdraw-completed")
    ]
    assert paid == [(ALICE.address, ZERO_ADDRESS, DEPOSIT - 30), (BOB.address, ZERO_ADDRESS, 30)]


@pytest.mark.parametrize(
    ("asset_index", "indices", "amounts"),
    [(1, (0,), (5,)), (0, (2,), (5,)), (0, (0,), (0,)), (0, (), ())],
)
def test_a_payout_that_names_no_share_of_ours_is_no_withdrawal(
    asset_index: int, indices: tuple[int, ...], amounts: tuple[int, ...]
) -> None:
    bob = concluding_payee()
    bob.feed(chain_log("OutcomePaid", 9, asset_index=asset_index, indices=indices, amounts=amounts))
    assert bob.channel().withdrawn == ()


def test_a_payout_of_a_channel_without_a_final_state_is_no_withdrawal() -> None:
    bob = opened().bob
    bob.feed(chain_log("OutcomePaid", 9, indices=(0,), amounts=(5,)))
    assert bob.channel().withdrawn == ()


# --- challenges that nobody answers ---


def challenge_log(block_num: int = 9, *, confirmed: bool = True) -> inputs.ChainLog:
    """The open channel, challenged with its postfund until second 5,000."""
    postfund = state(1)
    return chain_log(
        "ChallengeRegistered",
        block_num,
        confirmed=confirmed,
        number=5_000,
        turn_num=1,
        candidate_state_hash=postfund.state_hash(),
        candidate_outcome=encode_outcome(postfund.outcome),
    )


def head(block_num: int, time_s: int) -> inputs.ChainHead:
    return inputs.ChainHead(block_num, block_hash(block_num), time_s)


def test_a_challenge_is_kept_with_the_state_it_carries() -> None:
    alice = opened().alice
    alice.feed(challenge_log(confirmed=False))
    assert alice.channel().adjudicated is None
    seen = observed_adjudicated(alice.channel())
    assert (seen.turn_num, seen.finalizes_at) == (1, 5_000)
    assert seen.outcome == encode_outcome(state(1).outcome)
    alice.feed(challenge_log())
    assert alice.channel().adjudicated == seen


def test_a_confirmed_block_at_the_deadline_finalises_the_channel_once() -> None:
    alice = opened().alice
    alice.feed(challenge_log())
    assert "challenge-expired" not in names(alice.feed(head(10, 4_999)))
    assert names(alice.feed(head(11, 5_000)))[:2] == ["chain-block-processed", "challenge-expired"]
    assert alice.channel().chain_status == ChainStatus.EXPIRED
    assert status(alice.channel()) == ChannelStatus.EXPIRED
    assert "challenge-expired" not in names(alice.feed(head(12, 5_001)))


@pytest.mark.parametrize("ends_at", [0, 5_000], ids=["gone", "mined again"])
def test_a_challenge_in_a_replaced_block_does_not_expire_before_the_chain_was_asked(
    ends_at: int,
) -> None:
    """Else a channel that is open on chain is withdrawn from for ever (seed 19748)."""
    alice = opened().alice
    alice.feed(challenge_log(10))
    alice.feed(head(10, 4_000))
    alice.feed(inputs.ChainReorg(9, block_hash(9), block_hash(9, fork=1)))
    assert "challenge-expired" not in names(alice.feed(head(11, 5_000)))
    alice.feed(inputs.ChannelRead(CHANNEL, ZERO_ADDRESS, DEPOSIT, 11, block_hash(11), ends_at))
    assert ("challenge-expired" in names(alice.feed(head(12, 5_001)))) == bool(ends_at)
    begun = [event.objective_type for event in alice.events_of("objective-created")]
    assert (ObjectiveType.WITHDRAW in begun) == bool(ends_at)


def test_a_challenge_that_was_cleared_or_only_seen_does_not_expire() -> None:
    alice = opened().alice
    alice.feed(challenge_log())
    alice.feed(chain_log("ChallengeCleared", 10, number=2))
    assert alice.channel().adjudicated == Adjudicated(2)
    alice.feed(challenge_log(11, confirmed=False))
    assert "challenge-expired" not in names(alice.feed(head(10, 6_000)))


def test_a_block_without_a_time_ends_no_challenge() -> None:
    alice = opened().alice
    alice.feed(challenge_log())
    assert names(alice.feed(head(10, 0)))[0] == "chain-block-processed"
    assert alice.channel().chain_status == ChainStatus.CHALLENGED


def test_who_was_paid_follows_from_the_challenged_state() -> None:
    alice = opened().alice
    alice.feed(challenge_log())
    alice.feed(head(11, 5_000))
    alice.feed(chain_log("OutcomePaid", 12, indices=(0,), amounts=(DEPOSIT,)))
    assert alice.channel().withdrawn == ((ALICE.address, DEPOSIT),)
    assert is_withdrawn(alice.channel())


@pytest.mark.parametrize("log_name", sorted(PAYING_LOGS))
def test_the_first_log_of_a_payout_shows_that_the_time_had_passed(log_name: str) -> None:
    alice = opened().alice
    alice.feed(challenge_log())
    recorded = names(alice.feed(chain_log(log_name, 12, amount=0)))
    # What is held after it, and who was paid, are told of a channel that is final by then.
    assert recorded[:2] == ["chain-log-observed", "challenge-expired"]
    assert alice.channel().chain_status == ChainStatus.EXPIRED


def test_two_payouts_of_one_transaction_are_two() -> None:
    """A stranger's contract may call the adjudicator as often as it likes."""
    alice = opened().alice
    alice.feed(challenge_log())
    alice.feed(head(11, 5_000))
    half = DEPOSIT // 2
    for log_index, amount in enumerate((half, DEPOSIT - half)):
        paid = {"indices": (0,), "amounts": (amount,), "log_index": log_index}
        alice.feed(chain_log("OutcomePaid", 12, confirmed=False, **paid))
    for log_index, amount in enumerate((half, DEPOSIT - half)):
        paid = {"indices": (0,), "amounts": (amount,), "log_index": log_index}
        alice.feed(chain_log("OutcomePaid", 12, **paid))
    assert alice.channel().withdrawn == ((ALICE.address, half), (ALICE.address, DEPOSIT - half))
    assert alice.channel().observed == ()


# --- blocks and reorgs ---


def test_the_cursor_moves_on_and_never_back() -> None:
    alice = CoreNode(ALICE)
    assert Playbook(alice) >> inputs.ChainHead(7, block_hash(7)) << "chain-block-processed"
    for number in (7, 6):
        assert names(alice.feed(inputs.ChainHead(number, block_hash(number)))) == []
    assert alice.state.node.processed_block_num == 7
    assert alice.state.node.processed_block_hash == block_hash(7)


def test_what_is_not_in_a_block_that_counts_is_retracted_and_the_rest_stays() -> None:
    bob = opened().bob
    bob.feed(inputs.ChainHead(1, block_hash(1)))
    made_up = chain_log("Concluded", 5, confirmed=False, number=9, log_index=3)
    bob.feed(made_up)
    bob.feed(deposited(DEPOSIT + 1, 6, confirmed=False))
    assert observed_chain_status(bob.channel()) == ChainStatus.CONCLUDED
    assert not bob.feed(inputs.ChainHead(4, block_hash(4))).events[1:]
    refuted, *_ = bob.feed(inputs.ChainHead(5, block_hash(5))).events[1:]
    assert refuted == events.ChainLogRefuted(
        CHANNEL, "Concluded", 5, made_up.block_hash, made_up.tx_hash, 3
    )
    assert [log.log_name for log in bob.channel().observed] == ["Deposited"]
    assert observed_chain_status(bob.channel()) == ChainStatus.OPEN
    assert bob.fold().digest() == bob.state.digest()


def test_a_challenge_that_was_made_up_ends_its_defence_with_the_block() -> None:
    bob = opened().bob
    bob.feed(chain_log("ChallengeRegistered", 5, confirmed=False, number=2**40, turn_num=1))
    assert bob.objective(ObjectiveType.DEFEND).is_active
    bob.feed(inputs.ChainHead(5, block_hash(5)))
    assert not bob.objective(ObjectiveType.DEFEND).is_active
    assert not list(bob.state.unconfirmed.channels)


@pytest.mark.parametrize(
    "lie",
    [
        {"turn_num": 90},
        {"number": 2**40},
        {"candidate_state_hash": bytes(32)},
        {"candidate_outcome": b""},
        {"tx_hash": b"\x77" * 32},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_what_an_endpoint_told_falsely_of_a_true_log_does_not_count(lie: dict[str, Any]) -> None:
    """A lie at depth 0 must not outlive what others agree on when the block counts."""
    alice, honest = opened().alice, opened().alice
    alice.feed(replace(challenge_log(confirmed=False), **lie))
    recorded = names(alice.feed(challenge_log()))
    assert recorded[:3] == ["chain-log-refuted", "chain-log-observed", "challenge-registered"]
    honest.feed(challenge_log(confirmed=False))
    assert names(honest.feed(challenge_log()))[0] == "challenge-registered"
    assert alice.channel().adjudicated == honest.channel().adjudicated
    assert alice.channel().observed == ()
    assert alice.fold().digest() == alice.state.digest()


def test_a_reorg_takes_back_what_was_observed_and_leaves_what_was_confirmed() -> None:
    alice = waiting_payer()
    alice.feed(deposited(5, 1))
    alice.feed(deposited(6, 2, confirmed=False))
    reorg = inputs.ChainReorg(2, block_hash(2), block_hash(2, fork=1))
    assert Playbook(alice) >> reorg << "chain-reorged"
    assert alice.channel().observed == ()
    assert alice.channel().holdings == (Holding(ZERO_ADDRESS, 5),)


def test_the_same_log_in_another_block_is_observed_anew() -> None:
    alice = waiting_payer()
    alice.feed(deposited(confirmed=False))
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    again = deposited(confirmed=False, block_hash=block_hash(1, fork=1))
    assert names(alice.feed(again))[0] == "chain-log-observed"
    assert names(alice.feed(replace(again, confirmed=True)))[0] == "deposit-detected"
    assert alice.objective(ObjectiveType.DIRECT_FUND).is_active


# --- our own transactions ---


def transaction_signed(raw: bytes = b"raw") -> inputs.TransactionSigned:
    return inputs.TransactionSigned(INTENT, tx_hash(1), ALICE.address, 4, raw)


def transaction_receipt(*, succeeded: bool = True) -> inputs.TransactionReceipt:
    return inputs.TransactionReceipt(INTENT, tx_hash(1), 1, block_hash(1), 50_000, 7, succeeded)


def reading(held: int, finalizes_at: int = 0) -> inputs.ChannelRead:
    return inputs.ChannelRead(CHANNEL, ZERO_ADDRESS, held, 5, block_hash(5), finalizes_at)


def told_after_a_cut() -> CoreNode:
    """BOB whose log lost a tail before ALICE's proposal came."""
    bob = CoreNode(BOB)
    bob.lose_tail()
    bob.feed(Said(ALICE, proposal()))
    return bob


def test_a_channel_told_after_a_cut_tail_is_read_from_the_chain_before_it_opens() -> None:
    bob = told_after_a_cut()
    assert bob.readings == [ReadHoldings(CHANNEL, ZERO_ADDRESS)]
    bob.feed(deposited())
    fund = bob.objective(ObjectiveType.DIRECT_FUND)
    assert waiting_for(bob.state, fund, bob.context()) == WaitingFor.COMPLETE_FUNDING
    assert not bob.channel().signed_by_me(1)
    assert names(bob.feed(reading(DEPOSIT)))[:1] == ["holdings-read"]
    assert bob.channel().signed_by_me(1)
    assert bob.feed(reading(DEPOSIT)).events == ()


def test_no_payment_is_taken_in_a_channel_that_was_challenged_while_it_was_forgotten() -> None:
    bob = told_after_a_cut()
    bob.feed(reading(DEPOSIT, 1_700_000_000))
    bob.feed(Said(ALICE, signed(state(1), ALICE)))
    bob.feed(Said(ALICE, payment(10, 10)))
    assert bob.channel().vouchers.total == 0
    assert [e.error_code for e in bob.events_of("voucher-refused")] == ["CHANNEL_DISPUTED"]


def test_without_a_cut_tail_and_before_consent_nothing_is_read() -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal()))
    assert bob.readings == []
    careful = CoreNode(BOB, verdict="ask")
    careful.lose_tail()
    careful.feed(Said(ALICE, proposal()))
    assert careful.readings == []
    careful.feed(
        commands.ApproveObjective(careful.objective(ObjectiveType.DIRECT_FUND).objective_id)
    )
    assert len(careful.readings) == 1
    assert careful.feed(replace(reading(1), channel_id=b"\x0f" * 32)).events == ()


def test_a_signed_transaction_is_recorded_and_then_broadcast() -> None:
    alice = waiting_payer()
    assert (
        Playbook(alice)
        >> transaction_signed()
        << "transaction-submitted, broadcast, wait my-deposit"
        >> transaction_signed(b"again")
        >> transaction_receipt()
        << "transaction-mined, wait my-deposit"
        >> transaction_receipt()
        >> transaction_signed(b"again")
    )
    (fact,) = alice.events_of("transaction-submitted")
    assert (fact.raw, fact.nonce, fact.sender) == (b"raw", 4, ALICE.address)
    assert alice.state.transactions[INTENT].status == TransactionStatus.MINED


def test_a_fork_takes_a_mined_transaction_back_and_its_bytes_leave_again() -> None:
    alice = waiting_payer()
    fork = inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1))
    assert (
        Playbook(alice)
        >> transaction_signed()
        << "transaction-submitted, broadcast, wait my-deposit"
        >> transaction_receipt()
        << "transaction-mined, wait my-deposit"
        >> fork
        << "chain-reorged, broadcast"
    )
    assert alice.state.transactions[INTENT].status == TransactionStatus.SUBMITTED
    alice.feed(transaction_receipt())
    assert alice.state.transactions[INTENT].status == TransactionStatus.MINED


def test_a_fork_above_a_mined_transaction_leaves_it_alone() -> None:
    alice = waiting_payer()
    alice.feed(transaction_signed())
    alice.feed(transaction_receipt())
    fork = inputs.ChainReorg(2, block_hash(2), block_hash(2, fork=1))
    assert Playbook(alice) >> fork << "chain-reorged"
    assert alice.state.transactions[INTENT].status == TransactionStatus.MINED


def test_a_receipt_keeps_what_the_transaction_cost() -> None:
    alice = waiting_payer()
    alice.feed(transaction_receipt())
    (fact,) = alice.events_of("transaction-mined")
    assert (fact.gas_used, fact.gas_price) == (50_000, amount_to_bytes(7))


def test_a_reverted_transaction_failed() -> None:
    alice = waiting_payer()
    alice.feed(transaction_receipt(succeeded=False))
    known = alice.state.transactions[INTENT]
    assert (known.status, known.failure) == (TransactionStatus.FAILED, "reverted")


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_reorg_makes_a_mined_transaction_leave_again_with_its_bytes(succeeded: bool) -> None:
    alice = waiting_payer()
    alice.feed(transaction_signed())
    alice.feed(transaction_receipt(succeeded=succeeded))
    alice.broadcasts.clear()
    reorg = inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1))
    assert Playbook(alice) >> reorg << "chain-reorged, broadcast"
    assert alice.broadcasts == [BroadcastTransaction(INTENT, tx_hash(1), b"raw")]
    known = alice.state.transactions[INTENT]
    assert (known.status, known.failure) == (TransactionStatus.SUBMITTED, "")
    assert Playbook(alice) >> transaction_receipt() << "transaction-mined, wait my-deposit"


def test_a_reorg_above_a_mined_transaction_leaves_it() -> None:
    alice = waiting_payer()
    alice.feed(transaction_signed())
    alice.feed(transaction_receipt())
    reorg = inputs.ChainReorg(2, block_hash(2), block_hash(2, fork=1))
    assert Playbook(alice) >> reorg << "chain-reorged"
    assert alice.state.transactions[INTENT].status == TransactionStatus.MINED


def test_a_refused_transaction_failed_with_the_reason() -> None:
    alice = waiting_payer()
    alice.feed(inputs.TransactionRefused(INTENT, "held != expectedHeld"))
    known = alice.state.transactions[INTENT]
    assert (known.status, known.failure) == (TransactionStatus.FAILED, "held != expectedHeld")
    assert names(alice.feed(inputs.TransactionRefused(INTENT, "again"))) == []


@pytest.mark.parametrize(
    "item",
    [
        transaction_signed(),
        transaction_receipt(),
        inputs.TransactionRefused(INTENT, "no"),
    ],
)
def test_answers_about_an_unknown_intent_lead_to_nothing(item: inputs.Input) -> None:
    assert names(CoreNode(ALICE).feed(item)) == []
