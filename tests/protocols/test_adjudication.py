"""The adjudicator's side of a channel is the fold of its logs, paid share by paid share (M4)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocols.abi import encode_outcome
from protocols.adjudication import (
    CONCLUDED_HASH,
    Adjudicated,
    ObservedLog,
    after_log,
    exit_of,
    guarantee_place,
    outcome_of,
    status_after,
)
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
    total,
)
from protocols.settlement import payouts
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import block_hash, tx_hash

TARGET = b"\xc7" * 32
LEFT, RIGHT = destination_of(ALICE.address), destination_of(BOB.address)


def log(name: str, number: int = 0, amount: int = 0, **changes: Any) -> ObservedLog:
    where = (9, block_hash(9), tx_hash(9), 0)
    return ObservedLog(name, *where, ZERO_ADDRESS, amount, number, **changes)


def ledger(left: int, right: int, guaranteed: int) -> bytes:
    shares = (
        Allocation(LEFT, left),
        Allocation(RIGHT, right),
        Allocation(TARGET, guaranteed, GUARANTEE, guarantee_metadata(LEFT, RIGHT)),
    )
    return encode_outcome((SingleAssetExit(ZERO_ADDRESS, shares),))


def challenged(outcome: bytes, turn_num: int = 5) -> Adjudicated:
    challenge = log(
        "ChallengeRegistered", 100, turn_num=turn_num, state_hash=b"\x05" * 32, outcome=outcome
    )
    return after_log(Adjudicated(), challenge)


def test_a_challenge_stands_with_its_state_until_it_is_cleared() -> None:
    outcome = ledger(4, 3, 2)
    known = challenged(outcome)
    assert known == Adjudicated(5, 100, b"\x05" * 32, outcome, outcome)
    assert after_log(known, log("ChallengeCleared", 6)) == Adjudicated(6)
    assert after_log(Adjudicated(), log("Checkpointed", 6)) == Adjudicated(6)


def test_a_conclusion_stands_under_no_state_hash() -> None:
    outcome = ledger(4, 3, 0)
    known = after_log(challenged(ledger(9, 0, 0)), log("Concluded", 77, outcome=outcome))
    assert known == Adjudicated(0, 77, CONCLUDED_HASH, outcome, outcome)


def test_what_is_paid_leaves_the_outcome_and_not_what_it_was_at_first() -> None:
    known = after_log(
        challenged(ledger(4, 3, 2)), log("OutcomePaid", indices=(0, 1), amounts=(4, 1))
    )
    exit_ = exit_of(known.outcome)
    assert exit_ is not None
    assert [a.amount for a in exit_.allocations] == [0, 2, 2]
    assert known.first_outcome == ledger(4, 3, 2)


def test_a_reclaimed_guarantee_goes_to_its_two_parties() -> None:
    reclaimed = log("OutcomeReclaimed", amount=2, target=TARGET)
    known = after_log(challenged(ledger(4, 3, 5)), reclaimed)
    exit_ = exit_of(known.outcome)
    assert exit_ is not None
    assert [a.amount for a in exit_.allocations] == [7, 5]
    assert after_log(known, reclaimed) == known


def test_logs_of_what_nothing_is_known_of_change_nothing() -> None:
    unknown = challenged(b"")
    assert after_log(unknown, log("OutcomePaid", indices=(0,), amounts=(1,))) == unknown
    assert after_log(unknown, log("OutcomeReclaimed", amount=1, target=TARGET)) == unknown
    known = challenged(ledger(4, 3, 2))
    assert after_log(known, log("OutcomePaid", indices=(7,), amounts=(1,))) == known
    assert after_log(known, log("OutcomeReclaimed", amount=9, target=TARGET)) == known
    assert after_log(known, log("Deposited", amount=9)) is known


def test_an_outcome_that_no_state_of_ours_could_have_is_none() -> None:
    assert outcome_of(b"") == ()
    assert outcome_of(b"\x01" * 64) == ()
    exit_ = exit_of(ledger(1, 2, 3))
    assert exit_ is not None
    assert exit_of(encode_outcome((exit_, exit_))) is None
    assert guarantee_place(exit_, TARGET) == 2
    assert guarantee_place(exit_, b"\x01" * 32) is None


def test_a_challenge_may_be_cleared_and_raised_again() -> None:
    status = "open"
    for name in ("ChallengeRegistered", "ChallengeCleared", "OutcomePaid", "ChallengeRegistered"):
        status = status_after(status, name)
    assert status == "challenged"
    assert status_after(status, "Concluded") == "concluded"


amounts = st.integers(min_value=0, max_value=100)


@given(amounts, amounts, amounts, st.data())
def test_whatever_order_strangers_choose_everything_ends_with_who_owns_it(
    left: int, right: int, guaranteed: int, data: st.DataObject
) -> None:
    """Payouts of parts, by anybody, before or after the guarantee is given back."""
    share = data.draw(st.integers(min_value=0, max_value=guaranteed))
    held = left + right + guaranteed
    known, paid = challenged(ledger(left, right, guaranteed)), {LEFT: 0, RIGHT: 0}
    steps = data.draw(st.permutations(["pay 0", "pay 1", "reclaim", "pay 0", "pay 1"]))
    for step in [*steps, "reclaim", "pay 0", "pay 1"]:
        exit_ = exit_of(known.outcome)
        assert exit_ is not None
        assert total(exit_) == held
        if step == "reclaim":
            known = after_log(known, log("OutcomeReclaimed", amount=share, target=TARGET))
            continue
        place = int(step[-1])
        who = exit_.allocations[place].destination
        amount = payouts(exit_, held).get(who, 0)
        known = after_log(known, log("OutcomePaid", indices=(place,), amounts=(amount,)))
        held -= amount
        paid[who] += amount
    assert paid == {LEFT: left + guaranteed - share, RIGHT: right + share}
    assert held == 0
