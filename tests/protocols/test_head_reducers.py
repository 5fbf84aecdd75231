"""Folding heads: the newest of ours, the longest of a peer, and how often it contradicted it."""

from __future__ import annotations

from protocols.events import NodeCreated
from protocols.head_events import LogHeadDisputed, LogHeadReceived, LogHeadSigned
from protocols.log_head import LogHead
from protocols.node_state import NodeState, apply
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, PAYMENT_APP

ROOT, SIGNATURE = b"\x01" * 32, b"\x02" * 65


def node() -> NodeState:
    state = NodeState()
    created = NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, ALICE.address)
    apply(state, created, 1)
    return state


def test_our_head_is_the_nodes() -> None:
    state = node()
    assert state.node.head is None
    before = state.digest()
    for length in (1_000, 2_000):
        apply(state, LogHeadSigned(length, ROOT, SIGNATURE), 2)
        assert state.node.head == LogHead(length, ROOT, SIGNATURE)
    assert state.digest() != before


def test_a_peers_head_and_its_disputes_belong_to_the_conversation() -> None:
    state = node()
    apply(state, LogHeadReceived(BOB.address, 1_000, ROOT, SIGNATURE), 2)
    both = (1_000, ROOT, SIGNATURE, 900, ROOT, SIGNATURE)
    apply(state, LogHeadDisputed(BOB.address, "shortened", *both), 3)
    peer = state.peer(BOB.address)
    assert peer.head == LogHead(1_000, ROOT, SIGNATURE)
    assert (peer.head_dispute_count, peer.sent, peer.received) == (1, 0, 0)
