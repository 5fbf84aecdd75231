"""Wires that take their time: whatever is sent through one arrives so much later, either way.

    python scripts/benchmarks/delay.py MILLISECONDS LISTEN_PORT:TARGET_PORT ...

A process of its own, so that it takes no time from whoever measures.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

HOST = "127.0.0.1"


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

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async for due_s, data in receive:
            await trio.sleep_until(due_s)
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
