"""Questions get shorter until they are answered, and longer again after that."""

from __future__ import annotations

import pytest

from node.chain.stretch import SERVED_COUNT_BEFORE_MORE, STRETCH_BLOCK_COUNT_MAX, Stretch


def shrunk(count_max: int) -> Stretch:
    """After questions to who tells at most so many blocks at once, none answered yet."""
    stretch = Stretch()
    while stretch.count > count_max:
        stretch.refused()
    return stretch


def test_a_stretch_begins_long_and_never_gets_longer() -> None:
    stretch = Stretch()
    stretch.served()
    assert stretch.count == STRETCH_BLOCK_COUNT_MAX


def test_it_is_halved_down_to_one_block_while_nobody_answers() -> None:
    stretch, seen = Stretch(), []
    for _ in range(12):
        seen.append(stretch.count)
        assert stretch.refused() is (seen[-1] > 1)
    assert seen == [500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1, 1]


def test_who_answers_again_is_soon_asked_for_as_much_as_before() -> None:
    stretch = shrunk(1)
    stretch.refused()
    for count in (1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 500):
        assert stretch.count == count
        stretch.served()


@pytest.mark.parametrize("count_max", [1, 7, 100, 499])
def test_who_tells_few_blocks_at_once_is_seldom_asked_for_more(count_max: int) -> None:
    stretch = shrunk(count_max)
    refused, told = 0, 0
    for _ in range(20 * SERVED_COUNT_BEFORE_MORE):
        if stretch.count > count_max:
            refused += 1
            stretch.refused()
        else:
            told += stretch.count
            stretch.served()
    assert refused <= 20
    assert told >= 19 * SERVED_COUNT_BEFORE_MORE * (count_max + 1) // 4
