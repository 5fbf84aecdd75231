"""Facts count when enough endpoints tell them; who tells something else is named."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio

from node.chain import quorum as quorum_module
from node.chain.errors import RpcError
from node.chain.follower import ChainFollower
from node.chain.link import EndpointLink
from node.chain.quorum import Outvoted, Quorum, Votes
from node.chain.wire import header
from protocols.inputs import ChainReorg, ChannelRead
from tests.support.chain_room import Inbox, until
from tests.support.short_pauses import shorten_pauses
from tests.support.simulated_chain import (
    ADJUDICATOR,
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    channel,
    serving,
    websocket_endpoint,
)

CONTRACTS = {"adjudicator": ADJUDICATOR}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)
    monkeypatch.setattr(quorum_module, "ANSWER_S", 0.5)


class Liar(SimulatedChain):
    """Shows the blocks of an honest chain, with other logs or holdings in them."""

    def __init__(self, honest: SimulatedChain, **lies: Any) -> None:
        super().__init__()
        self.honest = honest
        self.lies = lies

    def answer(self, method: str, params: list[Any]) -> Any:
        told = self.honest.answer(method, params)
        return self.lies[method](told) if method in self.lies else told


class Silent(SimulatedChain):
    """Is there, and knows nothing until it speaks."""

    speaks = False

    def answer(self, method: str, params: list[Any]) -> Any:
        if self.speaks or method in ("eth_chainId", "eth_getCode"):
            return super().answer(method, params)
        raise RpcError(method, -32000, "out of order")


def without_logs(told: list[Any]) -> list[Any]:
    """Hides every log."""
    return []


class Room:
    """A follower of the first endpoint, with the others as witnesses."""

    def __init__(self, urls: Sequence[str], count: int, depth: int) -> None:
        self.heard = Inbox()
        self.link = EndpointLink(urls, 31_337, CONTRACTS)
        self.quorum = Quorum(urls, count, 31_337, CONTRACTS)
        self.follower = ChainFollower(
            self.link,
            adjudicator=ADJUDICATOR,
            confirmation_count=depth,
            submit=self.heard,
            on_head=lambda head: None,
            quorum=self.quorum,
            clock_s=lambda: 0.0,
        )

    def troubles(self) -> list[str]:
        """The names of what is wrong."""
        return [trouble.name for trouble in self.quorum.troubles()]


@asynccontextmanager
async def room(chains: Sequence[SimulatedChain], count: int, depth: int = 1) -> AsyncIterator[Room]:
    """Endpoints of these chains, and who follows the first of them."""
    async with AsyncExitStack() as stack:
        endpoints = [websocket_endpoint(serving(chain)) for chain in chains]
        urls = [await stack.enter_async_context(endpoint) for endpoint in endpoints]
        found = Room(urls, count, depth)
        async with trio.open_nursery() as nursery:
            for task in (found.link.run, found.quorum.run):
                nursery.start_soon(task)
            nursery.start_soon(found.follower.run, PlainDecoder(), 0, {})
            yield found
            nursery.cancel_scope.cancel()


def chain_of(*deposits: int) -> SimulatedChain:
    chain = SimulatedChain()
    for number in deposits:
        chain.extend(number)
    return chain


def told(logs: Sequence[Any]) -> list[int]:
    return [int.from_bytes(log.channel_id[1:], "big") for log in logs]


async def test_a_log_counts_once_enough_endpoints_tell_it_and_a_liar_among_them_is_named() -> None:
    chain = chain_of(1, 2, 3)
    liar = Liar(chain, eth_getLogs=without_logs)
    async with room([chain, chain, liar], 2) as it:
        await it.heard.until(lambda: len(it.heard.confirmed) == 2)
        assert told(it.heard.observed) == [1, 2, 3]
        assert told(it.heard.confirmed) == [1, 2]
        await until(lambda: it.troubles() == ["endpoint-outvoted"])
        (trouble,) = it.quorum.troubles()
        assert trouble.what.startswith(it.quorum._lines[2].endpoint)
        liar.lies.clear()
        chain.extend()
        await it.heard.until(lambda: len(it.heard.confirmed) == 3)
        await until(lambda: it.troubles() == [])


async def test_the_endpoint_in_use_is_outvoted_and_given_up_and_its_word_is_taken_back() -> None:
    chain = chain_of(1, 2, 3)
    liar = Liar(chain, eth_getLogs=without_logs)
    async with room([liar, chain, chain], 2) as it:
        await it.heard.until(lambda: len(it.heard.confirmed) == 2)
        assert told(it.heard.confirmed) == [1, 2]
        assert it.link.url != it.link.urls[0]
        assert it.heard.of(ChainReorg)[0].fork_block_num == 1
        assert it.troubles() == ["endpoint-outvoted"]


async def test_without_enough_endpoints_logs_are_observed_and_nothing_counts() -> None:
    chain = chain_of(1, 2)
    async with room([chain, Silent()], 2) as it:
        await until(lambda: it.troubles() == ["quorum-missing"])
        assert told(it.heard.observed) == [1, 2]
        chain.extend(3)
        await it.heard.until(lambda: len(it.heard.observed) == 3)
        assert it.heard.confirmed == []
        (trouble,) = it.quorum.troubles()
        assert it.link.endpoint in trouble.what
        assert "chain.quorum" in trouble.next_step


async def test_two_that_disagree_are_both_named_and_nothing_counts() -> None:
    chain = chain_of(1, 2)
    async with room([chain, Liar(chain, eth_getLogs=without_logs)], 2) as it:
        await until(lambda: it.troubles() == ["quorum-missing"])
        (trouble,) = it.quorum.troubles()
        assert all(line.endpoint in trouble.what for line in it.quorum._lines)
        assert it.heard.confirmed == []


async def test_endpoints_on_two_forks_count_as_disagreeing_until_one_wins() -> None:
    chain, other = chain_of(1), chain_of(2)
    other.blocks[0] = chain.blocks[0]
    chain.extend()
    other.fork(1)
    other.extend(2)
    other.extend()
    async with room([chain, other], 2) as it:
        await until(lambda: it.troubles() == ["quorum-missing"])
        assert it.heard.confirmed == []
        other.blocks, other.logs, other.known = chain.blocks, chain.logs, chain.known
        await it.heard.until(lambda: it.heard.confirmed)
        assert told(it.heard.confirmed) == [1]


async def test_one_that_is_behind_is_no_vote_and_no_liar() -> None:
    chain = chain_of(1, 2)
    behind = SimulatedChain()
    behind.blocks, behind.known, behind.logs = chain.blocks[:2], chain.known, chain.logs
    async with room([chain, behind, chain], 2) as it:
        await it.heard.until(lambda: it.heard.confirmed)
        chain.extend()
        await it.heard.until(lambda: len(it.heard.confirmed) == 2)
        assert it.troubles() == []


async def test_who_lied_and_is_not_in_use_any_more_has_one_vote() -> None:
    chain = chain_of(1)
    liar = Liar(chain, eth_getLogs=without_logs)
    async with room([liar, chain, chain], 2, depth=3) as it:
        await until(lambda: it.follower.head is not None)
        chain.extend(7)
        await until(lambda: it.follower.head == chain.head)
        assert it.heard.observed == []
        it.link.blame(await it.link.client(), "it answers slowly")
        await until(lambda: it.link.connected and it.link.url != it.link.urls[0])
        for _ in range(3):
            chain.extend()
        await it.heard.until(lambda: len(it.heard.confirmed) == 2)
        assert told(it.heard.confirmed) == [1, 7]
        await until(lambda: it.troubles() == ["endpoint-outvoted"])
        (trouble,) = it.quorum.troubles()
        assert trouble.what.startswith(it.quorum._lines[0].endpoint)


async def test_what_was_invented_is_not_seconded_by_who_invented_it() -> None:
    liar, honest = chain_of(1), SimulatedChain()
    honest.blocks, honest.known, honest.listeners = liar.blocks, liar.known, liar.listeners
    truth: dict[str, list[Any]] = {}
    honest.logs = ChainMap(truth, liar.logs)  # type: ignore[assignment]
    async with room([liar, honest, honest], 2, depth=3) as it:
        await until(lambda: it.follower.head is not None)
        truth[liar.extend(9)["hash"]] = []
        await it.heard.until(lambda: told(it.heard.observed) == [1, 9])
        it.link.blame(await it.link.client(), "it answers slowly")
        await until(lambda: it.link.connected and it.link.url != it.link.urls[0])
        for _ in range(3):
            liar.extend()
        await until(lambda: it.follower.cursor == header(liar.blocks[-4]))
        assert told(it.heard.confirmed) == [1]
        assert it.heard.of(ChainReorg)


async def test_an_endpoint_that_mends_is_read_again_where_others_denied_its_word() -> None:
    chain = chain_of(1, 2)
    liar = Liar(chain, eth_getLogs=without_logs)
    async with room([liar, chain], 2) as it:
        await until(lambda: it.troubles() == ["quorum-missing"])
        assert it.heard.observed == []
        liar.lies.clear()
        await it.heard.until(lambda: it.heard.confirmed)
        assert told(it.heard.confirmed) == [1]
        await until(lambda: it.troubles() == [])


async def test_old_blocks_read_in_stretches_need_the_quorum_too() -> None:
    chain = chain_of(*range(1, 101))
    async with room([Liar(chain, eth_getLogs=without_logs), chain, chain], 2) as it:
        await it.heard.until(lambda: len(it.heard.confirmed) == 99)
        assert told(it.heard.confirmed) == list(range(1, 100))


async def test_a_reading_that_others_deny_is_not_believed() -> None:
    chain = chain_of(5, 0)
    rich = Liar(chain, eth_call=lambda told: "0x" + (10**18).to_bytes(32, "big").hex())
    async with room([rich, chain, chain], 2) as it:
        it.follower.read_holdings(channel(5), bytes(20))
        read = await it.heard.first(ChannelRead)
        assert read.held == 5
        assert it.link.url != it.link.urls[0]


async def test_a_fork_below_what_counts_needs_the_quorum_to_take_anything_back() -> None:
    chain = chain_of(1, 2, 3, 4)
    forked = SimulatedChain()
    forked.blocks, forked.known, forked.logs = chain.blocks[:], dict(chain.known), dict(chain.logs)
    async with room([forked, chain, chain], 2) as it:
        await it.heard.until(lambda: len(it.heard.confirmed) == 3)
        forked.fork(3, [()] * 4)
        await until(lambda: it.troubles() == ["endpoint-outvoted"])
        chain.extend(5)
        await it.heard.until(lambda: len(it.heard.confirmed) == 4)
        assert told(it.heard.confirmed) == [1, 2, 3, 4]
        assert [fork.fork_block_num for fork in it.heard.of(ChainReorg)] == [4]


def test_truth_about_blocks_does_not_mend_a_lie_about_a_transaction() -> None:
    votes = Votes(2)
    assert votes.agree("a", "transaction 0x01", 1, {"b": 1, "c": 2})
    assert votes.agree("a", "blocks 1 to 2", 1, {"b": 1, "c": 1})
    (trouble,) = votes.troubles()
    assert trouble.what == "c tells something else than 2 others on transaction 0x01"
    assert votes.agree("a", "transaction 0x02", 1, {"b": 1, "c": 1})
    assert votes.troubles() == []


def test_what_may_wait_for_votes_is_no_alarm_and_mends_none() -> None:
    votes = Votes(2)
    assert not votes.agree("a", "a receipt", 1, {"b": 2}, may_wait=True)
    assert votes.troubles() == []
    assert not votes.agree("a", "blocks", 1, {})
    assert votes.agree("a", "a receipt", 1, {"b": 1}, may_wait=True)
    assert [trouble.name for trouble in votes.troubles()] == ["quorum-missing"]
    with pytest.raises(Outvoted):
        votes.agree("a", "a receipt", 1, {"b": 2, "c": 2}, may_wait=True)


@pytest.mark.parametrize("count", [0, 3])
def test_a_quorum_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="cannot agree"):
        Quorum(["ws://h:1", "ws://h:2"], count, 1, {})


async def test_a_quorum_of_one_asks_nobody() -> None:
    quorum = Quorum(["ws://h:1", "ws://h:2"], 1, 1, {})
    assert not quorum.is_needed

    async def ask(client: object) -> None:
        raise AssertionError("nobody is asked")

    assert await quorum.agrees(SimulatedClient(SimulatedChain()), "blocks", 1, ask)


@pytest.mark.parametrize("missed_count", [0, 100], ids=["at the head", "after an absence"])
async def test_what_waited_for_a_quorum_counts_however_few_blocks_a_witness_tells_at_once(
    missed_count: int,
) -> None:
    chain, late = chain_of(*range(1, 41)), Silent()
    async with room([chain, late], 2) as it:
        await it.heard.until(lambda: len(it.heard.observed) == 40)
        await until(lambda: it.troubles() == ["quorum-missing"])
        late.logs_block_count_max = 7
        late.blocks, late.known, late.logs = chain.blocks, chain.known, chain.logs
        late.speaks = True
        for number in range(41, 41 + missed_count):
            chain.extend(number)
        await it.heard.until(lambda: len(it.heard.confirmed) == 39 + missed_count)
        assert told(it.heard.confirmed) == list(range(1, 40 + missed_count))
        assert told(it.heard.observed) == list(range(1, 41 + missed_count))
        await until(lambda: it.troubles() == [])


async def test_old_blocks_are_observed_without_the_quorum_and_count_with_it() -> None:
    chain, late = chain_of(*range(1, 201)), Silent()
    async with room([chain, late], 2) as it:
        await it.heard.until(lambda: len(it.heard.observed) == 200)
        await until(lambda: it.follower.seen_at > 0)
        assert it.follower.head == chain.head
        assert (it.heard.confirmed, it.troubles()) == ([], ["quorum-missing"])
        late.blocks, late.known, late.logs = chain.blocks, chain.known, chain.logs
        late.speaks = True
        await it.heard.until(lambda: len(it.heard.confirmed) == 199)
        assert told(it.heard.confirmed) == list(range(1, 200))
        assert told(it.heard.observed) == list(range(1, 201))


async def test_while_a_quorum_is_missing_who_is_there_is_asked_about_ever_fewer_blocks() -> None:
    chain = chain_of(*range(1, 41))
    liar = Liar(chain, eth_getLogs=without_logs)
    async with room([chain, liar], 2) as it:
        await until(lambda: it.troubles() == ["quorum-missing"])
        await until(lambda: _block_count(chain.log_requests) == 1)
        assert it.heard.confirmed == []


def _block_count(requests: Sequence[Any]) -> int:
    """Of the last question about several blocks."""
    where = next((each for each in reversed(requests) if "fromBlock" in each), None)
    return 0 if where is None else int(where["toBlock"], 16) - int(where["fromBlock"], 16) + 1
