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
    ADD,
    GUARANTEE_COUNT_MAX,
    MOVE,
    NO_TARGET,
    REFUSED_PAYMENT_COUNT_MAX,
    REMOVE,
    Change,
    Ledger,
    LedgerVars,
    OpenRefusals,
    Proposed,
    RefusedPayment,
    after,
    balance_total,
    deltas,
    find_guarantee,
    find_proposed,
    inverse,
    is_own_change,
    ledger_outcome,
    ledger_state,
    opened,
    restored,
    secured,
    vars_of,
    with_agreed,
    with_asked,
    with_proposed,
    with_refused,
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
from protocols.outcome import GUARANTEE, destination_of, total
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CONSENSUS_APP, DURATION_S

FIXED = FixedPart((ALICE.address, BOB.address), 7, CONSENSUS_APP, DURATION_S)
LEADER, FOLLOWER = destination_of(ALICE.address), destination_of(BOB.address)
START = LedgerVars(1_000, 500)


def target(number: int) -> bytes:
    return b"\xee" * 28 + number.to_bytes(4, "big")


def add(number: int = 1, amount: int = 100, left_amount: int = 100, fee: int = 0) -> Change:
    return Change(ADD, target(number), amount, LEADER, FOLLOWER, left_amount, fee)


def remove(number: int = 1, amount: int = 100, left_amount: int = 100, fee: int = 0) -> Change:
    return replace(add(number, amount, left_amount, fee), kind=REMOVE)


def move(amount: int, left: bytes = LEADER, right: bytes = FOLLOWER) -> Change:
    return Change(MOVE, NO_TARGET, amount, left, right)


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


amounts = st.integers(min_value=0, max_value=600)
changes = st.one_of(
    st.builds(add, st.integers(1, 4), amounts, amounts, amounts),
    st.builds(remove, st.integers(1, 4), amounts, amounts, amounts),
    st.builds(move, amounts),
    st.builds(move, amounts, st.just(FOLLOWER), st.just(LEADER)),
)


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


def proposed(turn_num: int, change: Change) -> Proposed:
    return Proposed(turn_num, change, bytes([turn_num]) * 32, bytes([turn_num]) * 65)


def test_one_countersignature_agrees_to_a_prefix_of_the_queue() -> None:
    ledger = opened(ZERO_ADDRESS, b"\1" * 32, (b"a" * 65, b"b" * 65), (1_000, 500))
    for turn_num in (2, 3, 4):
        ledger = with_proposed(ledger, proposed(turn_num, add(turn_num, 10, 10)), FIXED)
    assert (ledger.turn_num, ledger.proposed_turn) == (1, 4)
    ledger = with_agreed(ledger, 3, b"f" * 65, FIXED)
    assert (ledger.turn_num, [p.turn_num for p in ledger.queue]) == (3, [4])
    assert len(ledger.current.guarantees) == 2
    assert len(ledger.proposed.guarantees) == 3
    assert ledger.signatures == (b"\3" * 65, b"f" * 65)
    ledger = with_agreed(ledger, 4, b"f" * 65, FIXED)
    assert ledger.current == ledger.proposed
    assert not ledger.queue


def test_a_refused_turn_keeps_its_place_in_the_queue() -> None:
    ledger = opened(ZERO_ADDRESS, b"\1" * 32, (b"a" * 65, b"b" * 65), (1_000, 500))
    ledger = with_proposed(ledger, proposed(2, add()), FIXED)
    ledger = with_refused(ledger, 2, "FEE_TOO_LOW", FIXED)
    assert ledger.queue[0].refusal == "FEE_TOO_LOW"
    assert ledger.proposed_turn == 2


# --- queues with refusals ---


def queued(*changes: Change, refused: tuple[int, ...] = ()) -> Ledger:
    """A ledger with these proposals, some of them refused by their turns."""
    ledger = opened(ZERO_ADDRESS, b"\1" * 32, (b"a" * 65, b"b" * 65), (1_000, 500))
    for turn_num, change in enumerate(changes, 2):
        ledger = with_proposed(ledger, proposed(turn_num, change), FIXED)
    for turn_num in refused:
        ledger = with_refused(ledger, turn_num, "FEE_TOO_LOW", FIXED)
    return ledger


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        (queued(), (1_000, 500, 0)),
        (queued(move(100)), (900, 500, 0)),
        (queued(move(100), move(40, FOLLOWER, LEADER)), (900, 460, 0)),
        (queued(add(1, 100, 60, fee=5)), (935, 465, 1)),
        (queued(add(1), inverse(add(1)), refused=(2,)), (1_000, 500, 0)),
        (queued(add(1), move(7), refused=(2,)), (993, 500, 0)),
        (queued(move(7), inverse(move(7)), move(7), refused=(2,)), (993, 500, 0)),
    ],
)
def test_what_is_secured_leans_on_no_credit_that_may_be_refused(
    ledger: Ledger, expected: tuple[int, int, int]
) -> None:
    found = secured(ledger)
    assert (found.leader, found.follower, found.guarantee_count) == expected


