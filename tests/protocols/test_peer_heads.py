"""Heads of peers: the longest is kept, what contradicts it is evidence, nothing else is taken."""

from __future__ import annotations

import pytest

from protocols import inputs
from protocols.events import PeerMisbehaved
from protocols.head_events import LogHeadDisputed
from protocols.log_head import LogHead, require_signed, sign_head
from protocols.peer_heads import DISPUTE_COUNT_MAX, owner_of
from tests.support.actors import ALICE, BOB, Actor
from tests.support.network import CoreNode
from tests.support.playbook import Playbook, names

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


def head(alice: CoreNode, length: int, root: bytes = ROOT, by: Actor = BOB) -> LogHead:
    return sign_head(owner_of(alice.state.node, by.address), length, root, by.signer)


def shown(alice: CoreNode, length: int, root: bytes = ROOT) -> inputs.PeerHead:
    return inputs.PeerHead(BOB.address, head(alice, length, root))


def test_the_longest_head_is_kept() -> None:
    alice = CoreNode(ALICE)
    first, longer = shown(alice, 1_000), shown(alice, 2_000)
    assert (
        Playbook(alice)
        >> first
        << "log-head-received"
        >> first
        >> longer
        << "log-head-received"
        >> longer
    )
    assert alice.peer(BOB.address).head == longer.head
    assert alice.peer(BOB.address).head_dispute_count == 0


@pytest.mark.parametrize(
    ("length", "root", "kind"),
    [(2_000, OTHER_ROOT, "forked"), (1_999, ROOT, "shortened")],
    ids=["forked", "shortened"],
)
def test_a_contradiction_is_recorded_with_both_heads(length: int, root: bytes, kind: str) -> None:
    alice = CoreNode(ALICE)
    held, new = shown(alice, 2_000), shown(alice, length, root)
    alice.feed(held)
    (event,) = alice.feed(new).events
    assert isinstance(event, LogHeadDisputed)
    assert event.kind == kind
    kept = LogHead(event.held_length, event.held_root, event.held_signature)
    against = LogHead(event.shown_length, event.shown_root, event.shown_signature)
    assert (kept, against) == (held.head, new.head)
    for evidence in (kept, against):
        require_signed(owner_of(alice.state.node, BOB.address), evidence)
    peer = alice.peer(BOB.address)
    assert (peer.head, peer.head_dispute_count) == (held.head, 1)


def test_disputes_are_recorded_within_bounds() -> None:
    alice = CoreNode(ALICE)
    alice.feed(shown(alice, 2_000))
    for length in range(1, DISPUTE_COUNT_MAX + 3):
        alice.feed(shown(alice, length))
    assert len(alice.events_of("log-head-disputed")) == DISPUTE_COUNT_MAX


def test_a_head_its_node_did_not_sign_is_a_fault() -> None:
    alice = CoreNode(ALICE)
    not_bobs = inputs.PeerHead(BOB.address, head(alice, 1_000, by=ALICE))
    not_ours = inputs.HeldHead(BOB.address, head(alice, 1_000, by=BOB), True)
    for item in (not_bobs, not_ours):
        (event,) = alice.feed(item).events
        assert isinstance(event, PeerMisbehaved)
        assert (event.peer, event.error_code) == (BOB.address, "INVALID_SIGNATURE")
    assert alice.peer(BOB.address).head is None


def test_a_head_of_ours_that_our_log_holds_changes_nothing() -> None:
    alice = CoreNode(ALICE)
    held = inputs.HeldHead(BOB.address, head(alice, 1_000, by=ALICE), True)
    assert names(alice.feed(held)) == []


def test_heads_are_no_messages() -> None:
    alice = CoreNode(ALICE)
    before = alice.peer(BOB.address)
    alice.feed(shown(alice, 1_000))
    after = alice.peer(BOB.address)
    assert (after.sent, after.received) == (before.sent, before.received)
