"""Write to a socket at once, from code that may not wait.

A task that is woken to send a few bytes costs as much as sending them. So what is ready to leave
is offered to the kernel where it became ready, and only what the kernel does not take is left to a
task that waits. Only while no such task is in the middle of a write: the caller sees to that.
"""

from __future__ import annotations

import os

import trio


def takes_now(stream: trio.abc.Stream) -> bool:
    """Whether bytes can be offered to `stream` without waiting: it is a socket."""
    return isinstance(stream, trio.SocketStream)


def send_now(stream: trio.abc.Stream, data: bytes) -> int:
    """Offer `data` to the kernel; how many bytes of it were taken, 0 if none.

    OSError if the connection is gone.
    """
    if not isinstance(stream, trio.SocketStream):
        return 0
    try:
        return os.write(stream.socket.fileno(), data)
    except BlockingIOError:
        return 0
