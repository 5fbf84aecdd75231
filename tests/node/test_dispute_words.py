"""What somebody who runs a dispute kit is told."""

from __future__ import annotations

from node.dispute_words import word_on, word_on_need, word_on_step
from protocols import events
from protocols.entities import NodeState
from protocols.exit_errors import KitNeedsKey
from protocols.exit_plan import PlannedStep
from protocols.transactions import Transaction
from protocols.types import amount_to_bytes

CHANNEL = b"\xc1" * 32
INTENT, HASH = b"\x01" * 32, b"\xab" * 32
NAME = "0x" + "c1" * 4
NOON_S = 1_704_110_400


def state_with(kind: str, failure: str = "") -> NodeState:
    state = NodeState()
    state.transactions[INTENT] = Transaction(INTENT, kind, CHANNEL, failure=failure)
    return state


def log(log_name: str, number: int = 0, turn_num: int = 0) -> events.ChainLogObserved:
    place = (7, b"\x07" * 32, HASH, 0, 0)
    amount = amount_to_bytes(0)
    return events.ChainLogObserved(
        CHANNEL, log_name, *place, bytes(20), amount, number=number, turn_num=turn_num
    )


def mined(*, succeeded: bool) -> events.TransactionMined:
    return events.TransactionMined(
        INTENT, HASH, 7, b"\x07" * 32, 50_000, amount_to_bytes(1), succeeded
    )


def test_a_call_is_named_without_what_it_is_about() -> None:
    sent = events.TransactionSubmitted(INTENT, HASH, bytes(20), 0, b"raw")
    state = state_with("reclaim " + "aa" * 32)
    assert word_on(sent, state) == f"{NAME}: sent reclaim 0x{HASH.hex()}"


def test_only_a_call_that_came_to_nothing_is_told_of_when_it_ends() -> None:
    state = state_with("challenge", "reverted")
    word = f"{NAME}: no challenge now: reverted"
    assert word_on(mined(succeeded=False), state) == word
    assert word_on(events.TransactionFailed(INTENT, "reverted"), state) == word
    assert word_on(mined(succeeded=True), state) is None


def test_a_challenge_says_until_when_it_runs() -> None:
    seen = word_on(log("ChallengeRegistered", NOON_S, 5), NodeState())
    assert seen == f"{NAME}: ChallengeRegistered, turn 5 until 2024-01-01 12:00:00 UTC"
    assert word_on(log("OutcomePaid"), NodeState()) == f"{NAME}: OutcomePaid"


def test_a_step_is_due_now_or_at_its_date() -> None:
    now = word_on_step(PlannedStep("challenge", CHANNEL, 105_000, 0), NOON_S - 60)
    assert now == f"{NAME}: to challenge now, about 105,000 gas"
    later = word_on_step(PlannedStep("transfer", CHANNEL, 72_000, 60), NOON_S - 60)
    assert later == f"{NAME}: to transfer 2024-01-01 12:00:00 UTC, about 72,000 gas"


def test_who_needs_a_key_is_told_what_to_do() -> None:
    needed = KitNeedsKey(b"\xaa" * 20, CHANNEL)
    word = word_on_need(CHANNEL, needed)
    assert word.startswith(f"{NAME}: ")
    assert word.endswith(needed.next_step)
