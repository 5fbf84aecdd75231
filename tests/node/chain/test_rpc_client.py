"""JSON-RPC over a WebSocket, with endpoints that behave and endpoints that do not."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection

from node.chain import rpc_client
from node.chain.errors import EndpointDown, RpcError
from node.chain.rpc_client import (
    NOTIFICATION_COUNT_MAX,
    Subscription,
    WebSocketClient,
    decode_object,
    result_of,
)
from tests.support.simulated_chain import (
    Handler,
    SimulatedChain,
    serving,
    tcp_endpoint,
    websocket_endpoint,
)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[WebSocketClient]:
    """A running client of `url`."""
    client = WebSocketClient(url)
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run)
        yield client
        client.close("the test is over")


@asynccontextmanager
async def client_of(handler: Handler) -> AsyncIterator[WebSocketClient]:
    """A running client of a server that behaves like `handler`."""
    async with websocket_endpoint(handler) as url, connected(url) as client:
        yield client


async def asked(connection: WebSocketConnection) -> dict[str, Any]:
    """The next request."""
    request: dict[str, Any] = json.loads(await connection.get_message())
    return request


async def say(connection: WebSocketConnection, **fields: Any) -> None:
    await connection.send_message(json.dumps({"jsonrpc": "2.0", **fields}))


def notification(name: str, result: Any) -> dict[str, Any]:
    return {"method": "eth_subscription", "params": {"subscription": name, "result": result}}


async def test_a_call_gets_its_answer() -> None:
    async with client_of(serving(SimulatedChain())) as client:
        assert await client.call("eth_chainId", []) == hex(31_337)
        with pytest.raises(RpcError, match="method not found") as refused:
            await client.call("eth_nothing", [])
        assert refused.value.code == -32601


async def test_calls_are_in_flight_together_and_answers_may_come_in_any_order() -> None:
    async def answer_backwards(connection: WebSocketConnection) -> None:
        requests = [await asked(connection) for _ in range(50)]
        for request in reversed(requests):
            await say(connection, id=request["id"], result=request["params"][0])
        await trio.sleep_forever()

    results: dict[int, int] = {}

    async with client_of(answer_backwards) as client:

        async def one(number: int) -> None:
            results[number] = await client.call("echo", [number])

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(one, number)
    assert results == {number: number for number in range(50)}


async def test_a_notification_that_beats_the_answer_to_its_subscription_is_kept() -> None:
    read = trio.Event()

    async def hasty(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        await say(connection, **notification("0x1", "early"))
        await say(connection, **notification("0x2", "of somebody else"))
        await say(connection, id=request["id"], result="0x1")
        await read.wait()
        await say(connection, **notification("0x1", "late"))
        await trio.sleep_forever()

    async with client_of(hasty) as client:
        subscription = await client.subscribe("newHeads")
        assert subscription is not None
        assert subscription.take() == ["early"]
        told = trio.Event()
        subscription.on_news = told.set
        read.set()
        await told.wait()
        assert subscription.take() == ["late"]
        assert subscription.take() == []


async def test_a_subscription_has_its_own_parameters_and_can_be_ended() -> None:
    async def serve(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        assert request["params"] == ["logs", {"address": "0x11"}]
        await say(connection, id=request["id"], result="0x1")
        request = await asked(connection)
        assert (request["method"], request["params"]) == ("eth_unsubscribe", ["0x1"])
        await say(connection, **notification("0x1", "too late"))
        await say(connection, id=request["id"], error={"code": -32000, "message": "not found"})
        await trio.sleep_forever()

    async with client_of(serve) as client:
        subscription = await client.subscribe("logs", {"address": "0x11"})
        assert subscription is not None
        await client.unsubscribe(subscription)
        assert subscription.take() == []
        await client.unsubscribe(subscription)


async def test_a_refused_subscription_says_so() -> None:
    async def refuse(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        await say(connection, id=request["id"], error={"code": -32601, "message": "no"})
        request = await asked(connection)
        await say(connection, id=request["id"], result=None)
        await trio.sleep_forever()

    async with client_of(refuse) as client:
        with pytest.raises(RpcError):
            await client.subscribe("newHeads")
        with pytest.raises(EndpointDown, match="without an id"):
            await client.subscribe("newHeads")


async def test_a_cut_connection_fails_what_is_in_flight_and_everything_after() -> None:
    async def hang_up(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        await say(connection, id=request["id"], result="0x1")
        await asked(connection)
        await connection.aclose()

    async with client_of(hang_up) as client:
        subscription = await client.subscribe("newHeads")
        assert subscription is not None
        with pytest.raises(EndpointDown, match="cut"):
            await client.call("anything", [])
        assert client.closed.is_set()
        with pytest.raises(EndpointDown, match="cut"):
            await client.call("anything", [])
        with pytest.raises(EndpointDown, match="cut"):
            subscription.take()


async def test_silence_is_an_endpoint_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_client, "REQUEST_TIMEOUT_S", 0.2)

    async def ignore(connection: WebSocketConnection) -> None:
        while True:
            await connection.get_message()

    async with client_of(ignore) as client:
        with pytest.raises(EndpointDown, match=r"no answer to slow within 0\.2 s"):
            await client.call("slow", [])
        assert client.closed.is_set()


def test_brackets_in_brackets_are_no_object_whatever_the_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(100_000)
        assert decode_object("[" * 1_000_000) is None
        assert decode_object('{"result": ' * 1_000_000) is None
        assert decode_object('{"result": [[7]]}') == {"result": [[7]]}
        assert sys.getrecursionlimit() == 100_000
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("text", ["not json", "[1, 2]", "7", b"\xff\xfe", "[" * 100_000])
async def test_nonsense_ends_the_connection(text: str | bytes) -> None:
    async def babble(connection: WebSocketConnection) -> None:
        await connection.get_message()
        await connection.send_message(text)
        await trio.sleep_forever()

    async with client_of(babble) as client:
        with pytest.raises(EndpointDown, match="not JSON-RPC"):
            await client.call("anything", [])


async def test_an_answer_above_the_bound_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc_client, "MESSAGE_SIZE_BYTES_MAX", 1000)

    async def flood(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        await say(connection, id=request["id"], result="x" * 2000)
        await trio.sleep_forever()

    async with client_of(flood) as client:
        with pytest.raises(EndpointDown):
            await client.call("anything", [])


async def test_answers_nobody_waits_for_and_other_messages_are_passed_over() -> None:
    async def chatter(connection: WebSocketConnection) -> None:
        request = await asked(connection)
        await say(connection, id=999, result="for nobody")
        await say(connection, id="1", result="for nobody")
        await say(connection, method="hello", params=[])
        await say(connection, method="eth_subscription", params="nothing")
        await say(connection, id=request["id"], result="for us")
        await trio.sleep_forever()

    async with client_of(chatter) as client:
        assert await client.call("anything", []) == "for us"


async def test_closing_fails_what_is_in_flight_with_the_reason_given() -> None:
    async def ignore(connection: WebSocketConnection) -> None:
        await trio.sleep_forever()

    async with client_of(ignore) as client:
        async with trio.open_nursery() as nursery:

            async def close_soon() -> None:
                await trio.sleep(0.05)
                client.close("had enough")

            nursery.start_soon(close_soon)
            with pytest.raises(EndpointDown, match="had enough"):
                await client.call("anything", [])
        client.close("again")
        assert client.closed_reason == "had enough"


async def test_a_port_nobody_listens_on_is_an_endpoint_that_is_down() -> None:
    async with tcp_endpoint(_sleep, "ws") as url:
        pass
    client = WebSocketClient(url)
    async with trio.open_nursery() as nursery:
        with pytest.raises(EndpointDown, match="no connection"):
            await nursery.start(client.run)
    assert client.closed.is_set()


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b""],
)
async def test_a_server_that_speaks_no_websocket_is_an_endpoint_that_is_down(
    greeting: bytes,
) -> None:
    async def greet(stream: trio.SocketStream) -> None:
        await stream.receive_some(10_000)
        await stream.send_all(greeting)
        await stream.aclose()

    async with tcp_endpoint(greet, "ws") as url, trio.open_nursery() as nursery:
        with trio.fail_after(30), pytest.raises(EndpointDown, match="no WebSocket"):
            await nursery.start(WebSocketClient(url).run)


async def test_a_server_that_never_finishes_the_handshake_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rpc_client, "HANDSHAKE_TIMEOUT_S", 0.2)
    async with tcp_endpoint(_sleep, "ws") as url, trio.open_nursery() as nursery:
        with pytest.raises(EndpointDown):
            await nursery.start(WebSocketClient(url).run)


def test_the_oldest_waiting_notifications_give_way() -> None:
    subscription = Subscription("ws://h:1")
    for number in range(1000):
        subscription.push(number)
    assert subscription.take() == list(range(1000 - NOTIFICATION_COUNT_MAX, 1000))
    subscription.push("last")
    subscription.close("cut")
    assert subscription.take() == ["last"]
    with pytest.raises(EndpointDown, match="cut"):
        subscription.take()


def test_errors_of_any_shape_become_rpc_errors() -> None:
    assert result_of("m", {"result": 7}) == 7
    assert result_of("m", {}) is None
    with pytest.raises(RpcError) as plain:
        result_of("m", {"error": "broken"})
    assert plain.value.message == "broken"
    with pytest.raises(RpcError) as odd:
        result_of("m", {"error": {"code": "x", "data": "0x08"}})
    assert (odd.value.code, odd.value.message, odd.value.data) == (0, "no message", "0x08")


async def _sleep(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()
