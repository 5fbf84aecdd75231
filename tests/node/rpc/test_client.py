"""The WebSocket client: many calls in flight, shared by tasks, and clear when the node is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio_websocket import (  # an implementation of the protocol that is not ours
    ConnectionClosed,
    WebSocketConnection,
    serve_websocket,
)

from node.rpc.client import RpcClient, RpcEndpoint, RpcError, RpcUnreachable
from tests.support.rpc_callers import until
from tests.support.rpc_node import RecordingNode, open_payment_channel, serve

Behaviour = Callable[[WebSocketConnection], Awaitable[None]]


async def serve_other(nursery: trio.Nursery, behaviour: Behaviour) -> RpcEndpoint:
    """A WebSocket server that is no node, or a broken one."""

    async def handle(request: Any) -> None:
        socket = await request.accept()
        try:
            await behaviour(socket)
        except ConnectionClosed:
            pass  # the client left, as it may

    server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
    return RpcEndpoint("127.0.0.1", server.port, "t")


async def test_answers_come_in_the_order_of_the_calls_and_refusals_among_them(
    nursery: trio.Nursery,
) -> None:
    node = RecordingNode()
    channel_id = "0x" + open_payment_channel(node).hex()
    heard: list[int] = []
    async with await RpcClient.connect(await serve(nursery, node)) as client:
        calls = [
            ("payment_send", {"channel_id": channel_id, "amount": str(amount)})
            for amount in (1, 0, 2)
        ]
        answers = await client.call_many(
            calls, in_flight_max=2, on_answer=lambda index, _: heard.append(index)
        )
    assert [answers[0]["total"], answers[2]["total"]] == ["1", "3"]
    assert isinstance(answers[1], RpcError)
    assert answers[1].name == "AMOUNT_NOT_POSITIVE"
    assert sorted(heard) == [0, 1, 2]


async def test_no_more_calls_are_in_flight_than_asked_for(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    node.hold()
    channel_id = "0x" + open_payment_channel(node).hex()
    client = await RpcClient.connect(await serve(nursery, node))
    payment = ("payment_send", {"channel_id": channel_id, "amount": "1"})

    async def pay() -> None:
        await client.call_many([payment] * 20, in_flight_max=7)
        await client.aclose()

    nursery.start_soon(pay)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(node.commands) == 7
    node.release()
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(node.commands) == 20


async def test_no_calls_at_all_are_answered_at_once(nursery: trio.Nursery) -> None:
    async with await RpcClient.connect(await serve(nursery, RecordingNode())) as client:
        assert await client.call_many([]) == []


async def test_tasks_share_one_connection(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    answered = []
    async with await RpcClient.connect(endpoint) as client, trio.open_nursery() as tasks:

        async def ask() -> None:
            answered.append(await client.call("node_status"))

        for _ in range(50):
            tasks.start_soon(ask)
    assert len(answered) == 50


async def test_a_cancelled_call_leaves_the_others_their_answers(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    node.hold()
    channel_id = "0x" + open_payment_channel(node).hex()
    async with await RpcClient.connect(await serve(nursery, node)) as client:
        async with trio.open_nursery() as impatient:
            impatient.start_soon(
                partial(client.call, "payment_send", channel_id=channel_id, amount="1")
            )
            await until(lambda: node.commands)
            impatient.cancel_scope.cancel()
        node.release()
        paid = await client.call("payment_send", channel_id=channel_id, amount="2")
        assert paid["total"] == "3"


async def test_a_refusal_is_raised_by_a_single_call(nursery: trio.Nursery) -> None:
    async with await RpcClient.connect(await serve(nursery, RecordingNode())) as client:
        with pytest.raises(RpcError, match="no method nothing"):
            await client.call("nothing")


async def test_a_wrong_token_is_told_in_the_nodes_words(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    with pytest.raises(RpcUnreachable, match="not this node's"):
        await RpcClient.connect(RpcEndpoint(endpoint.host, endpoint.port, "wrong"))


async def test_nobody_at_the_port_is_unreachable() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(RpcUnreachable, match="no answer from"):
        await RpcClient.connect(RpcEndpoint("127.0.0.1", port, "t"))


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
        b"220 mail.example ESMTP\r\n",
        b"",
    ],
)
async def test_somebody_else_at_the_port_is_no_node(nursery: trio.Nursery, response: bytes) -> None:
    async def other_server(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(response)
        await stream.aclose()

    listeners = await nursery.start(trio.serve_tcp, other_server, 0)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(30), pytest.raises(RpcUnreachable):
        await RpcClient.connect(RpcEndpoint("127.0.0.1", port, "t"))


async def test_a_node_that_goes_away_ends_every_call(nursery: trio.Nursery) -> None:
    async def take_and_leave(socket: WebSocketConnection) -> None:
        await socket.get_message()
        await socket.aclose()

    endpoint = await serve_other(nursery, take_and_leave)
    async with await RpcClient.connect(endpoint) as client:
        with pytest.raises(RpcUnreachable, match="closed the connection"):
            await client.call("node_status")
        with pytest.raises(RpcUnreachable):
            await client.call("node_status")


@pytest.mark.parametrize(
    "text",
    ["hello", "[]", '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what"}}'],
)
async def test_an_answer_that_makes_no_sense_ends_the_connection(
    nursery: trio.Nursery, text: str
) -> None:
    async def babble(socket: WebSocketConnection) -> None:
        await socket.get_message()
        await socket.send_message(text)
        await socket.get_message()

    endpoint = await serve_other(nursery, babble)
    async with await RpcClient.connect(endpoint) as client:
        with pytest.raises(RpcUnreachable):
            await client.call("node_status")


async def test_pings_fragments_and_strangers_answers_are_taken_in_stride(
    nursery: trio.Nursery,
) -> None:
    async def ping_first(socket: WebSocketConnection) -> None:
        await socket.get_message()
        with trio.fail_after(30):
            await socket.ping(b"there?")
        await socket.send_message('{"jsonrpc":"2.0","id":99,"result":"nobody asked"}')
        await socket.send_message('{"jsonrpc":"2.0","id":1,"result":"%s"}' % ("x" * 300_000))
        await socket.get_message()

    endpoint = await serve_other(nursery, ping_first)
    async with await RpcClient.connect(endpoint) as client:
        assert len(await client.call("anything")) == 300_000


async def test_a_client_may_be_closed_twice(nursery: trio.Nursery) -> None:
    client = await RpcClient.connect(await serve(nursery, RecordingNode()))
    await client.aclose()
    await client.aclose()
    with pytest.raises(RpcUnreachable, match="closed"):
        await client.call("node_status")


async def test_a_client_whose_task_is_cancelled_leaves_no_socket_open(
    nursery: trio.Nursery,
) -> None:
    node = RecordingNode()
    endpoint = await serve(nursery, node)
    node.hold()
    clients = []

    async def call() -> None:
        async with await RpcClient.connect(endpoint) as client:
            clients.append(client)
            channel_id = "0x" + bytes(32).hex()
            await client.call("payment_send", channel_id=channel_id, amount="1")

    async with trio.open_nursery() as calling:
        calling.start_soon(call)
        await until(lambda: node.commands)
        calling.cancel_scope.cancel()
    with pytest.raises(trio.ClosedResourceError):
        await clients[0]._stream.send_all(b"anything")


async def test_an_interrupted_send_ends_the_connection(nursery: trio.Nursery) -> None:
    async def read_nothing(socket: WebSocketConnection) -> None:
        await trio.sleep_forever()

    endpoint = await serve_other(nursery, read_nothing)
    client = await RpcClient.connect(endpoint)
    calls = [("m", {"x": "y" * 1_000_000})] * 20
    async with trio.open_nursery() as sending:
        sending.start_soon(partial(client.call_many, calls, in_flight_max=20))
        await until(client._send_lock.locked)
        # Nobody reads: what the sockets take is taken, then the sender stands still.
        await trio.testing.wait_all_tasks_blocked(0.05)
        sending.cancel_scope.cancel()
    with pytest.raises(RpcUnreachable, match="interrupted"):
        await client.call("node_status")
    await client.aclose()
    nursery.cancel_scope.cancel()
