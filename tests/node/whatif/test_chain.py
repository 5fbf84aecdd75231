"""The chain as it is assumed: what it would say of orders, deposits and ends."""

from __future__ import annotations

import pytest

from node.whatif import assumptions as assume
from node.whatif.chain import (
    AssumedChain,
    awaits_conclusion_by_other,
    deposit_of,
    missing_deposit,
    orders_under_way,
)
from protocols import commands, inputs
from protocols.effects import SubmitTransaction
from protocols.types import ZERO_ADDRESS
from tests.support.builders import CHANNEL, DEPOSIT, open_command
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import Network, opened, pay
from tests.support.whatif_nodes import half_open, names, simulated


def test_the_order_under_way_is_the_nodes_own() -> None:
    network = half_open()
    (order,) = orders_under_way(network.alice.state, CHANNEL)
    (ordered,) = network.alice.submissions
    assert order == ordered
    assert deposit_of(order) == DEPOSIT
    assert list(orders_under_way(network.bob.state, CHANNEL)) == []
    assert list(orders_under_way(opened().alice.state, CHANNEL)) == []


def test_whose_deposit_is_missing_follows_from_the_shares() -> None:
    network = half_open()
    assert missing_deposit(network.alice.channel()) == 0
    assert missing_deposit(network.bob.channel()) == DEPOSIT
    done = opened()
    assert missing_deposit(done.alice.channel()) == missing_deposit(done.bob.channel()) == 0
    ledger = opened_ledger()
    assert missing_deposit(ledger.alice.channel(LEDGER)) == 0
    fresh = Network()
    fresh.alice.feed(open_command())
    assert missing_deposit(fresh.alice.channel()) == 0


def test_the_payer_concludes_for_a_payee() -> None:
    network = opened()
    assert not awaits_conclusion_by_other(network.bob.channel())
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.deliver(network.alice)
    assert awaits_conclusion_by_other(network.bob.channel())
    assert not awaits_conclusion_by_other(network.alice.channel())


def test_blocks_are_above_all_that_is_known() -> None:
    network = opened()
    chain, channel = AssumedChain(network.alice.state), network.alice.channel()
    chain.next_block(network.alice.state, CHANNEL)
    (seen, confirmed) = chain.deposited(channel, 5)
    assert isinstance(seen, inputs.ChainLog)
    assert isinstance(confirmed, inputs.ChainLog)
    assert (seen.confirmed, confirmed.confirmed) == (False, True)
    assert seen.block_num > channel.confirmed_up_to[0]
    assert confirmed.amount == DEPOSIT + 5


def test_an_order_of_another_kind_deposits_nothing() -> None:
    order = SubmitTransaction(bytes(32), "conclude", ZERO_ADDRESS, bytes(32), b"\x01" * 200)
    assert deposit_of(order) == 0


def test_a_conclusion_tells_what_the_channel_is_concluded_with() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    channel = network.alice.channel()
    logs = AssumedChain(network.alice.state).concluded(channel, None, 7)
    concluded = next(logs)
    assert isinstance(concluded, inputs.ChainLog)
    assert concluded.amounts == (DEPOSIT - 30, 30)


@pytest.mark.parametrize("ticks", [0, 3])
def test_a_conclusion_without_a_final_state_pays_nobody(ticks: int) -> None:
    network = opened()
    for number in range(ticks):
        pay(network, 1, number)
    (step,) = simulated(network.alice, assume.Concluded(CHANNEL), others_answer=False)
    assert "channel-concluded" in names(step)
    assert "withdraw-completed" not in names(step)
