"""How long a start takes with very many channels, and what it holds: the real daemon on a real log.

The log is made without a chain, and its node ends as a power cut ends it: what was not flushed of
its snapshots is lost. The clock runs from the command to the answer about a random channel.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from node.cli.demo_nodes import make_nodes
from node.cli.local_node import LocalNode
from node.devnet import Devnet
from node.store.log import EventLog
from protocols import events
from protocols.types import to_hex
from scripts.benchmarks.machine import resident_size_bytes
from scripts.benchmarks.many_channels import channel_id_of

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class RestartPlan:
    """What stands in the logs."""

    channels: int = 100_000
    touched: int = 1_000
    """Channels that changed after the snapshot."""
    history_channels: int = 1_000
    short_vouchers: int = 100
    """In each of those, so that the memtables were full once; and in the other log:"""
    long_vouchers: int = 500


@dataclass(frozen=True)
class Restarted:
    """One start."""

    seconds: float
    resident_bytes: int
    record_count: int


def measure_restart(
    workspace: Path, plan: RestartPlan
) -> tuple[dict[str, float], dict[str, float]]:
    """The figures of the aims, and further ones. Raises `CommandFailed` or `RpcError`."""
    with Devnet() as chain:
        many = _restarted(workspace / "many", chain, plan.channels, 1, plan.touched)
        few = plan.history_channels
        short = _restarted(workspace / "short", chain, few, plan.short_vouchers, few // 100)
        long = _restarted(workspace / "long", chain, few, plan.long_vouchers, few // 100)
    figures = {
        "restart_s": many.seconds,
        "restart_mb": many.resident_bytes / 1e6,
        "memory_over_history": long.resident_bytes / short.resident_bytes,
    }
    details = {
        "restart_records": float(many.record_count),
        "short_history_mb": short.resident_bytes / 1e6,
        "long_history_mb": long.resident_bytes / 1e6,
        "short_history_restart_s": short.seconds,
        "long_history_restart_s": long.seconds,
    }
    return figures, details


def _restarted(
    workspace: Path, chain: Devnet, channels: int, vouchers: int, touched: int
) -> Restarted:
    workspace.mkdir()
    (node,) = make_nodes(workspace, chain.deployment, ("alice",))
    try:
        node.start()  # Its first record says whose log it is.
        node.stop()
        counts = map(str, (channels, vouchers, touched))
        subprocess.run(
            [sys.executable, "-m", "scripts.benchmarks.many_channels", str(node.log_path), *counts],
            cwd=ROOT,
            check=False,
        )
        asked, record_count = _random_channel(node, channels)
        begun = time.perf_counter()
        node.start()
        view = node.call("channel_get", channel_id=asked)
        seconds = time.perf_counter() - begun
        assert view["channel_id"] == asked, "it is the one that was asked for"
        assert view["status"] == "open", "as it was"
        return Restarted(seconds, resident_size_bytes(node.child.process_id), record_count)
    finally:
        node.end()


def _random_channel(node: LocalNode, channels: int) -> tuple[str, int]:
    """A channel to ask for, and the number of records; the files are in the machine's cache then,
    as they are after a crash of the process."""
    log = EventLog.open(node.log_path, read_only=True)
    try:
        created = next(log.read(0, 1)).event()
        assert isinstance(created, events.NodeCreated)
        number = random.randrange(channels)
        return to_hex(channel_id_of(number, created)), log.next_seq
    finally:
        log.close()
