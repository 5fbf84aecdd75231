"""HTTP at the owner's door: what is served, what is refused, and that refusals are always told."""

from __future__ import annotations

import json

import pytest
import trio

from node.rpc import http
from node.rpc.bounds import HEAD_SIZE_BYTES_MAX, REQUEST_SIZE_BYTES_MAX
from tests.support.rpc_callers import HttpCaller, checked_error, post, request, send_raw
from tests.support.rpc_node import TOKEN, RecordingNode, serve

STATUS = request("node_status")


async def test_a_call_is_answered_as_json(nursery: trio.Nursery) -> None:
    reply = await post(await serve(nursery, RecordingNode()), STATUS)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["id"] == 1
    assert reply.json["result"]["next_seq"] == 1


async def test_one_connection_serves_many_calls(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    async with await HttpCaller.connect(endpoint) as caller:
        for number in range(5):
            reply = await caller.post(request("node_status", request_id=number))
            assert reply.json["id"] == number


async def test_calls_sent_ahead_are_answered_in_order(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    bodies = [json.dumps(request("node_status", request_id=n)).encode() for n in range(3)]
    ends = [b"", b"", b"Connection: close\r\n"]
    heads = [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
        % (TOKEN.encode(), end, len(body))
        for body, end in zip(bodies, ends, strict=True)
    ]
    received = await send_raw(
        endpoint, b"".join(head + body for head, body in zip(heads, bodies, strict=True)), False
    )
    places = [received.index(b'"id":%d' % n) for n in range(3)]
    assert places == sorted(places)


async def test_a_notification_is_carried_out_and_not_answered(nursery: trio.Nursery) -> None:
    reply = await post(await serve(nursery, RecordingNode()), {"jsonrpc": "2.0", "method": "x"})
    assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({"authorization": None}, 401, "UNAUTHORIZED"),
        ({"authorization": "Bearer wrong"}, 401, "UNAUTHORIZED"),
        ({"authorization": f"Basic {TOKEN}"}, 401, "UNAUTHORIZED"),
        ({"host": "attacker.example"}, 403, "HOST_REFUSED"),
        ({"origin": "https://attacker.example"}, 403, "ORIGIN_REFUSED"),
        ({"origin": "null"}, 403, "ORIGIN_REFUSED"),
        ({"target": "/metrics"}, 404, "HTTP_REFUSED"),
        ({"method": "GET"}, 405, "HTTP_REFUSED"),
        ({"method": "DELETE"}, 405, "HTTP_REFUSED"),
        ({"content_type": None}, 415, "HTTP_REFUSED"),
        ({"content_type": "text/plain"}, 415, "HTTP_REFUSED"),
        ({"content_length": str(REQUEST_SIZE_BYTES_MAX + 1)}, 413, "REQUEST_TOO_LARGE"),
        ({"content_length": "-5"}, 400, "HTTP_REFUSED"),
        ({"content_length": ["52", "53"]}, 400, "HTTP_REFUSED"),
        ({"host": None}, 400, "HTTP_REFUSED"),
        ({"authorization": [f"Bearer {TOKEN}", f"Bearer {TOKEN}"]}, 400, "HTTP_REFUSED"),
        ({"padding": "x" * 4 * HEAD_SIZE_BYTES_MAX}, 413, "REQUEST_TOO_LARGE"),
    ],
)
async def test_what_is_no_call_of_the_owner_is_refused_by_name(
    nursery: trio.Nursery, headers: dict[str, str | None], status: int, name: str
) -> None:
    node = RecordingNode()
    endpoint = await serve(nursery, node)
    reply = await post(endpoint, STATUS, **headers)
    assert (reply.status, reply.error["data"]["name"]) == (status, name)
    assert reply.json["id"] is None
    assert reply.headers["connection"] == "close"
    assert (await post(endpoint, STATUS)).status == 200


