"""The steps of the demo, one by one, and that a failure leaves nothing running."""

import pytest

from node.cli.demo_progress import demo_progress
from node.cli.demo_report import IN_FLIGHT_COUNT, LATENCY_PAYMENT_COUNT, paid_wei
from node.cli.demo_run import pay
from tests.support.daemons import Network, open_channel

pytestmark = pytest.mark.e2e


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
