"""What a live virtual channel costs its hub in resident memory, as the system sees the process.

The hub's store fills memtables of 16 MiB and empties them again, and its caches fill once; a
channel that waits meanwhile would be charged for them. So they are filled first, and the daemons'
allocator gives nothing back: from then on the process grows by what stays. Where the store empties
its memtables or merges its tables meanwhile, its buffers grow once; so the middle of several groups
counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import trio

from node.cli.demo_nodes import names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.rpc.client import RpcClient
from scripts.benchmarks.machine import resident_size_bytes
from scripts.benchmarks.paths import PathBench, PathPlan

PAYMENT_CHUNK_COUNT = 50_000
"""Payments between two looks at whether all arrived."""

RETENTION = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
"""Settings of glibc's allocator under which what was freed is used again, never given back."""


@dataclass(frozen=True)
class MemoryPlan:
    """How much comes before, and over how many channels the growth is spread."""

    warm_up_payments: int = 600_000
    """To the hub, with shared vouchers: their records fill the memtables more than once."""
    warm_up_channels: int = 1_000
    channels: int = 400
    """In each of the groups that are opened one after the other."""
    groups: int = 5


def hub_bytes_per_channel(workspace: Path, plan: MemoryPlan) -> float:
    """Bytes of a hub's resident memory for each live channel. Linux with glibc only.

    Raises `CommandFailed` or `RpcError`.
    """
    with demo_progress(True) as quiet, _allocator_that_keeps():
        names = names_on_path(1)
        with running_path(workspace, quiet, names) as (_, nodes):
            return trio.run(partial(_measure, PathBench(nodes, PathPlan()), plan))


async def _measure(bench: PathBench, plan: MemoryPlan) -> float:
    hub_id = bench.hub.child.process_id
    async with await RpcClient.connect(bench.alice.endpoint) as bench.client:
        live = plan.warm_up_channels + plan.groups * plan.channels
        await bench.open_path(math.ceil(live / 100))
        await bench.open_virtual(plan.warm_up_channels)
        to_hub = [await bench.open_direct(bench.hub)]
        for paid in range(0, plan.warm_up_payments, PAYMENT_CHUNK_COUNT):
            count = min(PAYMENT_CHUNK_COUNT, plan.warm_up_payments - paid)
            await bench.pay(to_hub, count, shared=True)
        sizes = [resident_size_bytes(hub_id)]
        for _ in range(plan.groups):
            await bench.open_virtual(plan.channels)
            sizes.append(resident_size_bytes(hub_id))
        return median((after - before) / plan.channels for before, after in pairwise(sizes))


@contextmanager
def _allocator_that_keeps() -> Iterator[None]:
    """Processes started inside have those settings; this one is not touched."""
    before = {name: os.environ.get(name) for name in RETENTION}
    os.environ.update(RETENTION)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
