"""Proposals that came to nothing: who is charged for them, for how long, and how many are kept."""

from __future__ import annotations

import pytest

from protocols import rejections
from protocols.rejections import NOBODY, PROPOSAL_WINDOW_MS, REJECTED_COUNT_MAX, Rejections
from tests.support.actors import ALICE, BOB, IVAN

HUB, PAYER, OTHER = IVAN.address, ALICE.address, BOB.address


def full_for(payer: bytes) -> Rejections:
    found = Rejections()
    for number in range(REJECTED_COUNT_MAX):
        found.add(HUB, payer, number)
    return found


def test_one_payer_uses_up_her_own_share_and_nobody_elses() -> None:
    found = full_for(PAYER)
    assert found.is_payer_full(HUB, PAYER, 0)
    assert not found.is_payer_full(HUB, OTHER, 0)
    assert not found.is_payer_full(HUB, HUB, 0)
    assert not found.is_payer_full(OTHER, PAYER, 0), "her other paths are as they were"
    assert not found.is_neighbour_full(HUB, 0)


def test_a_rejection_counts_from_its_time_on() -> None:
    found = full_for(PAYER)
    assert not found.is_payer_full(HUB, PAYER, 1)
    found.add(HUB, PAYER, REJECTED_COUNT_MAX)
    assert found.is_payer_full(HUB, PAYER, 1)


def test_a_neighbour_that_invents_payers_reaches_its_own_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejections, "NEIGHBOUR_REJECTED_COUNT_MAX", 50)
    found = Rejections()
    for number in range(50):
        assert not found.is_neighbour_full(HUB, 0)
        found.add(HUB, number.to_bytes(20, "big") if number % 2 else NOBODY, number)
    assert found.is_neighbour_full(HUB, 0)
    assert not found.is_neighbour_full(HUB, 1)
    assert not found.is_neighbour_full(OTHER, 0)


def test_memory_is_bounded_by_the_neighbours_bound_and_by_the_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejections, "NEIGHBOUR_REJECTED_COUNT_MAX", 50)
    found = Rejections()
    for number in range(500):
        found.add(HUB, number.to_bytes(20, "big"), number)
    assert len(found._by_neighbour[HUB]) == len(found._by_pair) == 50
    found.add(HUB, PAYER, 500 + PROPOSAL_WINDOW_MS)
    assert list(found._by_pair) == [(HUB, PAYER)]


def test_neighbours_that_were_silent_for_a_day_are_forgotten() -> None:
    found = Rejections()
    for number in range(100):
        found.add(number.to_bytes(20, "big"), PAYER, number)
    found.add(bytes(20), PAYER, 200)
    assert len(found._by_neighbour) == 100
    for number in range(99):
        found.add(HUB, PAYER, 150 + PROPOSAL_WINDOW_MS + number % 3)
    assert list(found._by_neighbour) == [bytes(20), HUB]
    assert list(found._by_pair) == [(bytes(20), PAYER), (HUB, PAYER)]
    assert len(found._by_pair[bytes(20), PAYER]) == 2


def test_what_was_refused_at_once_may_be_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "NEIGHBOUR_REJECTED_COUNT_MAX", 3)
    found = Rejections()
    names = [number.to_bytes(32, "big") for number in range(4)]
    for number, name in enumerate(names):
        found.refuse(HUB, name, number)
    assert [found.may_cross(HUB, name) for name in names] == [False, True, True, True]
    assert not found.may_cross(OTHER, names[3])
    found.hear(HUB, names[3])
    found.hear(HUB, names[3])
    assert not found.may_cross(HUB, names[3])
    found.refuse(OTHER, names[0], PROPOSAL_WINDOW_MS + 10)
    assert not found.may_cross(HUB, names[2]), "a day has passed"
