"""Real daemons on a real chain, for end-to-end tests and benchmarks.

`running_network` gives a chain with alice and bob as processes, each with its own directory; both
know each other and accept what the other proposes. Everything ends with the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.cli.demo_run import (
    close_channel,
    make_nodes,
    open_channel,
    wait_until,
)
from node.cli.local_node import LocalNode
from node.deployment import balance_wei
from node.devnet import Devnet

__all__ = ["LocalNode", "Network", "close_channel", "open_channel", "running_network", "wait_until"]


@dataclass(frozen=True)
class Network:
    """A chain and two nodes."""

    chain: Devnet
    alice: LocalNode
    bob: LocalNode

    @property
    def nodes(self) -> tuple[LocalNode, LocalNode]:
        """Alice, the payer, and bob."""
        return self.alice, self.bob

    def balances(self) -> tuple[int, int]:
        """What alice and bob hold on chain, wei."""
        alice, bob = (balance_wei(self.chain.url, node.address) for node in self.nodes)
        return alice, bob

    def channel(self, node: LocalNode, channel_id: str) -> dict[str, Any]:
        """The channel as that node shows it."""
        view: dict[str, Any] = node.call("channel_get", channel_id=channel_id)
        return view


@contextmanager
def running_network(
    workspace: Path, *, fault_points: bool = False, views: bool = False
) -> Iterator[Network]:
    """Alice and bob, ready, each with 1,000 ETH; `fault_points` lets TALLY_FAULT arm them, `views`
    has each keep its views."""
    with Devnet() as chain:
        alice, bob = make_nodes(workspace, chain.deployment, fault_points=fault_points)
        try:
            for node in (alice, bob):
                node.launch(TALLY_VIEWS_ENABLED=str(views).lower())
            for node in (alice, bob):
                node.wait_until_ready()
            yield Network(chain, alice, bob)
        finally:
            for node in (alice, bob):
                node.end()
