"""Sockets by their shortest way: write at once from code that may not wait, read when there is
something.

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


async def receive(stream: trio.abc.Stream, size: int) -> bytes:
    """The next bytes, `size` at most; empty at the end of the stream.

    Like `receive_some`, for a reader that waits nearly always: it does not look first whether bytes
    are there already. Keep `size` at 64 KiB or below: above, the allocator asks the kernel for
    fresh pages for every read, which takes ten times as long as the read. Raises what
    `receive_some` raises.
    """
    if not isinstance(stream, trio.SocketStream):
        return bytes(await stream.receive_some(size))
    descriptor = stream.socket.fileno()
    if descriptor < 0:
        raise trio.ClosedResourceError("this socket was closed already")
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            continue  # woken for nothing, as the kernel may
        except OSError as error:
            raise trio.BrokenResourceError(f"socket connection broken: {error}") from error
