"""Alice and bob: for one test, or for the many in which somebody is hostile to them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import Network, open_channel, running_network
from tests.support.e2e_rig import audit_notes, until
from tests.support.hostile_peer import Mallory
from tests.support.warm_python import WarmPython, begun_by, started_by


@pytest.fixture(autouse=True)
def sooner(python: WarmPython) -> Iterator[None]:
    """Those that a test starts itself."""
    with started_by(python):
        yield


@pytest.fixture
def network(python: WarmPython, tmp_path: Path) -> Iterator[Network]:
    """Alice and bob for one test, which may end either."""
    with begun_by(python, running_network(tmp_path)) as running:
        yield running


@pytest.fixture(scope="session")
def attacked(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Bob is attacked; at the very end his log and alice's are sound."""
    with begun_by(python, running_network(tmp_path_factory.mktemp("hostile"))) as running:
        yield running
        for node in running.nodes:
            assert node.stop() == 0
            assert audit_notes(node) == []


@pytest.fixture(scope="session")
def channel_id(attacked: Network) -> str:
    """Alice's channel with bob, open in all these tests."""
    return open_channel(attacked.alice, attacked.bob)


@pytest.fixture
def bob_goes_on(attacked: Network, channel_id: str) -> Iterator[None]:
    """After the test bob still answers, and takes a payment from alice."""
    before = int(attacked.channel(attacked.bob, channel_id)["paid"])
    yield
    until("bob sees the chain", lambda: attacked.bob.call("node_status")["chain"]["connected"])
    answer = attacked.alice.call("payment_send", channel_id=channel_id, amount="1", until="receipt")
    assert answer["receipted"]
    assert int(attacked.channel(attacked.bob, channel_id)["paid"]) == before + 1


@pytest.fixture
def mallory(attacked: Network) -> Mallory:
    """A stranger that nobody met before."""
    return Mallory(secrets.randbits(64), attacked.bob, attacked.chain.deployment)