def walked(ledger: Ledger) -> tuple[tuple[int, int, int], set[int]]:
    """What the queue takes and which of its turns count on their own, found by walking it."""
    taken, own, refusals = [0, 0, 0], set(), OpenRefusals()
    for proposal in ledger.queue:
        if proposal.refusal:
            refusals.add(proposal.change)
        elif not refusals.settle(proposal.change):
            to_leader, to_follower = deltas(proposal.change, FIXED)
            own.add(proposal.turn_num)
            for place, amount in enumerate((to_leader, to_follower)):
                taken[place] -= min(amount, 0)
            taken[2] += proposal.change.kind == ADD
    return (taken[0], taken[1], taken[2]), own


few_changes = st.sampled_from(
    [move(5), move(5, FOLLOWER, LEADER), move(3), add(1), inverse(add(1)), add(2), remove(2)]
)
steps = st.one_of(
    few_changes,
    st.tuples(st.just("refuse"), st.integers(0, 30)),
    st.tuples(st.just("agree"), st.integers(0, 30)),
)


@given(st.lists(steps, max_size=30))
def test_what_stands_is_what_a_walk_through_the_queue_finds(
    wanted: list[Change | tuple[str, int]],
) -> None:
    ledger = queued()
    for step in wanted:
        ledger = stepped(ledger, step)
        taken, own = walked(ledger)
        standing = ledger.standing
        assert (standing.taken.leader, standing.taken.follower, standing.taken.room) == taken
        assert {p.turn_num for p in ledger.queue if is_own_change(ledger, p)} == own
        assert bool(standing.awaited) == (not is_closed(ledger, ledger.proposed_turn))


def is_closed(ledger: Ledger, turn_num: int) -> bool:
    """Whether nothing through that turn is refused and not undone."""
    refusals = OpenRefusals()
    for proposal in ledger.queue[: turn_num - ledger.turn_num]:
        if proposal.refusal:
            refusals.add(proposal.change)
        else:
            refusals.settle(proposal.change)
    return not refusals


def stepped(ledger: Ledger, step: Change | tuple[str, int]) -> Ledger:
    """One more proposal, or an answer that an honest follower may give; else nothing."""
    if isinstance(step, Change):
        try:
            return with_proposed(ledger, proposed(ledger.proposed_turn + 1, step), FIXED)
        except ProtocolError:
            return ledger
    kind, index = step
    if index >= len(ledger.queue):
        return ledger
    proposal = ledger.queue[index]
    if kind == "refuse" and is_own_change(ledger, proposal):
        return with_refused(ledger, proposal.turn_num, "FEE_TOO_LOW", FIXED)
    if kind == "agree" and not proposal.refusal and is_closed(ledger, proposal.turn_num):
        return with_agreed(ledger, proposal.turn_num, b"f" * 65, FIXED)
    return ledger


def test_a_refusal_costs_the_same_in_a_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Change] = []

    def counting(change: Change, fixed: FixedPart) -> tuple[int, int]:
        looked_at.append(change)
        return deltas(change, fixed)

    ledger = queued(*(replace(move(1), request_id=str(number)) for number in range(200)))
    monkeypatch.setattr("protocols.ledger.deltas", counting)
    for turn_num in range(2, 202):
        undone = inverse(ledger.queue[turn_num - 2].change)
        ledger = with_refused(ledger, turn_num, "FEE_TOO_LOW", FIXED)
        ledger = with_proposed(ledger, proposed(200, undone), FIXED)
    # Each inverse is looked at twice: where it leads, and what it would take.
    assert len(looked_at) == 2 * 200
    assert secured(ledger).leader == 1_000
    assert ledger.standing == type(ledger.standing)()


def test_a_turn_that_does_not_wait_is_refused_without_effect() -> None:
    ledger = queued(move(5))
    assert (
        with_refused(ledger, 1, "FEE_TOO_LOW", FIXED)
        == with_refused(ledger, 3, "X", FIXED)
        == ledger
    )