async def test_refusals_carry_the_headers_their_status_asks_for(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    unauthorized = await post(endpoint, STATUS, authorization=None)
    assert unauthorized.headers["www-authenticate"] == "Bearer"
    assert (await post(endpoint, STATUS, method="PUT")).headers["allow"] == "POST"


async def test_an_allowed_origin_may_call(nursery: trio.Nursery) -> None:
    page = "https://wallet.example"
    endpoint = await serve(nursery, RecordingNode(), [page])
    assert (await post(endpoint, STATUS, origin=page)).status == 200


async def test_a_body_may_come_in_chunks_but_not_without_end(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    head = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json; charset=utf-8\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" % TOKEN.encode()
    )
    body = json.dumps(STATUS).encode()
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert b'"result"' in await send_raw(endpoint, head + chunks, False)
    endless = b"10000\r\n%b\r\n" % (b" " * 65_536)
    refused = await send_raw(endpoint, head + endless * 20, False)
    assert refused.startswith(b"HTTP/1.1 413")


async def test_a_caller_that_waits_for_leave_to_send_gets_it(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    body = json.dumps(STATUS).encode()
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
        await stream.send_all(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % (TOKEN.encode(), len(body))
        )
        assert (await stream.receive_some(100)).startswith(b"HTTP/1.1 100")
        await stream.send_all(body)
        assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HELLO\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 100_000,
    ],
)
async def test_what_is_no_http_is_told_so(nursery: trio.Nursery, data: bytes) -> None:
    endpoint = await serve(nursery, RecordingNode())
    received = await send_raw(endpoint, data)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert checked_error(json.loads(body))["code"] in (-32004, -32006)


async def test_a_caller_that_ends_inside_a_request_harms_nobody(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    for data in (b"", b"\r\n", b"POST / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\n"):
        await send_raw(endpoint, data)
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost:")
    assert (await post(endpoint, STATUS)).status == 200


async def test_a_request_that_never_ends_is_timed_out(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "REQUEST_TIMEOUT_S", 0.1)
    endpoint = await serve(nursery, RecordingNode())
    received = await send_raw(endpoint, b"POST / HTTP/1.1\r\nHost: localhost\r\n", False)
    assert received.startswith(b"HTTP/1.1 408")
    assert b"REQUEST_TIMED_OUT" in received


async def test_a_silent_connection_is_closed(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "KEEP_ALIVE_TIMEOUT_S", 0.1)
    endpoint = await serve(nursery, RecordingNode())
    with monkeypatch.context() as impatient:
        impatient.setattr(http, "REQUEST_TIMEOUT_S", 0.1)
        assert await send_raw(endpoint, b"", False) == b""
    async with await HttpCaller.connect(endpoint) as caller:
        await caller.post(STATUS)
        with trio.fail_after(30):
            assert await caller.stream.receive_some(1) == b""


async def test_a_caller_that_reads_nothing_is_cut_off_and_others_are_served(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SEND_TIMEOUT_S", 0.2)
    node = RecordingNode()
    endpoint = await serve(nursery, node)
    batch = json.dumps([request("rpc.discover")] * 50).encode()
    one = (
        b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (TOKEN.encode(), len(batch), batch)
    )
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:

        async def send_without_reading() -> None:
            while True:
                await stream.send_all(one)
                assert (await post(endpoint, STATUS)).status == 200

        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await send_without_reading()


async def test_an_answer_that_does_not_come_is_refused_in_time(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.rpc.dispatch.ANSWER_TIMEOUT_S", 0.1)
    node = RecordingNode()
    node.hold()
    endpoint = await serve(nursery, node)
    close = request("channel_close", {"channel_id": "0x" + "ab" * 32}, 5)
    single = await post(endpoint, close)
    assert (single.json["id"], single.error["data"]["name"]) == (5, "ANSWER_TIMED_OUT")
    both = await post(endpoint, [request("node_status", request_id=4), close])
    assert both.json[0]["result"]["next_seq"] == 1
    assert checked_error(both.json[1])["data"]["name"] == "ANSWER_TIMED_OUT"
    node.release()
