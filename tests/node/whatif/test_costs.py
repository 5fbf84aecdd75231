"""The gas of an order is that of the plan of an exit, which is that of what was measured."""

from __future__ import annotations

from node.whatif import assumptions as assume
from node.whatif.costs import DEPOSIT_GAS, Bill, bill_of, gas_of, leaving_steps
from protocols import commands
from protocols.exit_plan import GAS, GUARANTEE_GAS, plan_exit
from protocols.steps import finished
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
    network.bob.feed(commands.ExitChannel(CHANNEL))
    assert gas_of(network.bob.channel(), "challenge") == GAS["redemption"]
    web = Web(1, fees=(7,))
    web.opened(1_000)
    ledger = web.payer.channel(web.ledgers[0])
    assert gas_of(ledger, "challenge") == GAS["challenge"] + GUARANTEE_GAS
    (step,) = run(simulation_of(web.payer), assume.Exit(web.ledgers[0]))
    assert step.submitted[0].gas == GAS["challenge"] + GUARANTEE_GAS


def test_a_bill_says_what_is_not_known() -> None:
    assert bill_of([]) == Bill(0, 0, 0, 0)
    assert bill_of([(10, 3), (20, 4)]) == Bill(2, 30, 0, 110)
    assert bill_of([(10, 3), (None, 3)]) == Bill(2, 10, 1, 30)
    assert bill_of([(10, 3), (20, None)]) == Bill(2, 30, 0, None)


def test_leaving_one_channel_takes_what_its_plan_says() -> None:
    bob = opened().bob
    steps = finished(leaving_steps(bob.state, [CHANNEL, b"\x0f" * 32], 0))
    assert tuple(steps) == plan_exit(bob.state, bob.channel(), 0).steps
    # A virtual channel is left with the ledgers that carry it.
    web = Web(1, fees=(7,))
    virtual_id = web.opened(1_000)
    assert finished(leaving_steps(web.payer.state, [virtual_id], 0)) == []
