"""Sentences for what the chain showed."""

import pytest

from node.explain.chain_sentences import CHAIN_SENTENCES
from node.explain.story import Cast
from protocols import events
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
