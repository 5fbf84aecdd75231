"""Reclaim and transfer as arithmetic; `tests/contracts/test_exit_value.py` asks the contracts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.outcome import (
    GUARANTEE,
    Allocation,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
    total,
)
from protocols.settlement import NotReclaimable, payouts, reclaimed, settled
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.vectors import NITRO

A, B, H = (destination_of(who.address) for who in (ALICE, BOB, IVAN))
NATIVE, TOKEN = bytes(20), b"\x70" * 20
TARGET, OTHER = b"\xee" * 32, b"\xef" * 32


def backing(amount: int, target: bytes = TARGET, left: bytes = A, right: bytes = H) -> Allocation:
    return Allocation(target, amount, GUARANTEE, guarantee_metadata(left, right))


def ledger(left: int, right: int, *guarantees: Allocation) -> SingleAssetExit:
    return SingleAssetExit(NATIVE, (Allocation(A, left), Allocation(H, right), *guarantees))


def virtual(payer: int, payee: int, asset: bytes = NATIVE) -> SingleAssetExit:
    return SingleAssetExit(asset, (Allocation(A, payer), Allocation(B, payee)))


@pytest.mark.parametrize("row", NITRO["reclaim"]["rows"], ids=["row1", "row2"])
def test_the_published_reclaim_vectors_hold(row: dict[str, dict[str, int]]) -> None:
    before, target, after = row["ledger"], row["virtual"], row["after"]
    source = ledger(before["left"], before["right"], backing(before["guarantee"]))
    found = reclaimed(source, 2, virtual(target["left"], target["right"]))
    assert found == ledger(after["left"], after["right"])


def test_right_gets_what_the_payee_had_and_left_the_rest_whatever_left_had() -> None:
    for payer in (0, 7, 500):
        assert reclaimed(ledger(5, 5, backing(10)), 2, virtual(payer, 3)) == ledger(12, 8)


def test_a_guarantee_may_stand_before_the_shares_that_gain() -> None:
    source = SingleAssetExit(NATIVE, (backing(10), Allocation(H, 5), Allocation(A, 5)))
    found = reclaimed(source, 0, virtual(7, 3))
    assert found.allocations == (Allocation(H, 8), Allocation(A, 12))


def test_only_the_first_share_of_a_party_gains() -> None:
    source = ledger(5, 5, Allocation(A, 1), backing(10))
    assert reclaimed(source, 3, virtual(7, 3)) == ledger(12, 8, Allocation(A, 1))


def test_a_party_that_is_both_sides_gets_all_of_it() -> None:
    source = ledger(5, 5, backing(10, left=A, right=A))
    assert reclaimed(source, 2, virtual(7, 3)) == ledger(15, 5)


@pytest.mark.parametrize(
    ("source", "place", "target"),
    [
        (ledger(5, 5, backing(10)), 0, virtual(7, 3)),
        (ledger(5, 5, backing(10)), 2, virtual(0, 11)),
        (ledger(5, 5, backing(10)), 2, virtual(7, 3, TOKEN)),
        (ledger(5, 5, backing(10, left=B)), 2, virtual(7, 3)),
        (ledger(5, 5, backing(10, right=B)), 2, virtual(7, 3)),
        (ledger(5, 5, backing(10, right=B)), 2, virtual(10, 0)),
    ],
    ids=["a simple share", "too much", "another asset", "no left", "no right", "no right for 0"],
)
def test_what_the_contract_refuses_is_refused(
    source: SingleAssetExit, place: int, target: SingleAssetExit
) -> None:
    with pytest.raises(NotReclaimable):
        reclaimed(source, place, target)


def test_a_target_of_one_share_gives_everything_to_the_left() -> None:
    alone = SingleAssetExit(NATIVE, (Allocation(A, 10),))
    assert reclaimed(ledger(5, 5, backing(10)), 2, alone) == ledger(15, 5)


@pytest.mark.parametrize(
    ("held", "paid"), [(0, (0, 0)), (3, (3, 0)), (5, (5, 0)), (8, (5, 3)), (99, (5, 7))]
)
def test_earlier_shares_are_paid_first(held: int, paid: tuple[int, int]) -> None:
    assert payouts(ledger(5, 7), held) == {A: paid[0], H: paid[1]}


def test_a_guarantee_is_not_paid_and_keeps_its_place_in_the_queue() -> None:
    source = SingleAssetExit(NATIVE, (backing(10), Allocation(A, 5)))
    assert payouts(source, 12) == {A: 2}


@given(
    st.integers(0, 99),
    st.integers(0, 99),
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), max_size=4),
)
def test_what_is_settled_is_what_was_held(
    left: int, right: int, channels: list[tuple[int, int]]
) -> None:
    guarantees = [backing(amount, bytes([i]) * 32) for i, (amount, _) in enumerate(channels)]
    targets = {
        bytes([i]) * 32: virtual(amount - min(amount, paid), min(amount, paid))
        for i, (amount, paid) in enumerate(channels)
    }
    source = ledger(left, right, *guarantees)
    paid = settled(source, total(source), targets)
    to_right = sum(target.allocations[1].amount for target in targets.values())
    assert paid[H] == right + to_right
    assert paid[A] + paid[H] == total(source)


def test_a_guarantee_without_a_finalised_target_stays_locked() -> None:
    source = ledger(5, 5, backing(10), backing(4, OTHER))
    assert settled(source, 24, {OTHER: virtual(1, 3)}) == {A: 6, H: 8}
    assert settled(source, 24, {}) == {A: 5, H: 5}


def test_settling_changes_nothing_it_was_given() -> None:
    source = ledger(5, 5, backing(10))
    before = replace(source)
    settled(source, 20, {TARGET: virtual(7, 3)})
    assert source == before
