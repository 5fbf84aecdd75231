"""Streams for tests that need the kernel in between."""

from __future__ import annotations

import trio


def socket_stream_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection inside this process."""
    near, far = trio.socket.socketpair()
    return trio.SocketStream(near), trio.SocketStream(far)
