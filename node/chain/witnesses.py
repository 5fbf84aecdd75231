"""What a follower asks of other endpoints: whether they tell what the one in use tells.

Without a quorum nobody is asked, and the answer is yes. All methods raise `Outvoted` when enough
endpoints agree on something else.
"""

from __future__ import annotations

from node.chain.quorum import Quorum
from node.chain.reader import ChainReader
from node.chain.rpc_client import RpcClient
from node.chain.wire import Header
from protocols.inputs import ChainLog
from protocols.types import Address, Bytes32, ChannelId, to_hex


class Witnesses:
    """The other endpoints, as far as they are needed."""

    def __init__(self, quorum: Quorum | None) -> None:
        self._quorum = quorum if quorum is not None and quorum.is_needed else None

    @property
    def are_needed(self) -> bool:
        """Whether anybody is asked at all."""
        return self._quorum is not None

    async def tell_logs(
        self, reader: ChainReader, cursor: Header, last: Header, logs: tuple[ChainLog, ...]
    ) -> bool:
        """Whether they have these logs between the cursor and that block, which they have too."""
        if self._quorum is None:
            return True
        first_num = cursor.number + 1

        async def ask(client: RpcClient) -> tuple[Bytes32, tuple[ChainLog, ...]] | None:
            return await reader.over(client).told(first_num, last.number)

        what = f"blocks {first_num} to {last.number}"
        ours = (last.hash, logs)
        return await self._quorum.agrees(reader.client, what, ours, ask)

    async def tell_block(self, reader: ChainReader, block: Header) -> bool:
        """Whether they have this block at its height."""
        if self._quorum is None:
            return True

        async def ask(client: RpcClient) -> Bytes32 | None:
            found = await reader.over(client).at(block.number)
            return None if found is None else found.hash

        what = f"block {block.number}"
        return await self._quorum.agrees(reader.client, what, block.hash, ask)

    async def tell_reading(
        self,
        reader: ChainReader,
        asset: Address,
        channel_id: ChannelId,
        at: tuple[Header, Header],
        ours: tuple[int, int],
    ) -> bool:
        """Whether they read the same of a channel, `at` that cursor and that head."""
        if self._quorum is None:
            return True
        cursor, head = at

        async def ask(client: RpcClient) -> tuple[int, int]:
            return await reader.over(client).reading(asset, channel_id, cursor, head)

        what = f"channel {to_hex(channel_id)}"
        return await self._quorum.agrees(reader.client, what, ours, ask)
