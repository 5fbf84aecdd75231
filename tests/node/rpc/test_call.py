"""One call over HTTP: the result, the node's refusal, or no answer."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio

from node.rpc.call import (
    RpcEndpoint,
    RpcError,
    RpcUnreachable,
    call_once,
    decode_answer,
    encode_request,
)
from tests.support.rpc_node import RecordingNode, open_payment_channel, serve


async def call(endpoint: RpcEndpoint, method: str, **params: object) -> object:
    return await trio.to_thread.run_sync(lambda: call_once(endpoint, method, **params))


async def test_a_call_returns_its_result(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    channel_id = "0x" + open_payment_channel(node).hex()
    endpoint = await serve(nursery, node)
    paid = await call(endpoint, "payment_send", channel_id=channel_id, amount="3")
    assert isinstance(paid, dict)
    assert paid["total"] == "3"


async def test_a_refusal_is_raised_with_all_that_the_node_said(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    with pytest.raises(RpcError, match="no channel") as refused:
        await call(endpoint, "channel_get", channel_id="0x" + "ab" * 32)
    assert refused.value.code == 1101
    assert refused.value.name == "UNKNOWN_CHANNEL"
    assert refused.value.values == {"channel_id": "0x" + "ab" * 32}
    assert refused.value.retry_safe is False
    assert refused.value.next_step == "list the channels"


async def test_a_wrong_token_is_a_refusal_like_any_other(nursery: trio.Nursery) -> None:
    endpoint = await serve(nursery, RecordingNode())
    with pytest.raises(RpcError) as refused:
        await call(RpcEndpoint(endpoint.host, endpoint.port, "wrong"), "node_status")
    assert refused.value.name == "UNAUTHORIZED"


async def test_nobody_at_the_port_is_told_apart_from_a_refusal(nursery: trio.Nursery) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(RpcUnreachable, match="no answer from 127.0.0.1"):
        await call(RpcEndpoint("127.0.0.1", port, "t"), "node_status")


async def test_somebody_else_at_the_port_is_no_node(nursery: trio.Nursery) -> None:
    async def other_server(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        body = b"<html>hello</html>"
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await stream.aclose()

    listeners = await nursery.start(trio.serve_tcp, other_server, 0)
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(RpcUnreachable, match="is no node"):
        await call(RpcEndpoint("127.0.0.1", port, "t"), "node_status")


async def test_a_node_that_does_not_answer_in_time_is_unreachable(nursery: trio.Nursery) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    listeners = await nursery.start(trio.serve_tcp, silent, 0)
    endpoint = RpcEndpoint("127.0.0.1", listeners[0].socket.getsockname()[1], "t")
    with pytest.raises(RpcUnreachable):
        await trio.to_thread.run_sync(lambda: call_once(endpoint, "node_status", timeout_s=0.1))
    nursery.cancel_scope.cancel()


def test_an_error_without_data_is_still_an_error() -> None:
    value = decode_answer('{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}').value()
    assert isinstance(value, RpcError)
    assert (value.code, value.name, value.retry_safe) == (-1, "UNKNOWN", False)


def test_the_envelope_is_json_rpc_2() -> None:
    assert encode_request(3, "m", {"a": "1"}) == (
        b'{"jsonrpc":"2.0","id":3,"method":"m","params":{"a":"1"}}'
    )


def test_a_command_that_calls_once_loads_neither_trio_nor_the_chain_libraries() -> None:
    program = "import sys, node.rpc.call; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"trio", "wsproto", "web3", "eth_account", "eth_abi", "coincurve"}
