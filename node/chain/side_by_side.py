"""Several calls to the chain at once, so many as an endpoint bears, begun in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import trio
from web3.exceptions import Web3Exception

from node.chain.errors import ChainError
from node.chain.wire import MalformedAnswer

CALLS_SIDE_BY_SIDE_MAX = 8
"""Calls of one kind in flight: endpoints count them, and little is gained beyond."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def side_by_side(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]
) -> list[Result]:
    """The results in the order of the items, which is also the order in which they are begun.

    After a chain's or web3's error no more are begun; those in flight end, and the first error is
    raised as it is.
    """
    if len(items) == 1:
        return [await work(items[0])]
    results: dict[int, Result] = {}
    errors: list[ChainError | MalformedAnswer | Web3Exception] = []
    room = trio.CapacityLimiter(CALLS_SIDE_BY_SIDE_MAX)

    async def one(place: int, item: Item) -> None:
        try:
            results[place] = await work(item)
        except (ChainError, MalformedAnswer, Web3Exception) as error:
            errors.append(error)
        finally:
            room.release_on_behalf_of(place)

    async with trio.open_nursery() as nursery:
        for place, item in enumerate(items):
            # Also lets the one before begin: trio starts what waits in any order.
            await room.acquire_on_behalf_of(place)
            if errors:
                break
            nursery.start_soon(one, place, item)
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(items))]
