"""Random reorg trees: what a node believes in the end is what the final chain alone says.

A follower and a core live through a chain that forks above and below the confirmation depth, while
endpoints cut them off and the process restarts. Then the chain rests, and a node that saw nothing
of it reads the final chain: both must hold the same of the channel. Only the alarm may remain, and
exactly when less is there than once counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
import trio
import trio.lowlevel
from eth_abi import encode
from msgspec.structs import replace
from trio.testing import MockClock

from node.chain.follower import ChainFollower
from node.chain.wire import RawLog
from protocols.channel import Channel, confirmed_holdings
from protocols.inputs import ChainLog, ChannelRead, Input
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, open_command
from tests.support.network import CoreNode
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    SimulatedLink,
    channel,
)
from tests.support.soak import times
from tests.support.view_folds import follow

OURS = 7
"""The number of the node's channel on the simulated chain; others are strangers'."""
TREES_A_TEST = 5


class TreeChain(SimulatedChain):
    """Deposits tell what is held after them, as the contract's do."""

    def extend(self, *deposits: int) -> dict[str, object]:
        block = super().extend(*deposits)
        held = {number: 0 for _, number in self.canonical()}
        for logged in (log for known in self.blocks for log in self.logs[known["hash"]]):
            number = int(logged["topics"][1][4:], 16)
            held[number] += number
            data = encode(["address", "uint256"], ["0x" + "00" * 20, held[number]])
            logged["data"] = "0x" + data.hex()
        return block


class TreeDecoder(PlainDecoder):
    """Gives the node's channel its true id."""

    def decode(self, log: RawLog) -> ChainLog | None:
        found = super().decode(log)
        assert found is not None
        return replace(found, channel_id=CHANNEL) if found.channel_id == channel(OURS) else found


class Life:
    """One node at one chain: its core lives on, its follower is started anew at each restart."""

    def __init__(self, chain: SimulatedChain, depth: int) -> None:
        self.chain = chain
        self.depth = depth
        self.core = CoreNode(ALICE)
        self.core.proves_purity = False
        self.core.feed(open_command())
        self.clients: list[SimulatedClient] = []
        self._scope = trio.CancelScope()

    def start(self, nursery: trio.Nursery) -> None:
        """Begin to follow from where the log says."""
        self._scope = trio.CancelScope()
        link = SimulatedLink(self._connect)
        self.follower = ChainFollower(
            link,  # type: ignore[arg-type]
            adjudicator=ADJUDICATOR,
            confirmation_count=self.depth,
            submit=self._hear,
            on_head=lambda head: None,
        )
        known, ours = self.core.state.node, self.core.channel()
        processed, blocks = known.processed_block_num, {}
        if known.processed_block_hash:
            blocks[processed] = known.processed_block_hash
        blocks |= {log.block_num: log.block_hash for log in ours.observed}
        if ours.unread:
            self.follower.read_holdings(channel(OURS), bytes(20))
        nursery.start_soon(self._run, self._scope, max(0, processed), blocks)

    def stop(self) -> None:
        """The process ends."""
        self._scope.cancel()

    def cut(self) -> None:
        """The endpoint's connection is lost."""
        if self.clients:
            self.clients[-1].close("cut")

    async def settled(self) -> None:
        """Wait until everything there is was read and counts."""
        aim = self.chain.head.number - self.depth
        with trio.fail_after(10_000):
            while not self._is_settled(aim):
                await trio.sleep(1)

    def _is_settled(self, aim: int) -> bool:
        known, is_unread = self.core.state.node, self.core.channel().unread
        is_there = self.follower.head == self.chain.head and known.processed_block_num == aim
        return is_there and not is_unread

    def _connect(self) -> SimulatedClient:
        self.clients.append(SimulatedClient(self.chain))
        return self.clients[-1]

    async def _run(self, scope: trio.CancelScope, processed: int, blocks: dict[int, bytes]) -> None:
        with scope:
            await self.follower.run(TreeDecoder(), processed, blocks)
        self.cut()

    async def _hear(self, item: Input, /) -> None:
        # No checkpoint: the engine takes a log and the report of its block in one batch.
        if isinstance(item, ChannelRead):
            item = replace(item, channel_id=CHANNEL)
        self.core.feed(item)
        if self.core.readings:
            self.core.readings.clear()
            self.follower.read_holdings(channel(OURS), bytes(20))


