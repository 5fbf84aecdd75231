"""Blocks and removed logs are told as hints, and a subscription that fell silent is begun anew."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from node.chain.errors import EndpointDown
from node.chain.news import HINT_INTERVAL_S, UNTOLD_COUNT_MAX, News, Tidings
from node.chain.wire import BlockName, MalformedAnswer, header
from tests.support.simulated_chain import ADJUDICATOR, SimulatedChain, SimulatedClient


async def begun(**options: Any) -> tuple[News, SimulatedClient]:
    client = SimulatedClient(SimulatedChain(), **options)
    news = News(client, ADJUDICATOR)
    await news.begin()
    return news, client


def removed_log(client: SimulatedClient, deposit: int = 3) -> tuple[dict[str, Any], BlockName]:
    """A log of a new block, as it is told when that block is gone; the block's name."""
    block = client.chain.extend(deposit)
    (log,) = client.chain.logs[block["hash"]]
    found = header(block)
    return {**log, "removed": True}, BlockName(found.number, found.hash)


async def test_the_newest_block_is_told_and_silence_ends_after_the_wait(
    autojump_clock: MockClock,
) -> None:
    news, client = await begun()
    client.chain.extend()
    newest = header(client.chain.extend())
    assert await news.next(60) == Tidings(newest)
    began_at = trio.current_time()
    assert await news.next(60) == Tidings()
    assert trio.current_time() - began_at == pytest.approx(60)


async def test_a_removed_log_wakes_whoever_waits_and_an_added_one_does_not(
    autojump_clock: MockClock,
) -> None:
    news, client = await begun()
    log, block = removed_log(client)
    await news.next(1)
    client.tell({**log, "removed": False})
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def later() -> None:
            await trio.sleep(5)
            client.tell(log)
            client.tell(log)

        assert await news.next(60) == Tidings(None, (block,))
    assert trio.current_time() - began_at == pytest.approx(5)


async def test_a_flood_of_removed_logs_is_one_look_in_an_interval_and_none_is_lost(
    autojump_clock: MockClock,
) -> None:
    news, client = await begun()
    pairs = [removed_log(client) for _ in range(20)]
    await news.next(1)
    began_at, told, looks = trio.current_time(), [], 0
    for log, _ in pairs:
        client.tell(log)
        if looks == 0 or len(told) < 3:
            looks += 1
            told += (await news.next(60)).removed
    told += (await news.next(60)).removed
    assert told == [block for _, block in pairs]
    assert trio.current_time() - began_at >= looks * HINT_INTERVAL_S


async def test_a_notification_of_no_shape_is_a_malformed_answer(autojump_clock: MockClock) -> None:
    news, client = await begun()
    client.tell({"removed": True})
    with pytest.raises(MalformedAnswer):
        await news.next(1)


@pytest.mark.parametrize("subscribes", [True, False])
async def test_the_end_of_the_connection_ends_the_wait(
    autojump_clock: MockClock, subscribes: bool
) -> None:
    news, client = await begun(subscribes=subscribes)
    assert news.tells_blocks == subscribes
    client.close("cut")
    with pytest.raises(EndpointDown, match="cut"):
        await news.next(60)


async def test_without_subscriptions_the_wait_just_ends(autojump_clock: MockClock) -> None:
    news, _ = await begun(subscribes=False)
    assert await news.next(2) == Tidings()
    await news.polled(found_untold=True)
    assert trio.current_time() == pytest.approx(2)


async def test_subscriptions_that_fell_silent_are_begun_anew(autojump_clock: MockClock) -> None:
    news, client = await begun()
    client.fall_silent()
    for _ in range(UNTOLD_COUNT_MAX):
        client.chain.extend()
        assert await news.next(1) == Tidings()
        await news.polled(found_untold=True)
    newest = header(client.chain.extend())
    log, block = removed_log(client)
    client.tell(log)
    tidings = await news.next(1)
    assert (tidings.newest is not None and tidings.newest.number) == newest.number + 1
    assert tidings.removed == (block,)
    assert len(client.log_subscriptions) == 1


async def test_a_quiet_chain_is_no_silence(autojump_clock: MockClock) -> None:
    news, client = await begun()
    before = client.log_subscriptions.copy()
    for found_untold in [True] * (UNTOLD_COUNT_MAX - 1) + [False] + [True]:
        await news.polled(found_untold=found_untold)
    assert client.log_subscriptions == before
