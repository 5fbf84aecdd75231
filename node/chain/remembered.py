"""The blocks that the core remembers from before a restart, held against the chain as it is now.

Where the chain has another block, a fork happened while nobody looked: the core is told before that
block's logs.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.chain.errors import RpcError
from node.chain.handover import Handover
from node.chain.reader import ChainReader
from node.chain.window import REMEMBERED_BELOW_CURSOR_COUNT
from node.chain.wire import Header
from protocols.types import Bytes32


class RememberedBlocks:
    """Hashes by number; each is compared once."""

    def __init__(self, known: Mapping[int, Bytes32], handover: Handover) -> None:
        self._known = dict(known)
        self._handover = handover

    def take(self, block: Header) -> Bytes32:
        """The hash that was remembered of that height, else the block's own."""
        return self._known.pop(block.number, block.hash)

    async def compare(self, block: Header) -> None:
        """Tell a fork that happened while this node was not running; forget what is checked."""
        known = self.take(block)
        if known != block.hash:
            self._known = {n: h for n, h in self._known.items() if n < block.number}
            await self._handover.tell_fork(Header(block.number, known, bytes(32)), block)

    async def compare_between(self, reader: ChainReader, first_num: int, last_num: int) -> None:
        """The same with the blocks that the chain has now in that stretch, in order."""
        numbers = sorted(n for n in self._known if first_num <= n <= last_num)
        for block in [await reader.at(number) for number in numbers]:
            if block is not None:
                await self.compare(block)

    async def base_below(self, reader: ChainReader, replaced: Header) -> Header:
        """Where to begin again when a fork is deeper than what is remembered.

        Nobody knows where it began: everything that a running node would remember is taken back.
        """
        first_num = max(1, replaced.number - REMEMBERED_BELOW_CURSOR_COUNT)
        base, first = await reader.at(first_num - 1), await reader.at(first_num)
        if base is None or first is None:
            raise RpcError("eth_getBlockByNumber", 0, f"no block {first_num}")
        self._known.clear()
        await self._handover.tell_fork(Header(first_num, replaced.hash, bytes(32)), first)
        return base