def blocks(random: Random, count: int) -> list[Sequence[int]]:
    """Blocks with deposits into our channel and into those of strangers."""
    return [random.choices((OURS, 3, 4), k=random.choice((0, 0, 1, 2))) for _ in range(count)]


def grow(random: Random, chain: SimulatedChain, depth: int) -> None:
    """Some more blocks, or others in place of the newest: as often above the depth as below."""
    height = len(chain.blocks) - 1
    if random.random() < 0.5 and height > 0:
        count = random.randint(1, min(height, 2 * depth + 3))
        # Mostly a longer branch wins; now and then the endpoint shows a shorter one first.
        chain.fork(count, blocks(random, max(1, count + random.choice((-1, 0, 1, 1, 2)))))
    else:
        for deposits in blocks(random, random.randint(1, depth + 2)):
            chain.extend(*deposits)


async def live(seed: int) -> Life:
    """One tree, to its end."""
    random = Random(seed)
    chain, depth = TreeChain(), random.randint(0, 4)
    life = Life(chain, depth)
    async with trio.open_nursery() as nursery:
        life.start(nursery)
        for _ in range(random.randint(4, 14)):
            grow(random, chain, depth)
            match random.randrange(6):
                case 0:
                    life.cut()
                case 1:
                    life.stop()
                    await trio.sleep(0.1)
                    grow(random, chain, depth)
                    life.start(nursery)
                case 2 | 3:
                    await trio.sleep(random.choice((0.01, 6)))
                case _:
                    await trio.sleep(random.choice((0.5, 2)))
        # Long enough to outgrow whatever was seen, and to confirm all of it. What a fork took may
        # come again, or never.
        comes_again = random.random() < 0.5
        for deposits in blocks(random, 40):
            chain.extend(*(deposits if comes_again else ()))
        for _ in range(depth + 1):
            chain.extend()
        await life.settled()
        nursery.cancel_scope.cancel()
    return life


async def told_by(chain: SimulatedChain, depth: int) -> Life:
    """A node that sees the final chain alone."""
    life = Life(chain, depth)
    async with trio.open_nursery() as nursery:
        life.start(nursery)
        await trio.lowlevel.checkpoint()
        await life.settled()
        nursery.cancel_scope.cancel()
    return life


@pytest.mark.slow
@pytest.mark.parametrize("first_seed", range(0, times(5) * TREES_A_TEST, TREES_A_TEST))
async def test_after_any_reorgs_the_state_is_that_of_the_final_chain(
    autojump_clock: MockClock, first_seed: int
) -> None:
    for seed in range(first_seed, first_seed + TREES_A_TEST):
        lived = await live(seed)
        plain = await told_by(lived.chain, lived.depth)
        ours, theirs = lived.core.channel(), plain.core.channel()
        assert (held_of(ours), ours.observed) == (held_of(theirs), theirs.observed), seed
        assert (ours.chain_status, ours.unread) == (theirs.chain_status, False), seed
        assert ours.halt is None or held_of(ours) < ours.halt.held, seed
        assert lived.core.state.node == plain.core.state.node, seed
        assert lived.core.fold().digest() == lived.core.state.digest(), seed
        follow(lived.core.log, 0.1, seed)


def held_of(channel: Channel) -> int:
    """What counts as held; nothing, whether by no log or by a reading that said so, is 0."""
    return confirmed_holdings(channel, ZERO_ADDRESS)
