"""The steps of the demo, one by one, and that a failure leaves nothing running."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from node.cli.demo_progress import demo_progress
from node.cli.demo_report import IN_FLIGHT_COUNT, LATENCY_PAYMENT_COUNT, paid_wei
from node.cli.demo_run import make_nodes, pay, running_nodes, wait_until
from node.cli.failures import CommandFailed
from node.config import load
from node.devnet import Devnet
from node.processes import Child
from tests.support.daemons import Network, open_channel

pytestmark = pytest.mark.e2e


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


def test_every_payment_is_receipted_and_timed(network: Network) -> None:
    channel_id = open_channel(network.alice, network.bob)
    counted: list[tuple[int, int]] = []

    class Recorder:
        def step(self, text: str) -> None:
            pass

        def count(self, done: int, total: int) -> None:
            counted.append((done, total))

    count = IN_FLIGHT_COUNT + 5
    seconds, latencies_ms = pay(network.alice, channel_id, count, Recorder())
    assert seconds > 0
    assert len(latencies_ms) == LATENCY_PAYMENT_COUNT
    assert counted[count - 1] == (count, count)
    for node in network.nodes:
        view = network.channel(node, channel_id)
        assert view["payment_count"] == count + LATENCY_PAYMENT_COUNT
        assert view["receipted"] == str(paid_wei(count + LATENCY_PAYMENT_COUNT))


def test_a_refused_payment_ends_the_run(network: Network) -> None:
    unknown = "0x" + "00" * 32
    with demo_progress(quiet=True) as progress, pytest.raises(Exception, match="no channel"):
        pay(network.alice, unknown, 5, progress)


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


def test_a_second_interrupt_does_not_leave_the_cleaning_up_half_done(tmp_path: Path) -> None:
    def interrupt_twice() -> None:
        threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,)).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_run(tmp_path, interrupt_twice)


def test_after_an_ordinary_end_both_nodes_stopped_cleanly(tmp_path: Path) -> None:
    assert interrupted_run(tmp_path, lambda: None)[:2] == [0, 0]
