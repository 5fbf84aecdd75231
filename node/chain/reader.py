"""What following a chain reads of one endpoint: headers, and the adjudicator's logs, decoded.

Every answer is checked for shape and for being the answer to the question asked: logs of a block
must name that block. Deciding what to read next is `follower`'s business.
"""

from __future__ import annotations

from typing import Any, Protocol

from node.chain.conclusions import joined
from node.chain.errors import RpcError
from node.chain.rpc_client import RpcClient
from node.chain.wire import Header, MalformedAnswer, RawLog, data, header, logs
from protocols.crypto import keccak256
from protocols.inputs import ChainLog
from protocols.types import Address, Bytes32, ChannelId, to_hex

HOLDINGS_SELECTOR = keccak256(b"holdings(address,bytes32)")[:4]
STATUS_SELECTOR = keccak256(b"statusOf(bytes32)")[:4]
FINALIZES_AT_BITS, FINGERPRINT_BITS = slice(6, 12), slice(12, 32)
"""Bytes of a status word: turn record (6), finalizes_at (6), fingerprint (20)."""


class Decoder(Protocol):
    """What this module needs of `log_decoder.LogDecoder`."""

    def decode(self, log: RawLog) -> ChainLog | None:
        """The input for this log, or None for one of no use to this node."""


class ChainReader:
    """Reads one contract's logs through one client. All methods raise `EndpointDown`, `RpcError`
    and `MalformedAnswer`."""

    def __init__(self, client: RpcClient, decoder: Decoder, adjudicator: Address) -> None:
        self._client = client
        self._decoder = decoder
        self._contract = adjudicator
        self._address = to_hex(adjudicator)

    @property
    def client(self) -> RpcClient:
        """The client it reads through."""
        return self._client

    def over(self, client: RpcClient) -> ChainReader:
        """The same questions to another endpoint."""
        return ChainReader(client, self._decoder, self._contract)

    async def latest(self) -> Header:
        """The endpoint's newest block."""
        return header(await self._client.call("eth_getBlockByNumber", ["latest", False]))

    async def at(self, block_num: int) -> Header | None:
        """The block of this number on the endpoint's chain, or None when it has none yet."""
        answer = await self._client.call("eth_getBlockByNumber", [hex(block_num), False])
        if answer is None:
            return None
        found = header(answer)
        if found.number != block_num:
            raise MalformedAnswer(f"asked for block {block_num}, got {found.number}")
        return found

    async def parent_of(self, child: Header) -> Header:
        """The parent of a block; `RpcError` when the endpoint does not know it."""
        name = to_hex(child.parent_hash)
        answer = await self._client.call("eth_getBlockByHash", [name, False])
        if answer is None:
            raise RpcError("eth_getBlockByHash", 0, f"unknown block {name}")
        found = header(answer)
        if found.hash != child.parent_hash or found.number != child.number - 1:
            raise MalformedAnswer(f"asked for block {name}, got {to_hex(found.hash)}")
        return found

    async def logs_in(self, block: Header) -> tuple[ChainLog, ...]:
        """The adjudicator's logs in exactly this block."""
        raw, removed = await self._logs({"blockHash": to_hex(block.hash)})
        if removed:
            raise RpcError("eth_getLogs", 0, f"block {block.number} was replaced meanwhile")
        strangers = [item for item in raw if item.block_hash != block.hash]
        if strangers:
            raise MalformedAnswer(f"logs of block {block.number} name another block")
        return self._decoded(raw)

    async def logs_between(self, from_block_num: int, to_block_num: int) -> tuple[ChainLog, ...]:
        """The adjudicator's logs in these blocks, both included."""
        where = {"fromBlock": hex(from_block_num), "toBlock": hex(to_block_num)}
        raw, _ = await self._logs(where)
        if any(not from_block_num <= item.block_num <= to_block_num for item in raw):
            raise MalformedAnswer(f"logs outside of blocks {from_block_num} to {to_block_num}")
        return self._decoded(raw)

    async def told(
        self, from_block_num: int, to_block_num: int
    ) -> tuple[Bytes32, tuple[ChainLog, ...]] | None:
        """The last block's hash and all the logs, to compare; None from one that is behind."""
        last = await self.at(to_block_num)
        if last is None:
            return None
        return last.hash, await self.logs_between(from_block_num, to_block_num)

    async def reading(
        self, asset: Address, channel_id: ChannelId, cursor: Header, head: Header
    ) -> tuple[int, int]:
        """What is held at the cursor, and when a challenge ends at the head: money counts when it
        is deep, disputes at once."""
        held = await self.holdings(asset, channel_id, cursor)
        return held, await self.finalizes_at(channel_id, head)

    async def holdings(self, asset: Address, channel_id: ChannelId, block: Header) -> int:
        """What the adjudicator holds for the channel at this block, smallest unit."""
        word = await self._view(HOLDINGS_SELECTOR + bytes(12) + asset + channel_id, block)
        return int.from_bytes(word, "big")

    async def finalizes_at(self, channel_id: ChannelId, block: Header) -> int:
        """When a challenge or a conclusion ends, Unix seconds; 0 where there is none."""
        finalizes_at, _ = await self.status(channel_id, block)
        return finalizes_at

    async def status(self, channel_id: ChannelId, block: Header) -> tuple[int, bytes]:
        """When a challenge or a conclusion ends, and the fingerprint of what stands: 20 bytes."""
        word = await self._view(STATUS_SELECTOR + channel_id, block)
        return int.from_bytes(word[FINALIZES_AT_BITS], "big"), word[FINGERPRINT_BITS]

    async def _view(self, call: bytes, block: Header) -> bytes:
        order = {"to": self._address, "data": to_hex(call)}
        answer = await self._client.call("eth_call", [order, {"blockHash": to_hex(block.hash)}])
        return data(answer, "a view's answer", 32)

    async def _logs(self, where: dict[str, Any]) -> tuple[list[RawLog], list[RawLog]]:
        """The logs that are part of the chain, and those that are called removed: they do not
        count, and may not lie in a block that the endpoint shows as part of its chain."""
        answer = await self._client.call("eth_getLogs", [{"address": self._address, **where}])
        raw, removed = logs(answer)
        for number, name in sorted({(item.block_num, item.block_hash) for item in removed}):
            block = await self.at(number)
            if block is not None and block.hash == name:
                raise MalformedAnswer(f"a log of block {number}, which stands, is called removed")
        return raw, removed

    def _decoded(self, raw: list[RawLog]) -> tuple[ChainLog, ...]:
        decoded = (self._decoder.decode(item) for item in raw)
        return tuple(joined(item for item in decoded if item is not None))
