"""Sentences for what the chain showed."""

import pytest

from node.explain.chain_sentences import CHAIN_SENTENCES
from node.explain.story import Cast
from protocols import events
from protocols.transaction_events import TransactionHeldBack, TransactionReplaced
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB

CAST = Cast(ALICE.address, b"\x01" * 32, "direct", (ALICE.address, BOB.address))


@pytest.mark.parametrize(
    ("log_name", "words"),
    [
        ("Deposited", "a deposit (held: 5 wei)"),
        ("AllocationUpdated", "a payout (still held: 5 wei)"),
        ("ChallengeRegistered", "a challenge that ends 1970-01-01 00:00:09.000 UTC"),
        ("Checkpointed", "turn 9 on record, no challenge"),
        ("Concluded", "the conclusion"),
        ("OutcomePaid", "what was paid out"),
        ("Later\n", "Later "),
    ],
)
def test_each_log_of_the_adjudicator_is_told(log_name: str, words: str) -> None:
    event = events.ChainLogObserved(
        bytes(32), log_name, 7, bytes(32), bytes(32), 0, 0, bytes(20), amount_to_bytes(5), 9
    )
    told = CHAIN_SENTENCES[events.ChainLogObserved](event, CAST)
    assert told.what == f"The chain shows {words} in block 7; it counts when it is confirmed."


def test_a_conclusion_is_told_with_the_amounts_that_the_chain_told() -> None:
    event = events.ChainLogObserved(
        *(bytes(32), "Concluded", 7, bytes(32), bytes(32), 0, 0, bytes(20), bytes(32), 9),
        amounts=(amount_to_bytes(6), amount_to_bytes(4)),
    )
    told = CHAIN_SENTENCES[events.ChainLogObserved](event, CAST)
    assert "the conclusion, with 6 wei and 4 wei in block 7" in told.what


def test_what_is_not_in_a_block_that_counts_is_told() -> None:
    event = events.ChainLogRefuted(bytes(32), "Concluded", 7, bytes(32), bytes(32), 0)
    told = CHAIN_SENTENCES[events.ChainLogRefuted](event, CAST)
    assert told.what == (
        "Block 7 counts, and what was seen of the channel in it is not there: it is taken back."
    )


def test_a_payout_goes_to_whom_it_was_paid() -> None:
    told = CHAIN_SENTENCES[events.WithdrawCompleted]
    for who, to in ((ALICE, "us"), (BOB, "peer")):
        event = events.WithdrawCompleted(
            bytes(32), 7, 0, who.address, bytes(20), amount_to_bytes(5)
        )
        assert told(event, CAST).to == to


def test_gas_is_told_as_what_it_cost() -> None:
    event = events.TransactionMined(
        bytes(32), bytes(32), 7, bytes(32), 50_000, amount_to_bytes(10**9), False
    )
    told = CHAIN_SENTENCES[events.TransactionMined](event, CAST)
    assert told.what.endswith("is in block 7 and was reverted; its gas cost 50000 gwei.")


def test_a_higher_bid_says_why_and_how_much_in_gwei() -> None:
    fees = [amount_to_bytes(fee) for fee in (21 * 10**9, 10**9, 29_500_000_001, 2 * 10**9)]
    event = TransactionReplaced(bytes(32), b"\x01" * 32, b"\x02" * 32, 4, *fees, b"", "deadline")
    told = CHAIN_SENTENCES[TransactionReplaced](event, CAST).what
    assert "because its deadline came nearer: at most 29.500000001 gwei instead of 21 gwei" in told
    assert "2 gwei for the block's maker (nonce 4)" in told


def test_a_ceiling_in_the_way_tells_the_deadline_as_a_date_and_in_blocks() -> None:
    prices = amount_to_bytes(600 * 10**9), amount_to_bytes(500 * 10**9)
    event = TransactionHeldBack(bytes(32), b"\x0c" * 32, *prices, 1_704_067_200, 7, 30)
    told = CHAIN_SENTENCES[TransactionHeldBack](event, CAST).what
    assert "2024-01-01 00:00:00.000 UTC (30 blocks after block 7)" in told
    assert "asks 600 gwei and we may bid 500 gwei" in told


@pytest.mark.parametrize(
    ("failure", "words"), [("out of gas", "ran out of gas"), ("", "was reverted")]
)
def test_a_call_that_failed_says_how(failure: str, words: str) -> None:
    price = amount_to_bytes(10**9)
    event = events.TransactionMined(bytes(32), bytes(32), 7, bytes(32), 5, price, False, failure)
    assert words in CHAIN_SENTENCES[events.TransactionMined](event, CAST).what


def test_a_reclaim_is_told_without_the_id_behind_its_kind() -> None:
    kind = "reclaim " + "ab" * 32
    event = events.TransactionRequested(bytes(32), kind, bytes(32), bytes(20), bytes(32), b"")
    told = CHAIN_SENTENCES[events.TransactionRequested](event, CAST)
    assert "get back what the ledger guaranteed" in told.what
    assert "abab" not in told.what
