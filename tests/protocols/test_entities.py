"""NodeState: what a node holds, found by key, and the digest of all of it."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace

from protocols import events
from protocols.digest import canonical
from protocols.entities import VALUE_TYPES, NodeState
from protocols.node_state import apply
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import amount_to_bytes
from protocols.working_state import WorkingState
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, block_hash
from tests.support.network import opened, pay

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
ONE = b"\x01" * 32
AMOUNT = amount_to_bytes(5)


def test_a_conversation_that_never_was_is_empty() -> None:
    peer = NodeState().peer(BOB.address)
    assert (peer.sent, peer.received, peer.acknowledged) == (0, 0, 0)


def test_objectives_of_a_channel_come_in_the_order_of_their_types() -> None:
    network = opened()
    kinds = [o.objective_type for o in network.alice.state.objectives_of(CHANNEL)]
    assert kinds == ["DirectFund"]
    assert network.alice.state.objectives_of(bytes(32)) == []


# --- the digest ---


def by_hand(state: NodeState) -> bytes:
    """The digest as ADR 0025 says it."""
    terms = [
        hashlib.sha256(key + b"\x00" + canonical(entity)).digest()
        for key, entity in state.entities()
    ]
    return (sum(int.from_bytes(term, "big") for term in terms) % 2**256).to_bytes(32, "big")


def test_the_digest_is_the_sum_of_the_entities_hashes() -> None:
    state = opened().alice.state
    assert state.digest() == by_hand(state)
    assert NodeState().digest() == bytes(32)


def test_the_digest_does_not_depend_on_the_order_of_the_entities() -> None:
    state = opened().alice.state
    objectives = {key: state.objectives[key] for key in reversed(list(state.objectives))}
    turned = NodeState(state.nodes, state.channels, objectives, state.peers, state.transactions)
    assert turned.digest() == state.digest()


def test_a_digest_kept_up_to_date_forgets_what_left_the_state() -> None:
    state = opened().alice.state
    state.sum_up()
    del state.channels[CHANNEL]
    assert state.sum_up().digest == by_hand(state) == state.digest()
    assert state.sums.entity_count == len(list(state.entities()))


def test_a_digest_kept_up_to_date_equals_one_from_nothing() -> None:
    network = opened()
    state = network.bob.state
    for number in range(1, 6):
        pay(network, 10, number)
        network.settle()
        assert state.sum_up().digest == by_hand(state)
    assert state.sums.entity_count == len(list(state.entities()))
    counts = {named.name: len(named.table) for named in state.tables() if len(named.table)}
    assert {name: count for name, count in state.sums.counts.items() if count} == counts


def test_every_table_has_a_name_of_its_own_and_a_type_of_values() -> None:
    tables = list(NodeState().tables())
    assert [named.name for named in tables] == list(VALUE_TYPES)
    assert all(name.endswith(b"|") and name.count(b"|") == 1 for name in VALUE_TYPES)
    assert len({id(named.table) for named in tables}) == len(tables)


def test_a_cranks_working_state_has_no_tables() -> None:
    with pytest.raises(AssertionError, match="not a crank's"):
        list(WorkingState(opened().alice.state).tables())


CHANGES: list[events.Event] = [
    events.PeerMisbehaved(BOB.address, "X", "why", 1),
    events.ChainBlockProcessed(99, block_hash(99)),
    events.TransactionRequested(ONE, "deposit", CHANNEL, bytes(20), bytes(32), b""),
    events.VoucherIssued(CHANNEL, ONE, AMOUNT, AMOUNT, bytes(65)),
    events.ObjectiveCranked(FUND, 0, False),
]


@pytest.mark.parametrize("fact", CHANGES, ids=lambda fact: fact.NAME)
def test_every_kind_of_entity_is_in_the_digest(fact: events.Event) -> None:
    state = opened().alice.state
    before = state.digest()
    apply(state, fact, 0)
    assert state.digest() != before


def test_canonical_bytes_tell_apart_what_differs() -> None:
    channel = opened().alice.channel()
    assert canonical(channel) != canonical(replace(channel, my_index=1))
    large = replace(channel.vouchers, total=2**200)
    assert str(2**200).encode() in canonical(large)
