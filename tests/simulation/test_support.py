"""The tests' own tools can fail: the playbook shows a difference, the chain knows its rules."""

from __future__ import annotations

import pytest

from protocols import commands, inputs
from protocols.transactions import RETRY_AFTER_MS
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHANNEL, DEPOSIT, open_command, signed, state
from tests.support.network import CoreNode, Network, Said, opened
from tests.support.playbook import Playbook


def test_a_playbook_that_fits_is_true_and_played_once() -> None:
    alice = CoreNode(ALICE)
    assert Playbook(alice) >> inputs.Tick()
    assert len(alice.log) == 1


def test_a_playbook_that_does_not_fit_shows_the_difference() -> None:
    play = Playbook(CoreNode(ALICE)) >> inputs.Tick() >> open_command() << "objective-created, x"
    with pytest.raises(AssertionError) as failure:
        bool(play)
    shown = str(failure.value)
    assert shown.startswith("step 2: >> OpenChannel(")
    assert "-x" in shown
    assert "+channel-created" in shown
    assert " objective-created" in shown


def test_a_playbook_compares_a_whole_effect() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    wanted = alice.outbox[BOB.address][0]
    play = Playbook(alice) >> Said(BOB, signed(state(0), BOB)) << wanted
    with pytest.raises(AssertionError, match="SendMessage"):
        bool(play)


def test_the_model_chain_refuses_a_deposit_that_expects_other_holdings() -> None:
    network = Network()
    network.alice.feed(open_command())
    network.deliver(network.alice)
    network.deliver(network.bob)
    network.work_on_chain(network.alice)
    network.hear_of_chain(network.alice)
    network.work_on_chain(network.alice)
    network.chain.stranger_deposits(CHANNEL, 5)
    network.settle()
    network.wait(RETRY_AFTER_MS)
    network.tick()
    network.settle()
    assert len(network.alice.events_of("transaction-requested")) == 2
    assert [fact.succeeded for fact in network.alice.events_of("transaction-mined")] == [
        False,
        True,
    ]
    assert network.chain.held == {CHANNEL: DEPOSIT}


def test_the_model_chain_pays_out_what_its_outcome_says_and_keeps_the_rest() -> None:
    network = Network()
    network.alice.feed(open_command())
    network.settle()
    network.chain.stranger_deposits(CHANNEL, 7)
    network.chain.mine()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    assert network.chain.paid == {ALICE.address: DEPOSIT}
    assert network.chain.held == {CHANNEL: 7}


def test_a_network_begins_open_and_with_one_adjudicator() -> None:
    network = opened()
    assert {node.state.node.adjudicator for node in network.nodes.values()} == {ADJUDICATOR}
    assert network.chain.held == {CHANNEL: DEPOSIT}
