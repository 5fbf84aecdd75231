"""The log's word on the chain against the chain's own, through a JSON-RPC endpoint.

An endpoint that cannot be asked, lags or serves another chain is no fault of the log: it raises
`ChainError`. What it answers is checked for shape by the chain room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

import trio

from contracts.loader import load_artifact
from node.audit.chain_facts import ChainFact, ChainFactsCheck
from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Fault
from node.audit.facts import Facts
from node.audit.unrecorded import unrecorded
from node.chain.deployment import check_endpoint
from node.chain.errors import ChainError, EndpointDown, RpcError, WrongChain
from node.chain.http_client import client_for
from node.chain.log_decoder import LogDecoder
from node.chain.reader import ChainReader
from node.chain.rpc_client import RpcClient
from node.chain.wire import Header, MalformedAnswer, data
from protocols.app_channel import MESSAGE_LOG
from protocols.events import NodeCreated
from protocols.types import to_hex

Answer = TypeVar("Answer")

CONTRACTS = {
    "adjudicator": "NitroAdjudicator",
    "virtual_payment_app": "VirtualPaymentApp",
    "consensus_app": "ConsensusApp",
}
"""Of record 0: which contract each address has."""


def require_endpoint(urls: Sequence[str], node: NodeCreated) -> None:
    """Raise the `ChainError` of the last of `urls` unless one of them serves the node's chain."""

    async def nothing_more(client: RpcClient) -> None:
        """That it is the right chain is all."""

    trio.run(_ask_one, urls, node, nothing_more)


def compare(
    urls: Sequence[str],
    gathered: ChainFactsCheck,
    facts: Facts,
    node: NodeCreated,
    channel_id: bytes | None = None,
) -> tuple[list[Fault], list[str]]:
    """(faults, what could not be asked), of one channel or of all. Raises `ChainError`."""

    async def ask(client: RpcClient) -> tuple[list[Fault], list[str]]:
        return await _compare(client, gathered, facts, node, channel_id)

    return trio.run(_ask_one, urls, node, ask)


async def _ask_one(
    urls: Sequence[str], node: NodeCreated, question: Callable[[RpcClient], Awaitable[Answer]]
) -> Answer:
    """The answer of the first endpoint that gives one."""
    failure: ChainError | None = None
    for url in urls:
        try:
            return await _ask(url, node, question)
        except ChainError as error:
            failure = error
    assert failure is not None, "there is an endpoint to ask"
    raise failure


async def _ask(
    url: str, node: NodeCreated, question: Callable[[RpcClient], Awaitable[Answer]]
) -> Answer:
    client = client_for(url)
    failure: ChainError | None = None
    answers: list[Answer] = []
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(client.run)
            await check_endpoint(client, node.chain_id, {})
            answers.append(await question(client))
        except WrongChain as error:
            served = f"serves chain {error.chain_id}, the log is of chain {node.chain_id}"
            failure = EndpointDown(error.endpoint, served)
        except ChainError as error:
            # Carried out of the nursery by hand: it would come out wrapped in a group.
            failure = error
        except MalformedAnswer as error:
            failure = EndpointDown(client.label, str(error))
        client.close("asked and answered")
    if failure is not None:
        raise failure
    return answers[0]


