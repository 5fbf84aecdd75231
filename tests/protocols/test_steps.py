"""A reckoning in steps comes to the same however it is driven."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from protocols.steps import finished


def test_it_is_driven_to_its_end_and_its_answer_comes_back() -> None:
    told: list[int] = []

    def going() -> Generator[None, None, str]:
        for number in range(3):
            told.append(number)
            yield
        return "done"

    assert finished(going()) == "done"
    assert told == [0, 1, 2]


def test_what_it_raises_comes_out() -> None:
    def going() -> Generator[None, None, str]:
        yield
        raise ValueError("no way on")

    with pytest.raises(ValueError, match="no way on"):
        finished(going())
