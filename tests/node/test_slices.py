"""A long reckoning stops now and then, and whoever waits goes first."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import trio

from node.slices import in_slices


async def test_others_go_whenever_it_stops_and_its_answer_comes_back() -> None:
    told: list[str] = []

    def going() -> Generator[None, None, int]:
        for number in range(3):
            told.append(f"slice {number}")
            yield
        return 42

    async def other() -> None:
        while True:
            told.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        assert await in_slices(going()) == 42
        nursery.cancel_scope.cancel()
    # Whoever may go in the same turn goes in any order: once between each second pair is sure.
    assert "other" in told[told.index("slice 0") : told.index("slice 2")]


async def test_what_goes_wrong_in_it_is_the_callers() -> None:
    def going() -> Generator[None, None, int]:
        yield
        raise ValueError("too many")

    with pytest.raises(ValueError, match="too many"):
        await in_slices(going())
