"""Wires that take their time: whatever is sent through one arrives so much later, either way.

    python scripts/benchmarks/delay.py MILLISECONDS LISTEN_PORT:TARGET_PORT ...

A process of its own, so that it takes no time from whoever measures.
"""

from __future__ import annotations

import ctypes
import math
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

HOST = "127.0.0.1"
_LIBC = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """A timer of the kernel's, timerfd_create(2): trio's own count in whole milliseconds and end up
    to one late, which on a way of six messages would be half of what is measured."""

    def __init__(self) -> None:
        self._descriptor = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK)
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())

    def __enter__(self) -> Alarm:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    async def wait(self, duration_s: float) -> None:
        """Return after so many seconds, at once if there are none."""
        if duration_s <= 0:
            return
        nanoseconds = max(int(duration_s * 1e9), 1)
        once = struct.pack("qqqq", 0, 0, *divmod(nanoseconds, 10**9))
        assert _LIBC.timerfd_settime(self._descriptor, 0, once, None) == 0
        await trio.lowlevel.wait_readable(self._descriptor)
        os.read(self._descriptor, 8)


@contextmanager
def delayed_wires(delay_ms: float, targets: Mapping[int, int]) -> Iterator[None]:
    """Run the process: by listening port, the port behind it. Ended on the way out."""
    pairs = [f"{listen}:{target}" for listen, target in targets.items()]
    command = [sys.executable, str(Path(__file__)), str(delay_ms), *pairs]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None, "stdout is a pipe"
            process.stdout.readline()
            yield
        finally:
            process.terminate()


async def carry(source: trio.SocketStream, sink: trio.SocketStream, delay_s: float) -> None:
    """Everything from one end to the other, later; half-closes when the source does."""
    send, receive = trio.open_memory_channel[tuple[float, bytes]](math.inf)

    async def read() -> None:
        async with send:
            async for data in source:
                await send.send((trio.current_time() + delay_s, bytes(data)))

    with Alarm() as alarm:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            async for due_s, data in receive:
                await alarm.wait(due_s - trio.current_time())
                await sink.send_all(data)
    await sink.send_eof()


async def _serve(stream: trio.SocketStream, *, port: int, delay_s: float) -> None:
    try:
        async with (
            stream,
            await trio.open_tcp_stream(HOST, port) as behind,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(carry, stream, behind, delay_s)
            nursery.start_soon(carry, behind, stream, delay_s)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ExceptionGroup):
        return  # The node is not up yet, or went away: its peer dials again.


async def serve(delay_s: float, targets: Mapping[int, int]) -> None:
    """All wires, until cancelled; one line on stdout says that they listen."""
    async with trio.open_nursery() as nursery:
        for listen, target in targets.items():
            handler = partial(_serve, port=target, delay_s=delay_s)
            await nursery.start(partial(trio.serve_tcp, handler, listen, host=HOST))
        sys.stdout.write("ready\n")
        sys.stdout.flush()


if __name__ == "__main__":
    wires = {int(a): int(b) for a, _, b in (pair.partition(":") for pair in sys.argv[2:])}
    trio.run(serve, float(sys.argv[1]) / 1e3, wires)
