"""Before anything else: is this the chain, and are the contracts there?"""

from __future__ import annotations

import pytest
import structlog
import trio

from node.chain import deployment
from node.chain.deployment import verify_deployment
from node.chain.errors import NoCodeAtAddress, NoTokenAtAddress, WrongChain
from protocols.types import parse_address
from tests.support.chain_room import chain_world, until
from tests.support.simulated_chain import (
    ADJUDICATOR,
    SimulatedChain,
    serving,
    tcp_endpoint,
    websocket_endpoint,
)

CONTRACTS = {"adjudicator": ADJUDICATOR, "consensus_app": b"\xca" * 20}


async def test_the_right_chain_with_all_contracts_passes() -> None:
    async with websocket_endpoint(serving(SimulatedChain())) as url:
        await verify_deployment([url], 31_337, CONTRACTS)


async def test_another_chain_is_named_with_both_ids() -> None:
    async with websocket_endpoint(serving(SimulatedChain(chain_id=1))) as url:
        with pytest.raises(WrongChain) as wrong:
            await verify_deployment([url], 31_337, CONTRACTS)
    assert (wrong.value.expected_chain_id, wrong.value.chain_id) == (31_337, 1)
    assert wrong.value.endpoint == url


async def test_an_address_without_code_is_named_with_its_setting() -> None:
    chain = SimulatedChain()
    chain.code = "0x"
    async with websocket_endpoint(serving(chain)) as url:
        with pytest.raises(NoCodeAtAddress) as empty:
            await verify_deployment([url], 31_337, CONTRACTS)
    assert (empty.value.contract, empty.value.address) == ("adjudicator", ADJUDICATOR)


async def test_it_waits_and_says_so_once_until_an_endpoint_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deployment, "RETRY_S", 0.02)
    chain = SimulatedChain()
    chain_answer = chain.answer
    async with tcp_endpoint(_sleep) as dead:
        pass
    with structlog.testing.capture_logs() as lines:
        async with websocket_endpoint(serving(chain)) as url, trio.open_nursery() as nursery:
            asked: list[str] = []
            monkeypatch.setattr(chain, "answer", lambda method, params: asked.append(method) or "?")
            nursery.start_soon(verify_deployment, [dead, url], 31_337, CONTRACTS)
            await until(lambda: len(asked) >= 3)
            monkeypatch.setattr(chain, "answer", chain_answer)
    waiting = [line for line in lines if line["event"] == "waiting for a chain endpoint"]
    # One line for each endpoint, in the first round only.
    assert len(waiting) == 2
    assert "no connection" in waiting[0]["reason"]
    assert "no quantity" in waiting[1]["reason"]


@pytest.mark.e2e
async def test_a_real_chain_is_recognised_over_websocket_and_http() -> None:
    with chain_world() as world:
        for url in (world.anvil.ws_url, world.anvil.url):
            await verify_deployment([url], 31_337, {"adjudicator": world.address})
            with pytest.raises(WrongChain):
                await verify_deployment([url], 1, {"adjudicator": world.address})
            with pytest.raises(NoCodeAtAddress):
                await verify_deployment([url], 31_337, {"adjudicator": b"\x01" * 20})


@pytest.mark.e2e
async def test_a_token_without_code_is_refused_by_name() -> None:
    with chain_world() as world:
        urls, adjudicator = [world.anvil.url], {"adjudicator": world.address}
        token = parse_address(world.rpc.deploy("TestToken").address)
        await verify_deployment(urls, 31_337, adjudicator, (token,))
        with pytest.raises(NoTokenAtAddress) as refused:
            await verify_deployment(urls, 31_337, adjudicator, (token, b"\x01" * 20))
        assert refused.value.address == b"\x01" * 20


async def _sleep(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()
