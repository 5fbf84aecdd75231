"""Sockets by their shortest way: what the kernel takes at once, and what it gives when it can."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from node.sockets import receive, send_now, takes_now
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


async def test_bytes_are_received_when_they_come_and_the_end_is_empty() -> None:
    near, far = socket_stream_pair()
    got: list[bytes] = []

    async def read() -> None:
        while data := await receive(near, 4):
            got.append(data)

    async with near, trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        await far.send_all(b"at once")
        await wait_all_tasks_blocked()
        assert got == [b"at o", b"nce"]
        await far.aclose()


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    near, far = socket_stream_pair()
    async with near, far:
        with trio.move_on_after(0.01):
            await receive(near, 100)
        await far.send_all(b"later")
        with trio.move_on_after(0) as at_once:
            await receive(near, 100)
        assert at_once.cancelled_caught
        assert await receive(near, 100) == b"later"


async def test_a_socket_that_is_closed_or_reset_ends_its_reader() -> None:
    near, far = socket_stream_pair()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await receive(near, 100)

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        await near.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await receive(near, 100)
    await far.aclose()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    dialled = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
    async with listener, await listener.accept() as answered:
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await dialled.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await receive(answered, 100)


async def test_another_stream_is_read_as_it_allows() -> None:
    near, far = memory_stream_pair()
    await far.send_all(b"here")
    assert await receive(near, 100) == b"here"
