"""Heads of ours that peers hold: what they prove, once each, and what a lie about them is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import inputs
from protocols.events import StateDigestRecorded
from protocols.resumption_events import HeldHeadCompared
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.lost_records import head_of, looks_into_its_log, show_heads, tell_held_heads
from tests.support.network import CoreNode, Network, opened, pay


@pytest.fixture
def network() -> Network:
    made = opened()
    for node in made.nodes.values():
        looks_into_its_log(node)
    return made


def forget(node: CoreNode, count: int) -> None:
    """An older copy of the log is started, and nobody says so."""
    del node.log[-count:]
    node.state = node.fold()
    node.outbox = {}


def compared(node: CoreNode) -> list[HeldHeadCompared]:
    return node.events_of("held-head-compared")


def test_a_head_that_the_log_contains_says_nothing(network: Network) -> None:
    show_heads(network)
    pay(network, 10, 1)
    network.settle()
    tell_held_heads(network)
    assert compared(network.alice) == compared(network.bob) == []


def test_an_old_copy_that_nobody_announced_is_found_out(network: Network) -> None:
    alice = network.alice
    pay(network, 10, 1)
    network.settle()
    show_heads(network)
    forget(alice, 3)
    assert not alice.channel().close_only
    tell_held_heads(network)
    (event,) = compared(alice)
    assert (event.agrees, event.explained) == (False, False)
    assert event.peer == BOB.address
    assert alice.channel().close_only
    assert alice.state.node.tail_cut_count == 1
    assert alice.fold().digest() == alice.state.digest()
    tell_held_heads(network)
    assert len(compared(alice)) == 1
    assert compared(network.bob) == []


def test_a_loss_that_is_recorded_explains_what_is_missing_once(network: Network) -> None:
    alice = network.alice
    pay(network, 10, 1)
    network.settle()
    show_heads(network)
    forget(alice, 3)
    alice.lose_tail()
    tell_held_heads(network)
    (event,) = compared(alice)
    assert (event.agrees, event.explained) == (False, True)
    assert alice.state.node.tail_cut_count == 1
    alice.record(StateDigestRecorded(bytes(32), 1, False, 0))
    held = head_of(alice)
    forget(alice, 1)
    alice.feed(inputs.HeldHead(BOB.address, held, False))
    assert [event.explained for event in compared(alice)] == [True, False]
    assert alice.state.node.tail_cut_count == 2


def test_a_head_from_before_the_loss_is_not_explained_by_it(network: Network) -> None:
    alice = network.alice
    held = head_of(alice, 5)
    alice.lose_tail()
    alice.feed(inputs.HeldHead(BOB.address, held, False))
    (event,) = compared(alice)
    assert not event.explained
    assert alice.state.node.tail_cut_count == 2


def test_the_first_agreement_after_a_loss_is_recorded(network: Network) -> None:
    show_heads(network)
    network.alice.lose_tail()
    for _ in range(2):
        tell_held_heads(network)
    assert [event.agrees for event in compared(network.alice)] == [True]


def test_two_histories_go_on_at_two_final_turns() -> None:
    turns = set()
    for amount in (10, 20):
        network = opened()
        pay(network, amount, 1)
        network.settle()
        held = head_of(network.alice)
        network.alice.feed(inputs.HeldHead(BOB.address, held, False))
        turns.add(network.alice.channel().final_turn_min)
    assert len(turns) == 2
    assert max(turns) < 2**32


@pytest.mark.parametrize("by", [BOB, IRENE])
def test_a_head_that_we_never_signed_is_a_fault_of_who_shows_it(
    network: Network, by: object
) -> None:
    alice = network.alice
    forged = replace(head_of(alice), signature=head_of(CoreNode(by)).signature)
    alice.feed(inputs.HeldHead(BOB.address, forged, False))
    assert compared(alice) == []
    assert not alice.channel().close_only
    assert alice.peer(BOB.address).fault_count == 1
    assert ALICE.address not in alice.state.peers
