"""What others are asked, of whom, and what is compared; without a quorum nobody is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from node.chain.reader import ChainReader
from node.chain.rpc_client import RpcClient
from node.chain.witnesses import Witnesses
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    channel,
)


class OneOther:
    """A quorum of two: the one in use, and one other."""

    is_needed = True

    def __init__(self, chain: SimulatedChain) -> None:
        self.client = SimulatedClient(chain)
        self.asked: list[str] = []

    async def agrees(
        self, used: RpcClient, what: str, ours: Any, ask: Callable[[Any], Awaitable[Any]]
    ) -> bool:
        assert used is not self.client
        self.asked.append(what)
        return bool(await ask(self.client) == ours)


def chain_of(*deposits: int) -> SimulatedChain:
    chain = SimulatedChain()
    for number in deposits:
        chain.extend(number)
    return chain


def reader_of(chain: SimulatedChain) -> ChainReader:
    return ChainReader(SimulatedClient(chain), PlainDecoder(), ADJUDICATOR)


def with_other(other: SimulatedChain) -> tuple[Witnesses, OneOther]:
    quorum = OneOther(other)
    return Witnesses(quorum), quorum  # type: ignore[arg-type]


async def test_logs_count_with_the_block_that_they_end_with() -> None:
    chain = chain_of(1, 2, 3)
    reader = reader_of(chain)
    first, last = await reader.at(0), await reader.at(2)
    assert first is not None
    assert last is not None
    logs = await reader.logs_between(1, 2)
    witnesses, quorum = with_other(chain)
    assert await witnesses.tell_logs(reader, first, last, logs)
    assert not await witnesses.tell_logs(reader, first, last, logs[:1])
    assert quorum.asked == ["blocks 1 to 2"] * 2
    witnesses, _ = with_other(chain_of(1, 2, 3))
    assert not await witnesses.tell_logs(reader, first, last, logs), "another chain"


async def test_a_block_counts_at_its_height_alone() -> None:
    chain = chain_of(1, 2)
    witnesses, quorum = with_other(chain)
    assert await witnesses.tell_block(reader_of(chain), chain.head)
    assert quorum.asked == ["block 2"]
    chain_that_is_behind = chain_of(1)
    witnesses, _ = with_other(chain_that_is_behind)
    assert not await witnesses.tell_block(reader_of(chain), chain.head)


async def test_a_reading_counts_at_the_same_cursor_and_head() -> None:
    chain = chain_of(5, 5)
    reader = reader_of(chain)
    cursor = await reader.at(1)
    assert cursor is not None
    witnesses, _ = with_other(chain)
    place = (bytes(20), channel(5), (cursor, chain.head))
    assert await witnesses.tell_reading(reader, *place, (5, 0))
    assert not await witnesses.tell_reading(reader, *place, (10, 0))


async def test_without_a_quorum_everything_counts_and_nobody_is_asked() -> None:
    chain = chain_of(1)
    quorum = OneOther(chain)
    quorum.is_needed = False
    for witnesses in (Witnesses(None), Witnesses(quorum)):  # type: ignore[arg-type]
        assert not witnesses.are_needed
        reader = reader_of(chain)
        place = (bytes(20), channel(5), (chain.head, chain.head))
        assert await witnesses.tell_block(reader, chain.head)
        assert await witnesses.tell_logs(reader, chain.head, chain.head, ())
        assert await witnesses.tell_reading(reader, *place, (7, 7))
    assert quorum.asked == []
