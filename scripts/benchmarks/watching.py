"""What a node that only watches costs: the real daemon, many funded channels, a block a second.

The log is made without a chain, as for restarts; nobody calls and no peer is there. Processor time
is counted, so that what else runs on the machine hardly shows.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from node.cli.demo_nodes import make_nodes
from node.deployment import chain_call
from node.devnet import Devnet
from scripts.benchmarks.machine import process_cpu_s

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class WatchingPlan:
    """What is watched, and for how long."""

    channels: int = 1_000
    settle_s: float = 5.0
    """After the start, for what a start leaves to do."""
    watch_s: float = 20.0
    block_time_s: int = 1


def measure_watching(workspace: Path, plan: WatchingPlan) -> tuple[float, float]:
    """Percent of a core that the idle node takes, and the blocks that it saw meanwhile."""
    with Devnet() as chain:
        (node,) = make_nodes(workspace, chain.deployment, ("alice",))
        try:
            node.start()  # Its first record says whose log it is.
            node.stop()
            filler = "scripts.benchmarks.many_channels"
            counts = (str(plan.channels), "0", "0")
            command = [sys.executable, "-m", filler, str(node.log_path), *counts]
            subprocess.run(command, cwd=ROOT, check=False)
            node.start()
            open_count = node.call("node_status")["channels"]["open"]
            assert open_count == plan.channels, f"{open_count} channels are open"
            chain_call(chain.url, "evm_setIntervalMining", plan.block_time_s)
            time.sleep(plan.settle_s)
            first_num = _head_num(chain)
            begun_s, begun_cpu_s = time.perf_counter(), process_cpu_s(node.child.process_id)
            time.sleep(plan.watch_s)
            cpu_s = process_cpu_s(node.child.process_id) - begun_cpu_s
            seconds = time.perf_counter() - begun_s
            seen = node.call("node_status")["chain"]["head_block_num"]
            assert seen > first_num, "the node follows the chain"
            return 100 * cpu_s / seconds, float(seen - first_num)
        finally:
            node.end()


def _head_num(chain: Devnet) -> int:
    return int(chain_call(chain.url, "eth_blockNumber"), 16)