async def _compare(
    client: RpcClient,
    gathered: ChainFactsCheck,
    facts: Facts,
    node: NodeCreated,
    channel_id: bytes | None,
) -> tuple[list[Fault], list[str]]:
    faults, unasked = await _contracts(client, node, facts), []
    decoder = LogDecoder(load_artifact("NitroAdjudicator").abi, node.adjudicator)
    reader = ChainReader(client, decoder, node.adjudicator)
    wanted = [f for f in gathered.facts if channel_id is None or f.channel_id == channel_id]
    faults += await _logs(reader, wanted)
    if gathered.dropped_count:
        unasked.append(
            f"{gathered.dropped_count} further logs of the adjudicator, nor for those in no record"
        )
    if gathered.processed is None:
        return faults, unasked
    seq, number, block_hash = gathered.processed
    block = await reader.at(number)
    if block is None:
        raise EndpointDown(client.label, f"it lags: there is no block {number} yet")
    if block.hash != block_hash:
        message = f"block {number} of the chain is {to_hex(block.hash)}, not {to_hex(block_hash)}"
        return [*faults, Fault(message, seq)], unasked
    channels = facts.channels.values() if channel_id is None else _one(facts, channel_id)
    if not gathered.dropped_count:
        ids = {channel.channel_id for channel in channels}
        faults += await unrecorded(reader, gathered, facts, ids)
    try:
        faults += await _holdings(reader, channels, block)
    except RpcError as error:
        unasked.append(f"holdings and status at block {number}: {error}")
    return faults, unasked


def _one(facts: Facts, channel_id: bytes) -> Iterable[ChannelFacts]:
    channel = facts.channels.get(channel_id)
    return () if channel is None else (channel,)


async def _contracts(client: RpcClient, node: NodeCreated, facts: Facts) -> list[Fault]:
    """That the code at record 0's addresses, and of message logs, is what this program was made
    for. What judges a game is anybody's."""
    faults = []
    named = [(getattr(node, field), name) for field, name in CONTRACTS.items()]
    rules = facts.app_definitions.items()
    named += [(address, "MessageLogApp") for address, rule in rules if rule == MESSAGE_LOG]
    for address, name in named:
        answer = await client.call("eth_getCode", [to_hex(address), "latest"])
        if data(answer, "contract code") != load_artifact(name).deployed_bytecode:
            faults.append(Fault(f"the code at {to_hex(address)} is not that of {name}", 0))
    return faults


async def _logs(reader: ChainReader, wanted: Sequence[ChainFact]) -> list[Fault]:
    faults = []
    for block_num, group in groupby(sorted(wanted, key=_block), key=_block):
        there = {
            (log.log_name, log.channel_id, log.tx_hash): (log.asset, log.amount)
            for log in await reader.logs_between(block_num, block_num)
        }
        for fact in group:
            found = [
                there[key]
                for name in fact.log_names
                if (key := (name, fact.channel_id, fact.tx_hash)) in there
            ]
            what = f"{fact.log_names[0]} of channel {to_hex(fact.channel_id)}"
            if not found:
                where = f"block {block_num}, transaction {to_hex(fact.tx_hash)}"
                faults.append(Fault(f"the chain has no {what} in {where}", fact.seq))
            elif fact.log_names == ("Deposited",) and found[0] != (fact.asset, fact.held):
                faults.append(Fault(f"the chain has other values for {what}", fact.seq))
    return faults


_block = attrgetter("block_num")


async def _holdings(
    reader: ChainReader, channels: Iterable[ChannelFacts], block: Header
) -> list[Fault]:
    faults = []
    for channel in channels:
        name = f"channel {to_hex(channel.channel_id)}"
        for asset, known in sorted(channel.held.items()):
            held = await reader.holdings(asset, channel.channel_id, block)
            if held != known:
                message = f"{name} holds {held} at block {block.number}, the log says {known}"
                faults.append(Fault(message))
        finalizes_at, fingerprint = await reader.status(channel.channel_id, block)
        if channel.is_concluded and not finalizes_at:
            faults.append(Fault(f"{name} is concluded in the log, and open on the chain"))
        elif finalizes_at and channel.chain_status() == "open" and not channel.is_concluded:
            faults.append(Fault(f"{name} is open in the log, and challenged or closed on chain"))
        expected = channel.standing_fingerprint()
        if finalizes_at and expected not in (None, fingerprint):
            # M4: what stands is folded from the logs, and this is what it is checked against.
            message = f"{name} stands on chain with another outcome than the log's, at block"
            faults.append(Fault(f"{message} {block.number}"))
    return faults