def test_a_removal_that_waits_frees_neither_money_nor_room() -> None:
    ledger = with_agreed(queued(add(1)), 2, b"f" * 65, FIXED)
    ledger = with_proposed(ledger, proposed(3, remove(1)), FIXED)
    found = secured(ledger)
    assert (found.leader, found.follower, found.guarantee_count) == (900, 500, 1)


def test_each_refusal_is_settled_by_one_inverse() -> None:
    refusals = OpenRefusals()
    assert not refusals
    for change in (add(1), add(1), move(5)):
        refusals.add(change)
    assert not refusals.settle(add(1))
    assert not refusals.settle(inverse(add(2)))
    assert [refusals.settle(inverse(add(1))) for _ in range(3)] == [True, True, False]
    assert refusals
    assert refusals.settle(move(5, FOLLOWER, LEADER))
    assert not refusals


def test_the_newest_proposal_about_a_guarantee_is_found() -> None:
    ledger = queued(add(1), add(2), inverse(add(1)), refused=(2,))
    found = find_proposed(ledger, target(1))
    assert found is not None
    assert found.turn_num == 4
    assert find_proposed(ledger, target(3)) is None


def test_a_leaders_own_payment_answers_no_wish_of_the_follower() -> None:
    ledger = with_asked(queued(replace(move(40), request_id="same")), "same", 40)
    assert with_agreed(ledger, 2, b"f" * 65, FIXED).asked == ledger.asked
    back = replace(move(40, FOLLOWER, LEADER), request_id="same")
    ledger = with_asked(queued(back), "same", 40)
    assert with_agreed(ledger, 2, b"f" * 65, FIXED).asked == ()


def wished(request_id: str = "rent", amount: int = 40) -> Change:
    """The move that meets a wish of the follower."""
    return replace(move(amount, FOLLOWER, LEADER), request_id=request_id)


def test_a_refused_wish_is_over_and_known_by_the_name_of_its_refusal() -> None:
    ledger = with_asked(with_asked(queued(wished()), "rent", 40), "gas", 5)
    ledger = with_refused(ledger, 2, "LEDGER_NOT_RUNNING", FIXED)
    assert [wish.request_id for wish in ledger.asked] == ["gas"]
    assert ledger.refused_payments == (RefusedPayment("rent", 40, False, "LEDGER_NOT_RUNNING"),)
    ledger = with_proposed(ledger, proposed(3, inverse(wished())), FIXED)
    ledger = with_agreed(ledger, 3, b"f" * 65, FIXED)
    assert [wish.request_id for wish in ledger.asked] == ["gas"]
    assert len(ledger.refused_payments) == 1


@pytest.mark.parametrize("change", [wished("gas"), wished(amount=41), wished("")])
def test_a_move_that_nobody_asked_for_is_refused_without_a_trace(change: Change) -> None:
    ledger = with_refused(with_asked(queued(change), "rent", 40), 2, "X", FIXED)
    assert (len(ledger.asked), ledger.refused_payments) == (1, ())


def test_a_wish_met_once_is_not_over_because_a_second_move_was_refused() -> None:
    ledger = with_asked(queued(wished(), wished()), "rent", 40)
    ledger = with_refused(ledger, 3, "LEDGER_BALANCE_FALLS", FIXED)
    assert (len(ledger.asked), ledger.refused_payments) == (1, ())
    assert with_agreed(ledger, 2, b"f" * 65, FIXED).asked == ()


def test_what_takes_a_leaders_payment_back_meets_no_wish_of_the_same_name() -> None:
    rent = replace(move(40), request_id="rent")
    ledger = with_refused(with_asked(queued(rent), "rent", 40), 2, "X", FIXED)
    assert ledger.refused_payments == (RefusedPayment("rent", 40, True, "X"),)
    ledger = with_proposed(ledger, proposed(3, inverse(rent)), FIXED)
    assert len(with_agreed(ledger, 3, b"f" * 65, FIXED).asked) == 1


def test_so_many_refused_payments_are_remembered() -> None:
    rents = [replace(move(1), request_id=str(number)) for number in range(20)]
    ledger = queued(*rents, refused=tuple(range(2, 22)))
    names = [payment.request_id for payment in ledger.refused_payments]
    assert names == [str(number) for number in range(20 - REFUSED_PAYMENT_COUNT_MAX, 20)]


# --- whole states ---


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
