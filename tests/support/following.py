"""A follower at work on a chain in memory, and a consumer that checks what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.lowlevel

from node.chain.follower import ChainFollower
from node.chain.wire import Header
from protocols.inputs import ChainHead, ChainLog, ChainReorg, ChannelRead, Input
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    SimulatedLink,
)

Entry = tuple[int, int]
"""(block, channel) of a deposit."""


class Consumer:
    """Believes what it is told, as the core would, and checks that nothing is told twice."""

    def __init__(self) -> None:
        self.observed: list[Entry] = []
        self.confirmed: list[Entry] = []
        self.heads: list[ChainHead] = []
        self.reorgs: list[ChainReorg] = []
        self.readings: list[ChannelRead] = []
        self._seen: set[tuple[bytes, int]] = set()
        self._blocks: dict[Entry, bytes] = {}

    async def __call__(self, item: Input, /) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(item, ChainLog):
            self._take(item)
        elif isinstance(item, ChainHead):
            self.heads.append(item)
        elif isinstance(item, ChannelRead):
            self.readings.append(item)
        elif isinstance(item, ChainReorg):
            self.reorgs.append(item)
            self.observed = [e for e in self.observed if e[0] < item.fork_block_num]

    def _take(self, log: ChainLog) -> None:
        entry = (log.block_num, int.from_bytes(log.channel_id[1:], "big"))
        name = (log.block_hash, log.log_index)
        if log.confirmed:
            assert entry in self.observed, "confirmed before it was observed"
            assert entry not in self.confirmed, "confirmed twice"
            self.confirmed.append(entry)
        else:
            assert name not in self._seen, "observed twice"
            self._seen.add(name)
            self.observed.append(entry)


class Following:
    """A follower of a simulated chain, with what it told its consumer."""

    def __init__(self, chain: SimulatedChain, depth: int, *, subscribes: bool = True) -> None:
        self.chain = chain
        self.consumer = Consumer()
        self.heads_seen: list[Header] = []
        self.clock_s = 0.0
        self.is_known: Callable[[bytes], bool] = lambda channel_id: True
        self.link = SimulatedLink(lambda: SimulatedClient(chain, subscribes=subscribes))
        self.follower = ChainFollower(
            self.link,  # type: ignore[arg-type]
            adjudicator=ADJUDICATOR,
            confirmation_count=depth,
            submit=self.consumer,
            on_head=self.heads_seen.append,
            clock_s=lambda: self.clock_s,
            is_known=lambda channel_id: self.is_known(channel_id),
        )

    @property
    def client(self) -> SimulatedClient:
        """The client in use."""
        client = self.link.clients[-1]
        assert isinstance(client, SimulatedClient)
        return client

    async def caught_up(self) -> None:
        """Wait until the follower stands on the chain's newest block."""
        with trio.fail_after(1000):
            while self.follower.head != self.chain.head:
                await trio.sleep(0.1)
            await trio.sleep(2.5)


@asynccontextmanager
async def following(
    chain: SimulatedChain,
    depth: int = 0,
    processed: int | None = 0,
    known: dict[int, bytes] | None = None,
    **options: Any,
) -> AsyncIterator[Following]:
    """A running follower."""
    found = Following(chain, depth, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.follower.run, PlainDecoder(), processed, known or {})
        yield found
        nursery.cancel_scope.cancel()
