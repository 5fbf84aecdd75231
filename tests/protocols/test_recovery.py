"""On the way back after a loss: who is waited for, what goes on, what can only be closed."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.recovery import Recovery, is_recovering, recoveries
from protocols.types import ChannelId
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.lost_records import looks_into_its_log, show_heads
from tests.support.network import CoreNode, Network, opened, pay
from tests.support.web import Web


def of(node: CoreNode, channel_id: ChannelId = LEDGER) -> Recovery | None:
    found = {one.channel_id: one.recovery for one in recoveries(node.state)}
    return found.get(channel_id)


@pytest.fixture
def network() -> Network:
    made = opened_ledger()
    for node in made.nodes.values():
        looks_into_its_log(node)
    return made


def test_without_a_loss_there_is_nothing_to_say(network: Network) -> None:
    assert list(recoveries(network.alice.state)) == []
    assert not is_recovering(network.alice.state)


def test_a_ledger_waits_for_its_peer_and_goes_on(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.lose_tail()
    assert of(alice) == Recovery.WAITING
    assert is_recovering(alice.state)
    network.reconnect()
    assert of(alice) == Recovery.WAITING
    network.deliver(alice)
    for index in range(1, network.waiting(alice)):
        network.deliver(alice, index)
    assert of(bob) == Recovery.WAITING
    network.settle()
    assert of(alice) == of(bob) == Recovery.RESUMED
    assert not is_recovering(alice.state)
    alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert of(alice) is None


def test_a_peer_that_saw_more_than_the_log_holds_disagrees(network: Network) -> None:
    alice = network.alice
    network.alice.feed(commands.PayLedger(LEDGER, 5, "rent"))
    network.settle()
    show_heads(network)
    del alice.log[-3:]
    alice.state = alice.fold()
    alice.outbox = {}
    alice.lose_tail()
    network.reconnect()
    network.settle()
    assert of(alice) == Recovery.DISAGREES
    assert not is_recovering(alice.state)
    alice.feed(commands.CloseChannel(LEDGER))
    assert of(alice) == Recovery.CLOSE_ONLY


def test_a_payment_channel_can_be_closed_once_its_peer_was_met() -> None:
    network = opened()
    pay(network, 10, 1)
    network.settle()
    network.alice.lose_tail()
    assert of(network.alice, CHANNEL) == Recovery.WAITING
    network.reconnect()
    network.settle()
    (found,) = recoveries(network.alice.state)
    assert found.recovery == Recovery.CLOSE_ONLY
    assert (found.peers, found.voucher_total) == ((BOB.address,), 10)
    assert list(recoveries(network.bob.state)) == []


def test_a_hub_needs_both_neighbours() -> None:
    web = Web(1)
    hub, channel_id = web.row[1], web.opened()
    hub.lose_tail()
    (found,) = (one for one in recoveries(hub.state) if one.channel_id == channel_id)
    assert set(found.peers) == {ALICE.address, BOB.address}
    web.cut_tail(hub, 0)
    web.settle()
    (found,) = (one for one in recoveries(hub.state) if one.channel_id == channel_id)
    assert found.recovery == Recovery.CLOSE_ONLY
