"""One of several endpoints, always: failover, back-off and one log line per change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs

from node.chain import link as link_module
from node.chain.errors import EndpointDown
from node.chain.link import EndpointLink
from tests.support.chain_room import proxy_to, until
from tests.support.short_pauses import shorten_pauses
from tests.support.simulated_chain import (
    ADJUDICATOR,
    SimulatedChain,
    serving,
    tcp_endpoint,
    websocket_endpoint,
)


@asynccontextmanager
async def linked(urls: Sequence[str]) -> AsyncIterator[EndpointLink]:
    """A running link."""
    link = EndpointLink(urls, 31_337, {"adjudicator": ADJUDICATOR})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        yield link
        nursery.cancel_scope.cancel()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


async def test_callers_wait_until_an_endpoint_is_there() -> None:
    async with websocket_endpoint(serving(SimulatedChain())) as url, linked([url]) as link:
        assert not link.connected
        assert link.endpoint == ""
        assert await link.call("eth_chainId", []) == hex(31_337)
        assert link.connected
        assert link.endpoint == url


async def test_endpoints_that_are_wrong_or_down_are_passed_over() -> None:
    wrong, bare, good = SimulatedChain(chain_id=1), SimulatedChain(), SimulatedChain()
    bare.code = "0x"
    nonsense = SimulatedChain()
    nonsense.code = "nonsense"
    async with (
        websocket_endpoint(serving(wrong)) as wrong_url,
        websocket_endpoint(serving(bare)) as bare_url,
        websocket_endpoint(serving(nonsense)) as nonsense_url,
        websocket_endpoint(serving(good)) as good_url,
    ):
        urls = [wrong_url, bare_url, nonsense_url, good_url]
        with capture_logs() as lines:
            async with linked(urls) as link:
                await link.client()
                assert link.endpoint == good_url
    reasons = [line["reason"] for line in lines if "not usable" in line["event"]]
    assert len(reasons) == 3
    assert "serves chain 1" in reasons[0]
    assert "no contract" in reasons[1]
    assert "no hex data" in reasons[2]


async def test_a_lost_endpoint_is_replaced_and_the_preferred_one_is_tried_first(
    quick: None,
) -> None:
    chain = SimulatedChain()
    async with (
        websocket_endpoint(serving(chain)) as first_url,
        websocket_endpoint(serving(chain)) as second_url,
        proxy_to(int(first_url.rpartition(":")[2])) as proxy,
    ):
        preferred = f"ws://127.0.0.1:{proxy.port}"
        async with linked([preferred, second_url]) as link:
            await link.client()
            assert link.endpoint == preferred
            proxy.refuses = True
            proxy.cut()
            await until(lambda: link.endpoint == second_url)
            proxy.refuses = False
            (await link.client()).close("switch")
            await until(lambda: link.endpoint == preferred)


async def test_an_endpoint_at_fault_gives_way_to_the_others_until_it_is_forgiven(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain()
    async with (
        websocket_endpoint(serving(chain)) as first,
        websocket_endpoint(serving(chain)) as second,
        websocket_endpoint(serving(chain)) as third,
        linked([first, second, third]) as link,
    ):
        for at_fault, next_one in ((first, second), (second, third)):
            client = await link.client()
            assert link.endpoint == at_fault
            link.blame(client, "malformed answer")
            assert client.closed_reason == "malformed answer"
            await until(lambda expected=next_one: link.endpoint == expected)
        # All are at fault now: the last one stays, and after its loss the oldest fault is first.
        client = await link.client()
        link.blame(client, "malformed answer")
        assert not client.closed.is_set()
        client.close("the connection was cut")
        await until(lambda: link.endpoint == first)
        monkeypatch.setattr(link_module, "FAULT_MEMORY_S", 0.0)
        link.blame(await link.client(), "malformed answer")
        await until(lambda: link.endpoint == first)


async def test_a_client_that_is_not_used_any_more_blames_nobody(quick: None) -> None:
    chain = SimulatedChain()
    async with (
        websocket_endpoint(serving(chain)) as first,
        websocket_endpoint(serving(chain)) as second,
        linked([first, second]) as link,
    ):
        old = await link.client()
        old.close("the connection was cut")
        new = await link.client()
        assert new is not old
        link.blame(old, "malformed answer")
        new.close("the connection was cut")
        # Still the preferred one: nothing was held against it.
        assert await link.client() is not new
        assert link.endpoint == first


async def test_a_call_in_the_middle_of_a_loss_fails_and_the_next_one_waits(quick: None) -> None:
    async with (
        websocket_endpoint(serving(SimulatedChain())) as url,
        proxy_to(int(url.rpartition(":")[2])) as proxy,
        linked([f"ws://127.0.0.1:{proxy.port}"]) as link,
    ):
        await link.client()
        proxy.freezes = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cut_soon, proxy.cut)
            with pytest.raises(EndpointDown):
                await link.call("eth_chainId", [])
        proxy.freezes = False
        assert await link.call("eth_chainId", []) == hex(31_337)


async def test_while_all_are_down_each_reason_is_logged_once_and_the_pause_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "BACKOFF_S_MIN", 0.01)
    async with tcp_endpoint(_sleep) as url:
        pass
    with capture_logs() as lines:
        link = EndpointLink([url], 31_337, {})
        link.proved_useful()
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.run)
                # Four pauses: 0.01 + 0.02 + ...
                while link._backoff_s < 0.16:
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
    assert len(lines) == 1
    assert "no connection" in lines[0]["reason"]


@pytest.mark.parametrize("urls", [[], ["ftp://h"], ["ws://h:1", "nothing"]])
def test_urls_that_cannot_work_are_refused_at_once(urls: list[str]) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        EndpointLink(urls, 1, {})


async def _sleep(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def _cut_soon(cut: Callable[[], None]) -> None:
    await trio.sleep(0.1)
    cut()
