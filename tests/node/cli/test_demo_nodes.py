"""The nodes of a demo: that they know each other, and that a failure leaves nothing running."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from node.cli.demo_nodes import (
    has_status,
    is_at_rest,
    is_open,
    make_nodes,
    names_on_path,
    running_nodes,
    wait_until,
)
from node.cli.demo_progress import demo_progress
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.config import load
from node.devnet import Devnet
from node.processes import Child
from tests.support.daemons import Network

pytestmark = pytest.mark.e2e


def test_a_path_has_alice_and_bob_at_its_ends() -> None:
    assert names_on_path(0) == ("alice", "bob")
    assert names_on_path(1) == ("alice", "hub", "bob")
    assert names_on_path(3) == ("alice", "hub", "hub2", "hub3", "bob")


def test_those_called_hub_carry_channels_of_others(network: Network, tmp_path: Path) -> None:
    nodes = make_nodes(tmp_path, network.chain.deployment, names_on_path(1), hub_fee=9)
    hubs = [load(node.directory, environment={}).hub for node in nodes]
    assert [hub.enabled for hub in hubs] == [False, True, False]
    assert hubs[1].fee_base == 9


def test_a_channel_nobody_knows_has_no_status(network: Network, channel_id: str) -> None:
    unknown = "0x" + "00" * 32
    assert not has_status(network.alice, unknown, "open")
    assert not is_at_rest(network.alice, channel_id)
    assert is_open(network.alice, channel_id)


def test_what_never_comes_is_named() -> None:
    with pytest.raises(CommandFailed, match="pigs fly"):
        wait_until("pigs fly", lambda: False, timeout_s=0.1)


def test_nodes_know_each_other_and_have_weak_keys(network: Network, tmp_path: Path) -> None:
    names = ("x", "y", "z")
    nodes = make_nodes(tmp_path, network.chain.deployment, names, fault_points=True)
    configs = [load(node.directory, environment={}) for node in nodes]
    assert [config.node.name for config in configs] == list(names)
    assert all(len(config.p2p.peers) == 2 for config in configs)
    assert all(config.test.fault_points for config in configs)
    assert len({config.p2p.listen for config in configs}) == 3
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0


def interrupted_run(workspace: Path, interrupt: Callable[[], None]) -> list[int | None]:
    """The exit codes of everything that ran, once the interrupt had its way."""
    running: list[Child | Devnet] = []
    try:
        with (
            demo_progress(quiet=True) as progress,
            running_nodes(workspace, progress) as (chain, alice, bob),
        ):
            running += [alice.child, bob.child, chain]
            interrupt()
    finally:
        assert all(child.exit_code is not None for child in running)
    return [child.exit_code for child in running]


@pytest.mark.parametrize("error", [CommandFailed("broken"), KeyboardInterrupt()])
def test_whatever_happens_nothing_is_left_running(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        interrupted_run(tmp_path, fail)


def test_a_second_interrupt_does_not_leave_the_cleaning_up_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = LocalNode.end
    impatience: list[LocalNode] = []

    def end_interrupted(node: LocalNode) -> None:
        # The signal comes from within the cleaning up: one on a timer could miss it.
        signal.raise_signal(signal.SIGINT)
        impatience.append(node)
        end(node)

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalNode, "end", end_interrupted)
    with pytest.raises(KeyboardInterrupt):
        interrupted_run(tmp_path, interrupt)
    assert len(impatience) == 2


def test_after_an_ordinary_end_both_nodes_stopped_cleanly(tmp_path: Path) -> None:
    assert interrupted_run(tmp_path, lambda: None)[:2] == [0, 0]
