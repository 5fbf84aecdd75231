"""The arithmetic of ledgers: money is neither made nor lost, and every change can be undone."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.crypto import keccak256
from protocols.error import ProtocolError
from protocols.ledger import (
    GUARANTEE_COUNT_MAX,
    NO_TARGET,
    Change,
    after,
    balance_total,
    find_guarantee,
    inverse,
    ledger_outcome,
    ledger_state,
    restored,
    vars_of,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_errors import (
    DuplicateGuarantee,
    GuaranteeNotFound,
    InvalidGuaranteeAmount,
    InvalidLedgerChange,
    LedgerFundsInsufficient,
    TooManyGuarantees,
)
from protocols.ledger_queue import (
    with_asked,
)
from protocols.outcome import GUARANTEE, total
from protocols.types import ZERO_ADDRESS
from tests.support.ledger_changes import (
    FIXED,
    FOLLOWER,
    LEADER,
    START,
    add,
    changes,
    move,
    queued,
    remove,
    target,
)


def test_a_guarantee_takes_each_sides_part_and_the_fee_from_left_to_right() -> None:
    ledger = after(START, add(amount=100, left_amount=70, fee=5), FIXED)
    assert (ledger.leader, ledger.follower) == (1_000 - 70 - 5, 500 - 30 + 5)
    guarantee = find_guarantee(ledger, target(1))
    assert guarantee is not None
    assert guarantee.amount == 100


def test_left_may_be_the_follower() -> None:
    change = replace(add(amount=100, left_amount=100, fee=5), left=FOLLOWER, right=LEADER)
    ledger = after(START, change, FIXED)
    assert (ledger.leader, ledger.follower) == (1_005, 395)


def test_a_removal_splits_the_guarantee_as_the_final_state_says() -> None:
    ledger = after(after(START, add(fee=5), FIXED), remove(left_amount=60), FIXED)
    assert (ledger.leader, ledger.follower) == (1_000 - 5 - 40, 500 + 5 + 40)
    assert not ledger.guarantees


def test_guarantees_ascend_by_target_whatever_the_order_of_adding() -> None:
    ledger = START
    for number in (5, 1, 9, 3):
        ledger = after(ledger, add(number, 10, 10), FIXED)
    targets = [guarantee.target for guarantee in ledger.guarantees]
    assert targets == sorted(targets)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (add(amount=1_001, left_amount=1_001), LedgerFundsInsufficient),
        (add(amount=1_000, left_amount=1_000, fee=1), LedgerFundsInsufficient),
        (add(amount=501, left_amount=0), LedgerFundsInsufficient),
        (add(amount=10, left_amount=11), InvalidGuaranteeAmount),
        (remove(), GuaranteeNotFound),
        (move(1_001), LedgerFundsInsufficient),
        (replace(move(1), fee=1), InvalidLedgerChange),
        (replace(move(1), left=FOLLOWER), InvalidLedgerChange),
        (replace(add(), left=target(3)), InvalidLedgerChange),
        (replace(add(), kind="double"), InvalidLedgerChange),
        (replace(add(), target=NO_TARGET), InvalidLedgerChange),
    ],
)
def test_a_change_that_its_amounts_do_not_allow_is_refused(
    change: Change, refusal: type[ProtocolError]
) -> None:
    with pytest.raises(refusal):
        after(START, change, FIXED)


def test_a_target_is_guaranteed_once_and_removed_with_its_own_values() -> None:
    ledger = after(START, add(), FIXED)
    with pytest.raises(DuplicateGuarantee):
        after(ledger, add(), FIXED)
    with pytest.raises(InvalidLedgerChange):
        after(ledger, remove(amount=101, left_amount=1), FIXED)


def test_the_guarantees_of_a_ledger_are_bounded() -> None:
    ledger = START
    for number in range(GUARANTEE_COUNT_MAX):
        ledger = after(ledger, add(number + 1, 1, 1), FIXED)
    with pytest.raises(TooManyGuarantees):
        after(ledger, add(GUARANTEE_COUNT_MAX + 1, 1, 1), FIXED)


@given(st.lists(changes, max_size=12))
def test_no_change_makes_or_loses_money_and_its_inverse_undoes_it(wanted: list[Change]) -> None:
    ledger = START
    for change in wanted:
        try:
            changed = after(ledger, change, FIXED)
        except ProtocolError:
            continue
        assert balance_total(changed) == balance_total(START)
        assert min(changed.leader, changed.follower) >= 0
        assert after(changed, inverse(change), FIXED) == ledger
        ledger = changed


def test_the_signed_outcome_is_leader_follower_and_guarantees() -> None:
    ledger = after(after(START, add(2), FIXED), add(1), FIXED)
    (exit_,) = ledger_outcome(FIXED, ZERO_ADDRESS, ledger)
    assert [a.destination for a in exit_.allocations] == [LEADER, FOLLOWER, target(1), target(2)]
    assert [a.allocation_type for a in exit_.allocations[2:]] == [GUARANTEE, GUARANTEE]
    assert exit_.allocations[2].metadata == LEADER + FOLLOWER
    assert total(exit_) == 1_500
    state = ledger_state(FIXED, ZERO_ADDRESS, ledger, 3)
    assert (state.turn_num, state.app_data, state.is_final) == (3, b"", False)


@given(st.lists(changes, max_size=8))
def test_a_state_of_a_ledger_is_read_back(wanted: list[Change]) -> None:
    vars_ = START
    for change in wanted:
        try:
            vars_ = after(vars_, change, FIXED)
        except ProtocolError:
            continue
    assert vars_of(ledger_state(FIXED, ZERO_ADDRESS, vars_, 9)) == vars_


def test_a_restored_ledger_is_the_state_that_was_shown() -> None:
    vars_ = after(START, add(1), FIXED)
    state = ledger_state(FIXED, ZERO_ADDRESS, vars_, 9)
    before = with_asked(queued(move(5)), "rent", 5)
    ledger = restored(before, state, b"h" * 32, (b"l" * 65, b"f" * 65))
    assert (ledger.current, ledger.proposed, ledger.turn_num) == (vars_, vars_, 9)
    assert (ledger.queue, ledger.asked) == ((), ())
    assert ledger.signatures == (b"l" * 65, b"f" * 65)


def test_the_hash_that_is_signed_is_that_of_the_layout_of_nitro() -> None:
    vars_ = after(START, add(1, 100, 60, fee=5), FIXED)
    signed = ledger_state_hash(FIXED.channel_id(), FIXED, ZERO_ADDRESS, vars_, 2)
    allocations = [
        (LEADER, 1_000 - 65, 0, b""),
        (FOLLOWER, 500 - 40 + 5, 0, b""),
        (target(1), 100, 2, LEADER + FOLLOWER),
    ]
    exits = [("0x" + "00" * 20, (0, b""), allocations)]
    layout = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
    kinds = ["bytes32", "bytes", layout, "uint256", "bool"]
    assert signed == keccak256(encode(kinds, [FIXED.channel_id(), b"", exits, 2, False]))
