"""JSON-RPC over HTTP: the fallback, with servers that behave and servers that do not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from node.chain import http_client
from node.chain.errors import EndpointDown, RpcError
from node.chain.http_client import HttpClient, client_for
from node.chain.rpc_client import WebSocketClient
from tests.support.simulated_chain import tcp_endpoint

OK = b'{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'
Handler = Callable[[trio.SocketStream], Awaitable[None]]


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def request_of(stream: trio.SocketStream) -> dict[str, object] | None:
    """One request's JSON, or None when the client has gone."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = await stream.receive_some(65_536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /path?key=1 HTTP/1.1")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += await stream.receive_some(65_536)
    request: dict[str, object] = json.loads(body)
    return request


def answering(*responses: bytes, then_close: bool = False) -> Handler:
    """Answers the requests of each connection with these, in order."""

    async def handle(stream: trio.SocketStream) -> None:
        for answer in responses:
            if await request_of(stream) is None:
                return
            await stream.send_all(answer)
        if then_close:
            await stream.aclose()
        else:
            await trio.sleep_forever()

    return handle


@asynccontextmanager
async def client_of(handler: Handler) -> AsyncIterator[HttpClient]:
    """A running client of a server that behaves like `handler`."""
    async with tcp_endpoint(handler) as url, trio.open_nursery() as nursery:
        client = HttpClient(url + "/path?key=1")
        await nursery.start(client.run)
        yield client
        client.close("the test is over")


async def test_calls_share_one_connection() -> None:
    async with client_of(answering(*[response(OK)] * 3)) as client:
        for _ in range(3):
            assert await client.call("eth_chainId", []) == "0x7a69"
        assert await client.subscribe("newHeads") is None


async def test_calls_from_many_tasks_take_turns() -> None:
    async with client_of(answering(*[response(OK)] * 20)) as client:
        answers: list[object] = []

        async def one() -> None:
            answers.append(await client.call("eth_chainId", []))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
    assert answers == ["0x7a69"] * 20


async def test_a_chunked_answer_is_read_whole() -> None:
    pieces = [OK[i : i + 7] for i in range(0, len(OK), 7)]
    chunks = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with client_of(answering(head + chunks)) as client:
        assert await client.call("eth_chainId", []) == "0x7a69"


async def test_a_connection_the_server_let_go_is_opened_again() -> None:
    async with client_of(answering(response(OK), then_close=True)) as client:
        for _ in range(3):
            assert await client.call("eth_chainId", []) == "0x7a69"
            await trio.sleep(0.02)


async def test_a_server_that_closes_after_each_answer_is_served_again() -> None:
    async with client_of(answering(response(OK, "200 OK", "Connection: close"))) as client:
        for _ in range(3):
            assert await client.call("eth_chainId", []) == "0x7a69"


async def test_an_error_inside_an_http_error_is_the_endpoints_answer() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"nope"}}'
    async with client_of(answering(response(body, "400 Bad Request"))) as client:
        with pytest.raises(RpcError, match="nope"):
            await client.call("eth_call", [])
        assert not client.closed.is_set()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(b"out of order", "503 Service Unavailable"), "HTTP status 503"),
        (response(b"moved", "301 Moved", "Location: http://elsewhere/"), "HTTP status 301"),
        (response(b"<html>"), "not JSON-RPC"),
        (response(b'"\xff\xfe"'), "not JSON-RPC"),
        (response(b'{"result": ' + b"[" * 100_000), "not JSON-RPC"),
        (response(b"[]"), "not JSON-RPC"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "no answer"),
    ],
)
async def test_any_other_answer_is_an_endpoint_that_is_down(answer: bytes, reason: str) -> None:
    async with client_of(answering(answer, then_close=True)) as client:
        with pytest.raises(EndpointDown, match=reason):
            await client.call("eth_chainId", [])
        assert client.closed.is_set()
        with pytest.raises(EndpointDown, match=reason):
            await client.call("eth_chainId", [])


async def test_a_server_that_hangs_up_without_a_word_is_down() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await request_of(stream)
        await stream.aclose()

    async with client_of(hang_up) as client:
        with pytest.raises(EndpointDown, match="cut"):
            await client.call("eth_chainId", [])


async def test_silence_is_an_endpoint_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "REQUEST_TIMEOUT_S", 0.2)
    async with client_of(answering()) as client:
        with pytest.raises(EndpointDown, match=r"no answer to eth_chainId within 0\.2 s"):
            await client.call("eth_chainId", [])


@pytest.mark.parametrize("steps", range(16))
async def test_a_client_given_up_in_the_middle_of_a_call_is_an_endpoint_that_is_down(
    steps: int,
) -> None:
    async with client_of(answering()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(_close_after, client, steps)
        with pytest.raises(EndpointDown, match="it answers slowly"):
            await client.call("eth_chainId", [])


async def _close_after(client: HttpClient, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    client.close("it answers slowly")


async def test_an_answer_above_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MESSAGE_SIZE_BYTES_MAX", 1000)
    async with client_of(answering(response(b'"' + b"x" * 2000 + b'"'))) as client:
        with pytest.raises(EndpointDown, match="above 1000 bytes"):
            await client.call("eth_chainId", [])


async def test_a_server_that_went_away_between_calls_is_down() -> None:
    async with trio.open_nursery() as nursery:
        async with tcp_endpoint(answering(response(OK), then_close=True)) as url:
            client = HttpClient(url + "/path?key=1")
            await nursery.start(client.run)
            await client.call("eth_chainId", [])
        with pytest.raises(EndpointDown, match="no connection"):
            await client.call("eth_chainId", [])
        assert client.closed.is_set()


async def test_a_port_nobody_listens_on_is_an_endpoint_that_is_down() -> None:
    async with tcp_endpoint(answering()) as url:
        pass
    client = HttpClient(url)
    async with trio.open_nursery() as nursery:
        with pytest.raises(EndpointDown, match="no connection"):
            await nursery.start(client.run)
    assert client.closed.is_set()


def test_the_url_chooses_the_client() -> None:
    assert isinstance(client_for("ws://127.0.0.1:1"), WebSocketClient)
    assert isinstance(client_for("https://h.example/x"), HttpClient)
    with pytest.raises(ValueError, match="chain endpoint"):
        client_for("ipc:///tmp/x")


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("Retry-After: 7", 7.0), ("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("X: 1", 0.0)],
)
async def test_a_server_that_has_enough_of_us_says_for_how_long(header: str, wait_s: float) -> None:
    refusal = response(b"slow down", "429 Too Many Requests", header)
    answers = [refusal, response(OK)]

    async def once_refusing(stream: trio.SocketStream) -> None:
        while await request_of(stream) is not None:
            await stream.send_all(answers.pop(0))

    async with client_of(once_refusing) as http:
        with pytest.raises(RpcError) as refused:
            await http.call("eth_chainId", [])
        assert refused.value.asks_to_wait
        assert refused.value.retry_after_s == wait_s
        assert await http.call("eth_chainId", []) == "0x7a69"
