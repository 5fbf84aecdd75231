"""The port: whatever comes in, it answers in form and goes on serving."""

from __future__ import annotations

import json

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.rpc import server
from node.rpc.call import RpcEndpoint, call_once
from node.rpc.client import RpcClient
from node.rpc.server import RpcServer
from tests.support.rpc_callers import HttpCaller, checked_error, post, request, send_raw
from tests.support.rpc_node import TOKEN, RecordingNode, serve

STATUS = request("node_status")
FUZZ = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HEAD = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
    b"Content-Type: application/json\r\nContent-Length: " % TOKEN.encode()
)


def responses(received: bytes) -> list[bytes]:
    """The bodies of what came back; every one of them is a JSON-RPC answer or empty."""
    bodies = []
    while received:
        head, found, received = received.partition(b"\r\n\r\n")
        assert found, received
        assert head.startswith(b"HTTP/1.1 ")
        lines = head.lower().split(b"\r\n")
        sizes = [int(line[16:]) for line in lines if line.startswith(b"content-length: ")]
        (size,) = sizes or [0]
        bodies.append(received[:size])
        received = received[size:]
    return bodies


@pytest.mark.slow
@FUZZ
@given(data=st.binary(max_size=2_000))
async def test_any_bytes_are_answered_in_form_or_not_at_all(data: bytes) -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await serve(nursery, RecordingNode())
        for body in responses(await send_raw(endpoint, data)):
            checked_error(json.loads(body))
        assert (await post(endpoint, STATUS)).status == 200
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@FUZZ
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
async def test_any_body_of_the_owner_gets_one_well_formed_refusal(data: bytes) -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await serve(nursery, RecordingNode())
        whole = HEAD + b"%d\r\nConnection: close\r\n\r\n" % len(data) + data
        (body,) = responses(await send_raw(endpoint, whole, False))
        assert checked_error(json.loads(body))["code"] in (-32700, -32600)
        nursery.cancel_scope.cancel()


async def test_http_and_websocket_share_one_port(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    over_http = await trio.to_thread.run_sync(call_once, endpoint, "node_status")
    async with await RpcClient.connect(endpoint) as client:
        assert await client.call("node_status") == over_http


async def test_a_taken_port_is_an_error_at_the_start(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    second = RpcServer(RecordingNode(), TOKEN, (endpoint.host, endpoint.port))
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as inner:
            await inner.start(second.run)
    assert caught.group_contains(OSError)


async def test_one_connection_too_many_is_told_so(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTION_COUNT_MAX", 2)
    endpoint = await serve(nursery, RecordingNode())
    async with (
        await HttpCaller.connect(endpoint) as first,
        await HttpCaller.connect(endpoint) as second,
    ):
        assert (await first.post(STATUS)).status == 200
        assert (await second.post(STATUS)).status == 200
        third = await post(endpoint, STATUS)
        assert (third.status, third.error["data"]["name"]) == (503, "TOO_MANY_CONNECTIONS")
        assert third.error["data"]["retry_safe"]
    await trio.testing.wait_all_tasks_blocked()
    assert (await post(endpoint, STATUS)).status == 200


async def test_a_hundred_callers_at_once_are_all_served(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    replies = []

    async def call(number: int) -> None:
        replies.append((await post(endpoint, request("node_status", request_id=number))).json)

    async with trio.open_nursery() as callers:
        for number in range(100):
            callers.start_soon(call, number)
    assert sorted(reply["id"] for reply in replies) == list(range(100))


async def test_a_port_of_its_own_is_given_when_asked_for_none(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    assert isinstance(endpoint, RpcEndpoint)
    assert endpoint.port > 0
