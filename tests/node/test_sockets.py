"""Writing to a socket without waiting: what the kernel takes, and what it does not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair

from node.sockets import send_now, takes_now
from tests.support.streams import socket_stream_pair


async def test_a_socket_takes_bytes_at_once() -> None:
    near, far = socket_stream_pair()
    async with near, far:
        assert takes_now(near)
        assert send_now(near, b"at once") == 7
        assert await far.receive_some(100) == b"at once"


async def test_a_full_socket_takes_a_part_and_then_nothing() -> None:
    near, far = socket_stream_pair()
    async with near, far:
        data = bytes(16_000_000)
        assert 0 < send_now(near, data) < len(data)
        assert send_now(near, b"more") == 0


async def test_a_connection_that_is_gone_is_an_error() -> None:
    near, far = socket_stream_pair()
    await far.aclose()
    with pytest.raises(OSError, match="pipe"):
        send_now(near, b"anybody?")
    await near.aclose()
    with pytest.raises(OSError, match="descriptor"):
        send_now(near, b"anybody?")


async def test_another_stream_takes_nothing_at_once() -> None:
    near, _ = memory_stream_pair()
    assert not takes_now(near)
    assert send_now(near, b"later") == 0
    with trio.fail_after(30):
        await near.send_all(b"later")
