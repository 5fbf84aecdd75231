"""Logs that an endpoint takes back are hints: they make a follower look, and change no outcome.

One suite for the chain in memory and for anvil, whose notifications a client of ours adds to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Protocol

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.loader import load_artifact
from node.chain import news
from node.chain.follower import ChainFollower
from node.chain.log_decoder import LogDecoder
from node.chain.rpc_client import Subscription, WebSocketClient
from tests.support.chain_room import World, chain_world, until
from tests.support.following import Consumer, following
from tests.support.short_pauses import shorten_pauses
from tests.support.simulated_chain import (
    SimulatedChain,
    SimulatedClient,
    SimulatedLink,
)

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


class Scene(Protocol):
    """A chain, and a follower of it that hears what the test tells it."""

    consumer: Consumer
    follower: ChainFollower

    def deposit(self, number: int) -> None:
        """A block with a deposit into a channel."""

    def replace(self, depth: int) -> None:
        """As many of the newest blocks without what was in them, and one more."""

    def shrink(self, depth: int) -> None:
        """The newest blocks are gone; more than one."""

    def logs(self) -> list[Json]:
        """Every log there is."""

    def tell(self, log: Json) -> None:
        """A notification to whoever subscribed to logs."""


class InMemory:
    """On a chain in memory."""

    def __init__(self, chain: SimulatedChain, client: Callable[[], SimulatedClient]) -> None:
        self.chain = chain
        self._client = client
        self.consumer: Consumer
        self.follower: ChainFollower

    def deposit(self, number: int) -> None:
        self.chain.extend(number)

    def replace(self, depth: int) -> None:
        self.chain.fork(depth, [()] * (depth + 1))

    def shrink(self, depth: int) -> None:
        self.chain.fork(depth)

    def logs(self) -> list[Json]:
        return [log for block in self.chain.blocks for log in self.chain.logs[block["hash"]]]

    def tell(self, log: Json) -> None:
        self._client().tell(log)


class Hinted(WebSocketClient):
    """A true client; the test adds to what it is told of logs."""

    added: Subscription | None = None

    async def subscribe(self, kind: str, *params: Any) -> Subscription | None:
        found = await super().subscribe(kind, *params)
        if kind == "logs":
            self.added = found
        return found


class OnAnvil:
    """On anvil."""

    def __init__(self, world: World, client: Hinted) -> None:
        self.world = world
        self.client = client
        self.consumer = Consumer()
        self.follower = ChainFollower(
            SimulatedLink(lambda: client),  # type: ignore[arg-type]
            adjudicator=world.address,
            confirmation_count=30,
            submit=self.consumer,
            on_head=lambda head: None,
        )
        self.snapshots: list[str] = []

    def deposit(self, number: int) -> None:
        self.snapshots.append(self.world.rpc.ask("evm_snapshot"))
        self.world.deposit(number)

    def replace(self, depth: int) -> None:
        self.world.rpc.ask("anvil_reorg", depth, [])
        self.world.mine(1)

    def shrink(self, depth: int) -> None:
        self.world.rpc.ask("evm_revert", self.snapshots[-depth])

    def logs(self) -> list[Json]:
        address = "0x" + self.world.address.hex()
        found: list[Json] = self.world.rpc.ask(
            "eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": address}
        )
        return found

    def tell(self, log: Json) -> None:
        assert self.client.added is not None
        self.client.added.push(log)


@asynccontextmanager
async def scene(kind: str) -> AsyncIterator[Scene]:
    """A follower of a chain that has a block with a deposit."""
    if kind == "in memory":
        async with following(SimulatedChain(), depth=30) as it:
            found = InMemory(it.chain, lambda: it.client)
            found.consumer, found.follower = it.consumer, it.follower
            yield found
        return
    with chain_world() as world:
        async with trio.open_nursery() as nursery:
            client = Hinted(world.anvil.ws_url)
            await nursery.start(client.run)
            found_there = OnAnvil(world, client)
            decoder = LogDecoder(load_artifact("NitroAdjudicator").abi, world.address)
            nursery.start_soon(found_there.follower.run, decoder, 0, {})
            yield found_there
            nursery.cancel_scope.cancel()


def entries(logs: Sequence[Json]) -> list[tuple[int, int]]:
    """Block and channel of each."""
    return [(int(log["blockNumber"], 16), int(log["topics"][1][4:], 16)) for log in logs]


def removed(logs: Sequence[Json]) -> list[Json]:
    """The same logs, taken back."""
    return [{**log, "removed": True} for log in logs]


KINDS = pytest.mark.parametrize("kind", ["in memory", "anvil"])


@KINDS
async def test_logs_taken_back_in_any_order_and_twice_leave_what_the_chain_has(kind: str) -> None:
    async with scene(kind) as it:
        for number in (1, 2, 3, 4):
            it.deposit(number)
        await until(lambda: it.consumer.observed == entries(it.logs()))
        before = it.logs()
        it.replace(2)
        gone = removed([log for log in before if log not in it.logs()])
        assert len(gone) == 2
        for log in (*reversed(gone), *gone):
            it.tell(log)
        it.deposit(5)
        await until(lambda: it.consumer.observed == entries(it.logs()))
        assert [number for _, number in it.consumer.observed] == [1, 2, 5]
        assert len(it.consumer.reorgs) == 1


@KINDS
async def test_a_lie_about_logs_that_stand_takes_nothing_back(kind: str) -> None:
    async with scene(kind) as it:
        for number in (1, 2, 3):
            it.deposit(number)
        await until(lambda: len(it.consumer.observed) == 3)
        for _ in range(3):
            for log in removed(it.logs()):
                it.tell(log)
            await trio.sleep(news.HINT_INTERVAL_S)
        it.deposit(4)
        await until(lambda: len(it.consumer.observed) == 4)
        assert it.consumer.observed == entries(it.logs())
        assert it.consumer.reorgs == []


@KINDS
async def test_a_chain_that_was_rolled_back_is_followed_anew_once_it_has_other_blocks(
    kind: str,
) -> None:
    async with scene(kind) as it:
        for number in (1, 2, 3, 4):
            it.deposit(number)
        await until(lambda: len(it.consumer.observed) == 4)
        before = it.logs()
        it.shrink(2)
        for log in removed([log for log in before if log not in it.logs()]):
            it.tell(log)
        for number in (5, 6, 7):
            it.deposit(number)
        await until(lambda: it.consumer.observed == entries(it.logs()))
        assert [number for _, number in it.consumer.observed] == [1, 2, 5, 6, 7]
        assert len(it.consumer.reorgs) == 1


async def test_the_fork_is_found_at_once_although_no_new_block_is_told(
    autojump_clock: object,
) -> None:
    """Some endpoints are several machines, of which one is late: it still shows the old head."""
    chain = SimulatedChain()
    for number in (1, 2, 3):
        chain.extend(number)
    async with following(chain, depth=5) as it:
        await it.caught_up()
        late, (log,) = chain.blocks[-1], chain.logs[chain.blocks[-1]["hash"]]
        it.client.fall_silent()
        chain.fork(1, [(9,), ()])
        it.client.overrides["eth_getBlockByNumber"] = lambda params: (
            late if params[0] == "latest" else chain.answer("eth_getBlockByNumber", params)
        )
        it.client.tell({**log, "removed": True})
        await trio.sleep(1)
        assert len(it.consumer.reorgs) == 1
        it.client.overrides.clear()
        await it.caught_up()
        assert it.consumer.observed == chain.canonical()


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["grow", "fork", "hint", "lie", "wait"]), st.integers(0, 5)),
        max_size=25,
    ),
    st.integers(0, 4),
    st.integers(0, 2**32),
)
def test_whatever_is_called_removed_and_when_the_chain_alone_decides(
    acts: list[tuple[str, int]], depth: int, seed: int
) -> None:
    random = Random(seed)

    async def live() -> None:
        chain = SimulatedChain()
        chain.extend(1)
        gone: list[Json] = []
        async with following(chain, depth=depth) as it:
            await it.caught_up()
            for act, number in acts:
                standing = [log for block in chain.blocks for log in chain.logs[block["hash"]]]
                match act:
                    case "grow":
                        chain.extend(*random.sample(range(1, 9), number % 3))
                    case "fork":
                        # Above what is confirmed: a deeper fork is another story.
                        count = min(number, depth, len(chain.blocks) - 1)
                        replaced = [chain.logs[b["hash"]] for b in chain.blocks[-count:] if count]
                        gone += [log for logs in replaced for log in logs]
                        blocks = [random.choices(range(1, 9), k=1) for _ in range(count + 1)]
                        chain.fork(count, blocks)
                    case "hint" | "lie":
                        told = removed(gone if act == "hint" else standing)
                        for log in random.choices(told, k=number) if told else ():
                            it.client.tell(log)
                    case "wait":
                        await trio.sleep(number)
            chain.extend()
            await it.caught_up()
            assert it.consumer.observed == chain.canonical()

    trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_removed_log_in_an_answer_about_a_block_that_stands_is_its_endpoints_fault(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=2) as it:
        await it.caught_up()
        it.client.overrides["eth_getLogs"] = lambda params: removed(
            chain.answer("eth_getLogs", params)
        )
        chain.extend(5)
        await until(lambda: it.link.blamed)
        assert "which stands, is called removed" in it.link.blamed[0]
        # The next connection tells the truth, and nothing was lost.
        await it.caught_up()
        assert it.consumer.observed == chain.canonical()
