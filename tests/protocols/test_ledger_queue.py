"""The queue of a ledger: what a countersignature agrees to, what a refusal leaves, what stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.error import ProtocolError
from protocols.ledger import (
    ADD,
    REFUSED_PAYMENT_COUNT_MAX,
    Change,
    Ledger,
    RefusedPayment,
    deltas,
    inverse,
    opened,
)
from protocols.ledger_queue import (
    OpenRefusals,
    find_proposed,
    is_own_change,
    is_settled,
    secured,
    with_agreed,
    with_asked,
    with_proposed,
    with_refused,
)
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS
from tests.support.ledger_changes import (
    FIXED,
    FOLLOWER,
    LEADER,
    add,
    move,
    proposed,
    queued,
    remove,
    target,
)


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
        assert bool(standing.awaited) == (not is_settled(ledger, ledger.proposed_turn))


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
    if kind == "agree" and not proposal.refusal and is_settled(ledger, proposal.turn_num):
        return with_agreed(ledger, proposal.turn_num, b"f" * 65, FIXED)
    return ledger


def test_a_refusal_costs_the_same_in_a_long_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Change] = []

    def counting(change: Change, fixed: FixedPart) -> tuple[int, int]:
        looked_at.append(change)
        return deltas(change, fixed)

    ledger = queued(*(replace(move(1), request_id=str(number)) for number in range(200)))
    for room in ("ledger", "ledger_queue"):
        monkeypatch.setattr(f"protocols.{room}.deltas", counting)
    for turn_num in range(2, 202):
        undone = inverse(ledger.queue[turn_num - 2].change)
        ledger = with_refused(ledger, turn_num, "FEE_TOO_LOW", FIXED)
        ledger = with_proposed(ledger, proposed(200, undone), FIXED)
    # Each inverse is looked at once: where it leads is also what it would take.
    assert len(looked_at) == 200
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
