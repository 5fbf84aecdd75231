"""What the chain told of a channel is kept apart until it counts, and may be taken back."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import events
from protocols.channel import ChainStatus, Channel, Holding, ObservedLog, confirmed_holdings
from protocols.exit_events import OutcomePaid
from protocols.observation_reducers import OBSERVATION_REDUCERS, confirm, retracted
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, FIXED, block_hash, tx_hash

EMPTY = Channel(CHANNEL, FIXED, 0)


def after(channel: Channel, *facts: events.Event) -> Channel:
    for fact in facts:
        channel = OBSERVATION_REDUCERS[type(fact)](channel, fact)
    return channel


def observed(name: str, block: int = 9, log_index: int = 0, amount: int = 0) -> events.Event:
    return events.ChainLogObserved(
        CHANNEL,
        name,
        block,
        block_hash(block),
        tx_hash(block),
        0,
        log_index,
        ZERO_ADDRESS,
        amount_to_bytes(amount),
        77,
    )


def test_an_observed_log_is_kept_until_it_is_confirmed() -> None:
    seen = after(EMPTY, observed("Deposited", amount=5))
    log = ObservedLog("Deposited", 9, block_hash(9), tx_hash(9), 0, ZERO_ADDRESS, 5, 77)
    assert seen.observed == (log,)
    fact = events.DepositDetected(
        CHANNEL, 9, 0, ZERO_ADDRESS, amount_to_bytes(5), amount_to_bytes(5), tx_hash(9)
    )
    confirmed = after(seen, fact)
    assert confirmed.observed == ()
    assert confirmed.holdings == (Holding(ZERO_ADDRESS, 5),)
    assert confirmed.confirmed_up_to == (9, 0)


def test_of_two_like_logs_of_one_transaction_the_first_is_confirmed_first() -> None:
    seen = after(EMPTY, observed("Deposited", log_index=1), observed("Deposited", log_index=2))
    once = confirm(seen, "Deposited", 9, tx_hash(9))
    assert [log.log_index for log in once.observed] == [2]
    twice = confirm(once, "Deposited", 9, tx_hash(9))
    assert twice.confirmed_up_to == (9, 2)


@pytest.mark.parametrize(
    ("name", "block", "transaction"),
    [("Concluded", 9, tx_hash(9)), ("Deposited", 8, tx_hash(9)), ("Deposited", 9, tx_hash(8))],
)
def test_nothing_is_confirmed_by_another_log(name: str, block: int, transaction: bytes) -> None:
    seen = after(EMPTY, observed("Deposited"))
    assert confirm(seen, name, block, transaction) is seen


def test_holdings_are_replaced_by_asset() -> None:
    token = b"\x70" * 20
    amount = amount_to_bytes
    channel = after(
        EMPTY,
        events.DepositDetected(CHANNEL, 1, 0, ZERO_ADDRESS, amount(5), amount(5)),
        events.DepositDetected(CHANNEL, 2, 0, token, amount(7), amount(7)),
        events.AllocationUpdated(CHANNEL, 3, 0, ZERO_ADDRESS, amount(1)),
    )
    assert set(channel.holdings) == {Holding(token, 7), Holding(ZERO_ADDRESS, 1)}


def test_challenges_are_raised_and_cleared_when_confirmed() -> None:
    raised = events.ChallengeRegistered(CHANNEL, 9, 0, 1, 77, bytes(20), False, None, tx_hash(9))
    cleared = events.ChallengeCleared(CHANNEL, 10, 0, 2, tx_hash(10))
    challenged = after(EMPTY, observed("ChallengeRegistered"), raised)
    assert challenged.chain_status == ChainStatus.CHALLENGED
    for name in ("ChallengeCleared", "Checkpointed"):
        open_again = after(challenged, observed(name, 10), cleared)
        assert open_again.chain_status == ChainStatus.OPEN
        assert open_again.observed == ()


def test_a_conclusion_and_its_payouts_are_kept() -> None:
    amount = amount_to_bytes
    channel = after(
        EMPTY,
        observed("Concluded"),
        observed("OutcomePaid", log_index=2),
        events.ChannelConcluded(CHANNEL, 9, 0, 3, tx_hash(9)),
        OutcomePaid(CHANNEL, 9, 0, 2, 0, (0, 1), (amount(6), amount(4)), tx_hash(9)),
        events.WithdrawCompleted(CHANNEL, 9, 0, ALICE.address, ZERO_ADDRESS, amount(6), tx_hash(9)),
        events.WithdrawCompleted(CHANNEL, 9, 0, BOB.address, ZERO_ADDRESS, amount(4), tx_hash(9)),
    )
    assert channel.chain_status == ChainStatus.CONCLUDED
    assert channel.withdrawn == ((ALICE.address, 6), (BOB.address, 4))
    assert channel.observed == ()


def read(held: int, block_num: int, finalizes_at: int = 0) -> events.HoldingsRead:
    amount = amount_to_bytes(held)
    return events.HoldingsRead(
        CHANNEL, ZERO_ADDRESS, amount, block_num, block_hash(block_num), finalizes_at
    )


def test_what_was_read_of_a_channel_covers_the_logs_up_to_its_block_and_no_others() -> None:
    channel = after(EMPTY, observed("Deposited", 8), observed("Deposited", 9, amount=DEPOSIT))
    channel = after(replace(channel, unread=True), read(7, 8))
    assert not channel.unread
    assert [log.block_num for log in channel.observed] == [9]
    assert channel.confirmed_up_to == (9, -1)
    assert confirmed_holdings(channel, ZERO_ADDRESS) == 7
    assert channel.chain_status == ChainStatus.OPEN


def test_a_challenge_that_passed_unseen_is_believed_and_a_conclusion_stays_one() -> None:
    assert after(EMPTY, read(7, 8, 1_700_000_000)).chain_status == ChainStatus.CHALLENGED
    concluded = replace(EMPTY, chain_status=ChainStatus.CONCLUDED)
    assert after(concluded, read(7, 8, 1_700_000_000)).chain_status == ChainStatus.CONCLUDED


def test_a_reorg_takes_back_what_was_observed_from_its_block_on() -> None:
    channel = after(EMPTY, observed("Deposited", 8), observed("Deposited", 9, amount=DEPOSIT))
    assert [log.block_num for log in retracted(channel, 9).observed] == [8]
    assert retracted(channel, 10) is channel
    assert retracted(channel, 1).observed == ()
