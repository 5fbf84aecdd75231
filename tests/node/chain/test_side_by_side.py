"""Calls in flight together: bounded, begun in order, the first error raised as it is."""

from __future__ import annotations

import pytest
import trio

from node.chain.errors import RpcError
from node.chain.side_by_side import CALLS_SIDE_BY_SIDE_MAX, side_by_side


async def test_results_and_beginnings_keep_the_order_of_the_items() -> None:
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        for _ in range(9 - number % 10):
            await trio.lowlevel.checkpoint()
        return 2 * number

    for _ in range(20):
        begun.clear()
        assert await side_by_side(work, range(30)) == [2 * number for number in range(30)]
        assert begun == list(range(30))
    assert await side_by_side(work, []) == []


async def test_so_many_are_in_flight_and_no_more() -> None:
    now, most = 0, 0

    async def work(number: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        now -= 1

    await side_by_side(work, range(3 * CALLS_SIDE_BY_SIDE_MAX))
    assert most > 1
    assert most <= CALLS_SIDE_BY_SIDE_MAX


@pytest.mark.parametrize("count", [1, 2, 40])
async def test_after_an_error_what_is_in_flight_ends_and_the_error_is_raised_as_it_is(
    count: int,
) -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        if number == 0:
            raise RpcError("eth_call", 0, "no")
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        done.append(number)

    with pytest.raises(RpcError, match="no"):
        await side_by_side(work, range(count))
    assert len(done) < CALLS_SIDE_BY_SIDE_MAX
    assert done == list(range(1, 1 + len(done)))
