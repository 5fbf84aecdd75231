"""A daemon as a child: what is told when it does not start, and that it is always gone."""

from pathlib import Path

import pytest

from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from tests.support.daemons import Network


@pytest.mark.slow
def test_a_daemon_that_does_not_start_shows_why(tmp_path: Path) -> None:
    node = LocalNode(tmp_path, tmp_path / "password")
    with pytest.raises(CommandFailed, match=r"did not start \(exit 1\).*no configuration"):
        node.start()
    node.end()


def test_a_daemon_that_was_never_launched_needs_no_end(tmp_path: Path) -> None:
    node = LocalNode(tmp_path, tmp_path / "password")
    node.end()
    assert node.stderr_tail() == ""
    assert node.name == tmp_path.name
    assert node.log_path == tmp_path / "data"


@pytest.mark.e2e
def test_a_killed_daemon_comes_back_with_its_log(network: Network, channel_id: str) -> None:
    before = network.channel(network.bob, channel_id)["status"]
    network.bob.kill()
    assert network.bob.child.exit_code == -9
    network.bob.start()
    assert network.channel(network.bob, channel_id)["status"] == before == "open"
