"""Blocks remembered from before a restart: another one of that height means a fork, told once."""

from __future__ import annotations

import pytest

from node.chain.errors import RpcError
from node.chain.handover import Handover
from node.chain.reader import ChainReader
from node.chain.remembered import RememberedBlocks
from node.chain.window import REMEMBERED_BELOW_CURSOR_COUNT
from node.chain.wire import Header, header
from protocols.inputs import ChainReorg
from tests.support.chain_room import Inbox
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
)

OTHER = b"\xee" * 32


def chain_of(block_count: int) -> SimulatedChain:
    chain = SimulatedChain()
    for _ in range(block_count):
        chain.extend()
    return chain


def reading(chain: SimulatedChain) -> ChainReader:
    return ChainReader(SimulatedClient(chain), PlainDecoder(), ADJUDICATOR)


def remembering(known: dict[int, bytes]) -> tuple[RememberedBlocks, Inbox]:
    heard = Inbox()
    return RememberedBlocks(known, Handover(heard, lambda channel_id: True)), heard


async def test_a_block_that_is_still_there_is_no_fork() -> None:
    block = chain_of(3).head
    remembered, heard = remembering({3: block.hash})
    await remembered.compare(block)
    assert heard.items == []
    assert remembered.take(Header(3, OTHER, bytes(32))) == OTHER


async def test_another_block_is_a_fork_and_those_above_it_went_with_it() -> None:
    chain = chain_of(3)
    remembered, heard = remembering(dict.fromkeys((1, 2, 3), OTHER))
    await remembered.compare(header(chain.blocks[2]))
    assert heard.items == [ChainReorg(2, OTHER, header(chain.blocks[2]).hash)]
    await remembered.compare(chain.head)
    assert len(heard.items) == 1
    await remembered.compare(header(chain.blocks[1]))
    assert [fork.fork_block_num for fork in heard.of(ChainReorg)] == [2, 1]


async def test_a_stretch_is_compared_from_its_beginning() -> None:
    chain = chain_of(5)
    known = {2: header(chain.blocks[2]).hash, 3: OTHER, 4: OTHER, 9: OTHER}
    remembered, heard = remembering(known)
    await remembered.compare_between(reading(chain), 2, 9)
    assert [fork.fork_block_num for fork in heard.of(ChainReorg)] == [3]


async def test_below_a_deep_fork_all_that_is_remembered_is_taken_back() -> None:
    chain = chain_of(REMEMBERED_BELOW_CURSOR_COUNT + 10)
    remembered, heard = remembering({chain.head.number: OTHER, 3: OTHER})
    replaced = Header(chain.head.number, OTHER, bytes(32))
    base = await remembered.base_below(reading(chain), replaced)
    assert base == header(chain.blocks[9])
    assert [fork.fork_block_num for fork in heard.of(ChainReorg)] == [10]
    await remembered.compare(header(chain.blocks[3]))
    assert len(heard.items) == 1


async def test_a_chain_that_is_too_short_is_asked_again_later() -> None:
    remembered, heard = remembering({400: OTHER})
    with pytest.raises(RpcError):
        await remembered.base_below(reading(chain_of(3)), Header(400, OTHER, bytes(32)))
    assert heard.items == []
