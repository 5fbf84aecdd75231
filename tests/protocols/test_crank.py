"""The crank: what it refuses, what it leaves alone, and what it never does."""

from __future__ import annotations

import pytest

from protocols import commands, inputs
from protocols.crank import awaits_end_of_batch, crank
from protocols.errors import ProtocolError, UnknownChannel
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE
from tests.support.builders import (
    CHANNEL,
    deposited,
    open_command,
)
from tests.support.network import CoreNode, Network, opened
from tests.support.playbook import names


def test_time_alone_changes_nothing_in_a_quiet_node() -> None:
    network = opened()
    network.wait(10**9)
    for node in network.nodes.values():
        assert names(node.feed(inputs.Tick())) == []
        assert names(node.feed(inputs.EndOfBatch())) == []


def test_the_end_of_a_batch_is_awaited_by_who_was_paid_until_it_signed_for_it() -> None:
    network = opened()
    assert not any(awaits_end_of_batch(node.state) for node in network.nodes.values())
    network.alice.feed(commands.SendPayment(CHANNEL, 1, amount_to_bytes(1)))
    network.deliver(network.alice)
    assert awaits_end_of_batch(network.bob.state)
    assert not awaits_end_of_batch(network.alice.state)
    network.bob.feed(inputs.EndOfBatch())
    assert not awaits_end_of_batch(network.bob.state)


def test_a_refused_command_raises_and_leaves_nothing() -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(UnknownChannel):
        alice.feed(commands.SendPayment(CHANNEL, 1, amount_to_bytes(1)))
    assert len(alice.log) == 1


def test_an_input_that_has_no_crank_is_a_bug_and_no_refusal() -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(AssertionError) as bug:
        crank(alice.state, inputs.Input(), alice.context())
    assert not isinstance(bug.value, ProtocolError)


def test_a_deposit_for_several_channels_moves_its_own_alone() -> None:
    network = Network()
    network.alice.feed(open_command())
    network.alice.feed(open_command(nonce_entropy=b"next"))
    network.settle()
    assert len(network.alice.state.channels) == 2
    assert len(network.chain.held) == 2
    assert names(network.alice.feed(deposited(1, 1))) == []
