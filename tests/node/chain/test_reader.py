"""Answers must be answers to the question: an endpoint that mixes blocks up is not believed."""

from __future__ import annotations

from typing import Any

import pytest

from node.chain.errors import RpcError
from node.chain.reader import ChainReader
from node.chain.wire import Header, MalformedAnswer, RawLog
from protocols.inputs import ChainLog
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    channel,
)


def reader_of(chain: SimulatedChain, **overrides: Any) -> ChainReader:
    """A reader whose endpoint answers the overridden methods as told."""
    client = SimulatedClient(chain)
    client.overrides = {
        name: lambda params, value=value: value for name, value in overrides.items()
    }
    return ChainReader(client, PlainDecoder(), ADJUDICATOR)


async def test_blocks_and_logs_are_read_by_number_by_hash_and_by_range() -> None:
    chain = SimulatedChain()
    chain.extend(1, 2)
    chain.extend(3)
    reader = reader_of(chain)
    latest = await reader.latest()
    assert latest == chain.head
    assert await reader.at(2) == latest
    assert await reader.at(3) is None
    parent = await reader.parent_of(latest)
    assert parent.number == 1
    assert [log.channel_id for log in await reader.logs_in(parent)] == [channel(1), channel(2)]
    assert [log.channel_id for log in await reader.logs_between(1, 2)] == [
        channel(1), channel(2), channel(3),
    ]  # fmt: skip
    assert all(where["address"] == "0x" + ADJUDICATOR.hex() for where in chain.log_requests)


async def test_a_channel_is_read_at_exactly_one_block() -> None:
    chain = SimulatedChain()
    chain.extend(5)
    before = chain.head
    chain.extend(5)
    reader = reader_of(chain)
    assert await reader.holdings(bytes(20), channel(5), before) == 5
    assert await reader.holdings(bytes(20), channel(5), chain.head) == 10
    assert await reader.finalizes_at(channel(5), chain.head) == 0
    chain.challenged[channel(5)] = 1_700_000_000
    assert await reader.finalizes_at(channel(5), chain.head) == 1_700_000_000
    finalizes_at, fingerprint = await reader.status(channel(5), chain.head)
    assert (finalizes_at, len(fingerprint)) == (1_700_000_000, 20)


@pytest.mark.parametrize("answer", ["0x", "0x00", None, 7])
async def test_what_is_no_word_is_no_answer_about_a_channel(answer: object) -> None:
    chain = SimulatedChain()
    with pytest.raises(MalformedAnswer):
        await reader_of(chain, eth_call=answer).holdings(bytes(20), channel(5), chain.head)


async def test_a_block_of_another_number_or_hash_is_not_believed() -> None:
    chain = SimulatedChain()
    chain.extend()
    other = {
        "number": "0x7", "hash": "0x" + "01" * 32, "parentHash": "0x" + "02" * 32,
        "timestamp": "0x1",
    }  # fmt: skip
    with pytest.raises(MalformedAnswer, match="asked for block 1, got 7"):
        await reader_of(chain, eth_getBlockByNumber=other).at(1)
    with pytest.raises(MalformedAnswer, match="asked for block"):
        await reader_of(chain, eth_getBlockByHash=other).parent_of(chain.head)


async def test_a_parent_the_endpoint_does_not_know_is_a_refusal() -> None:
    orphan = Header(5, b"\x01" * 32, b"\x02" * 32)
    with pytest.raises(RpcError, match="unknown block"):
        await reader_of(SimulatedChain()).parent_of(orphan)


async def test_logs_of_another_block_are_not_believed() -> None:
    chain = SimulatedChain()
    first = chain.extend(1)
    chain.extend()
    strangers = chain.logs[first["hash"]]
    with pytest.raises(MalformedAnswer, match="another block"):
        await reader_of(chain, eth_getLogs=strangers).logs_in(chain.head)
    with pytest.raises(MalformedAnswer, match="outside of blocks 2 to 3"):
        await reader_of(chain, eth_getLogs=strangers).logs_between(2, 3)


async def test_a_removed_log_of_a_block_that_is_gone_is_not_counted() -> None:
    chain = SimulatedChain()
    gone = [{**log, "removed": True} for log in chain.logs[chain.extend(1)["hash"]]]
    chain.fork(1, [[2]])
    there = chain.logs[chain.blocks[-1]["hash"]]
    reader = reader_of(chain, eth_getLogs=[*gone, *there])
    assert [log.channel_id for log in await reader.logs_between(1, 1)] == [channel(2)]
    with pytest.raises(RpcError, match="block 1 was replaced meanwhile"):
        await reader.logs_in(chain.head)


async def test_a_log_cannot_be_removed_from_a_block_that_stands() -> None:
    chain = SimulatedChain()
    lies = [{**log, "removed": True} for log in chain.logs[chain.extend(1)["hash"]]]
    reader = reader_of(chain, eth_getLogs=lies)
    with pytest.raises(MalformedAnswer, match="block 1, which stands, is called removed"):
        await reader.logs_in(chain.head)
    with pytest.raises(MalformedAnswer, match="is called removed"):
        await reader.logs_between(0, 1)


async def test_logs_of_no_use_are_left_out() -> None:
    class Deaf:
        def decode(self, log: RawLog) -> ChainLog | None:
            return None

    chain = SimulatedChain()
    chain.extend(1)
    reader = ChainReader(SimulatedClient(chain), Deaf(), ADJUDICATOR)
    assert await reader.logs_in(chain.head) == ()
