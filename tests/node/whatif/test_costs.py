"""The gas of an order is that of the plan of an exit, which is that of what was measured."""

from __future__ import annotations

from node.whatif import assumptions as assume
from node.whatif.costs import DEPOSIT_GAS, gas_of
from protocols import inputs
from protocols.exit_plan import GAS, GUARANTEE_GAS
from tests.support.builders import CHANNEL
from tests.support.network import opened, pay
from tests.support.web import Web
from tests.support.whatif_nodes import run, simulation_of


def test_each_call_has_its_figure() -> None:
    channel = opened().alice.channel()
    assert gas_of(channel, "deposit") == DEPOSIT_GAS
    assert gas_of(channel, "challenge") == GAS["challenge"]
    assert gas_of(channel, "checkpoint") == GAS["checkpoint"]
    assert gas_of(channel, "reclaim " + CHANNEL.hex()) == GAS["reclaim"]
    assert gas_of(channel, "approve") is None


def test_a_redemption_takes_more_and_so_does_each_guarantee() -> None:
    network = opened()
    pay(network, 5, 1)
    network.settle()
    network.bob.feed(inputs.ExitChannel(CHANNEL))
    assert gas_of(network.bob.channel(), "challenge") == GAS["redemption"]
    web = Web(1, fees=(7,))
    web.opened(1_000)
    ledger = web.payer.channel(web.ledgers[0])
    assert gas_of(ledger, "challenge") == GAS["challenge"] + GUARANTEE_GAS
    (step,) = run(simulation_of(web.payer), assume.Exit(web.ledgers[0]))
    assert step.submitted[0].gas == GAS["challenge"] + GUARANTEE_GAS
