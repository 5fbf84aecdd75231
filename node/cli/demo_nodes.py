"""The nodes of a demo: made, started, waited for and ended, whatever happens.

It uses nothing but what every user has: the command line's node directories, the daemons as
processes, and their JSON-RPC interface.
"""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.cli.node_dir import NodeDirPlan, make_node_dir
from node.deployment import Deployment, fund, fund_token
from node.devnet import Devnet
from node.keys import SCRYPT_N_WEAK, write_private
from node.processes import free_ports
from node.rpc.call import RpcError

STEP_TIMEOUT_S = 120.0
"""Opening or closing takes about a second on an idle machine."""
POLL_INTERVAL_S = 0.05
NAMES = ("alice", "bob")
HUB = "hub"
"""How the name of a node begins that carries channels of others."""


class Progress(Protocol):
    """Who is told how far it is."""

    def step(self, text: str) -> None:
        """A new step begins; the one before it is done."""

    def count(self, done: int, total: int) -> None:
        """How far the step is, where it counts."""


def names_on_path(hop_count: int) -> tuple[str, ...]:
    """alice, hub, hub2 and so on, bob."""
    hubs = (HUB if number == 1 else f"{HUB}{number}" for number in range(1, hop_count + 1))
    return ("alice", *hubs, "bob")


@contextmanager
def running_nodes(
    workspace: Path, progress: Progress
) -> Iterator[tuple[Devnet, LocalNode, LocalNode]]:
    """A chain, alice and bob, funded and ready; all of it ended on the way out."""
    with running_path(workspace, progress) as (chain, (alice, bob)):
        yield chain, alice, bob


@contextmanager
def running_path(
    workspace: Path, progress: Progress, names: Sequence[str] = NAMES, **options: Any
) -> Iterator[tuple[Devnet, list[LocalNode]]]:
    """A chain and nodes of these names, funded and ready; all of it ended on the way out.

    `options` are those of `make_nodes`.
    """
    progress.step("Starting a local chain and deploying the contracts")
    nodes: list[LocalNode] = []
    chain = Devnet()
    try:
        progress.step(f"Making {len(names)} nodes, with 1,000 ETH of test money each")
        nodes += make_nodes(workspace, chain.deployment, names, **options)
        progress.step("Starting the nodes")
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_until_ready()
        yield chain, nodes
    finally:
        with _uninterrupted():
            for node in nodes:
                node.end()
            chain.stop()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Cleaning up takes a moment; a second Ctrl-C must not leave it half done."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def make_nodes(
    workspace: Path,
    deployment: Deployment,
    names: Sequence[str] = NAMES,
    *,
    hub_fee: int = 0,
    fault_points: bool = False,
    wires: Mapping[int, int] | None = None,
) -> list[LocalNode]:
    """Directories of nodes that know each other and accept everything, with test money.

    Those whose name begins with `HUB` carry channels of the others, for `hub_fee` each. `wires`
    says which ports to use, and through which port the others reach each of them.
    """
    from protocols.crypto import Signer

    # The keys come first: each directory names the others' addresses.
    keys = {name: secrets.token_bytes(32) for name in names}
    ports = dict(wires) if wires else {port: port for port in free_ports(len(names))}
    places = {
        Signer(key).address: ("127.0.0.1", port)
        for key, port in zip(keys.values(), ports, strict=True)
    }
    password = secrets.token_urlsafe()
    password_file = workspace / "password"
    write_private(password_file, password + "\n")
    for name, key in keys.items():
        me = Signer(key).address
        plan = NodeDirPlan(
            directory=workspace / name,
            name=name,
            p2p_listen=places[me],
            rpc_listen=("127.0.0.1", 0),
            policy="allow",
            peers={who: (host, ports[port]) for who, (host, port) in places.items() if who != me},
            deployment=deployment,
            hub_fee=hub_fee if name.startswith(HUB) else None,
            fault_points=fault_points,
            scrypt_n=SCRYPT_N_WEAK,
        )
        make_node_dir(plan, password, key)
        fund(deployment, "0x" + me.hex())
        fund_token(deployment, "0x" + me.hex())
    return [LocalNode(workspace / name, password_file) for name in names]


def wait_until(
    what: str,
    done: Callable[[], bool],
    timeout_s: float = STEP_TIMEOUT_S,
    interval_s: float = POLL_INTERVAL_S,
) -> None:
    """Ask again and again; `CommandFailed` names what never came."""
    give_up_at = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > give_up_at:
            raise CommandFailed(f"waited {timeout_s:g} s in vain until {what}", name="TOO_SLOW")
        time.sleep(interval_s)


def is_open(node: LocalNode, channel_id: str) -> bool:
    """Whether the node knows the channel, and that it is open."""
    return has_status(node, channel_id, "open")


def has_status(node: LocalNode, channel_id: str, status: str) -> bool:
    """Whether the node shows the channel so; False if it has not heard of it yet."""
    try:
        return bool(node.call("channel_get", channel_id=channel_id)["status"] == status)
    except RpcError as error:
        if error.name != "UNKNOWN_CHANNEL":
            raise
        return False


def is_at_rest(node: LocalNode, channel_id: str) -> bool:
    """Closed, with every objective of it completed."""
    if not has_status(node, channel_id, "closed"):
        return False
    identities = node.call("channel_get", channel_id=channel_id)["objective_ids"]
    views = (node.call("objective_get", objective_id=identity) for identity in identities)
    return all(view["status"] == "completed" for view in views)
