"""What a queue takes, step by step; that it equals a walk is told in `test_ledger`."""

from __future__ import annotations

from protocols.ledger_standing import (
    EMPTY,
    Share,
    Standing,
    is_own,
    with_agreed,
    with_change,
    with_refused,
)

DO, UNDO, OTHER = ("do",), ("undo",), ("other",)
GIVES = Share(5, 0, 1)


def standing(*steps: tuple[tuple[str], int]) -> Standing:
    found = EMPTY
    for key, turn_num in steps:
        found = with_change(found, key, turn_num, GIVES)
    return found


def test_changes_that_wait_count_together() -> None:
    found = standing((UNDO, 2), (DO, 4), (DO, 3))
    assert found.taken == Share(15, 0, 3)
    assert found.own == ((DO, 3, GIVES), (DO, 4, GIVES), (UNDO, 2, GIVES))
    assert is_own(found, DO, 3)
    assert not is_own(found, DO, 2)
    assert not is_own(found, OTHER, 9)


def test_a_refused_change_awaits_what_undoes_it_as_often_as_it_was_refused() -> None:
    found = standing((DO, 2), (DO, 3), (OTHER, 4))
    for turn_num in (3, 2):
        found = with_refused(found, DO, turn_num, UNDO)
    assert (found.taken, found.awaited) == (GIVES, (UNDO, UNDO))
    for turn_num, awaited in ((5, (UNDO,)), (6, ())):
        found = with_change(found, UNDO, turn_num, GIVES)
        assert (found.taken, found.awaited) == (GIVES, awaited)
    assert with_change(found, UNDO, 7, GIVES).taken == Share(10, 0, 2)


def test_only_a_later_change_undoes_a_refused_one() -> None:
    found = with_refused(standing((UNDO, 2), (DO, 3)), DO, 3, UNDO)
    assert (found.taken, found.awaited) == (GIVES, (UNDO,))
    found = with_refused(standing((DO, 2), (UNDO, 3), (UNDO, 4)), DO, 2, UNDO)
    assert (found.own, found.awaited) == (((UNDO, 4, GIVES),), ())


def test_what_does_not_count_on_its_own_is_neither_refused_nor_agreed() -> None:
    found = with_refused(standing((DO, 2)), DO, 2, UNDO)
    assert with_refused(found, DO, 2, UNDO) == found
    assert with_agreed(found, DO, 2) == found
    assert with_agreed(standing((DO, 2)), DO, 2) == EMPTY
