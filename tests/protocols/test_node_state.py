"""NodeState: the fold of every event, its digest, and the counts of each conversation."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import events, payment_events
from protocols.events import EVENTS
from protocols.node_state import (
    _REDUCERS,
    NODE_KEY,
    Digest,
    NodeState,
    apply,
    apply_all,
    canonical,
)
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import amount_to_bytes, to_hex
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, block_hash, open_command
from tests.support.network import CoreNode, Network, opened, pay

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
ONE = b"\x01" * 32


def test_every_event_of_the_catalogue_is_folded() -> None:
    assert set(_REDUCERS) == set(EVENTS.values())


def test_record_0_says_who_we_are() -> None:
    node = CoreNode(ALICE).state.node
    assert (node.address, node.chain_id, node.processed_block_num) == (ALICE.address, 31_337, -1)


def test_a_conversation_that_never_was_is_empty() -> None:
    peer = NodeState().peer(BOB.address)
    assert (peer.sent, peer.received, peer.acknowledged) == (0, 0, 0)


def test_objectives_of_a_channel_come_in_the_order_of_their_types() -> None:
    network = opened()
    kinds = [o.objective_type for o in network.alice.state.objectives_of(CHANNEL)]
    assert kinds == ["DirectFund"]
    assert network.alice.state.objectives_of(bytes(32)) == []


# --- runs ---

_OTHER_CHANNEL = b"\x0c" * 32
_FACTS = st.tuples(
    st.sampled_from(
        [
            events.VoucherIssued,
            events.VoucherReceived,
            events.ReceiptIssued,
            events.ReceiptReceived,
            events.VoucherResent,
            payment_events.VoucherCreated,
            payment_events.PaymentListed,
        ]
    ),
    st.sampled_from([CHANNEL, _OTHER_CHANNEL]),
    st.integers(0, 3),
)


def _fact(kind: type[events.Event], channel_id: bytes, number: int) -> events.Event:
    amount = amount_to_bytes(number)
    fields: tuple[Any, ...] = (number.to_bytes(32, "big"), amount, amount, bytes(65))
    if kind in (events.ReceiptIssued, events.ReceiptReceived):
        fields = (amount, number, ONE, bytes(65))
    if kind is payment_events.PaymentListed:
        fields = fields[:2]
    if kind is events.VoucherResent:
        fields = (ONE, amount)
    return kind(channel_id, *fields)


def _with_two_channels() -> NodeState:
    state = opened().alice.state
    state.channels[_OTHER_CHANNEL] = replace(state.channels[CHANNEL], channel_id=_OTHER_CHANNEL)
    return state


@given(st.lists(_FACTS, max_size=30))
def test_folding_all_at_once_is_folding_one_after_the_other(
    drawn: list[tuple[type[events.Event], bytes, int]],
) -> None:
    recorded = [(_fact(*fields), time_ms) for time_ms, fields in enumerate(drawn)]
    single, together = _with_two_channels(), _with_two_channels()
    for event, time_ms in recorded:
        apply(single, event, time_ms)
    apply_all(together, iter(recorded))
    assert together.digest() == single.digest()
    assert together.unreceipted == single.unreceipted
    assert together.refused == single.refused


# --- counts ---


def voucher(kind: type[events.Event]) -> events.Event:
    amount = amount_to_bytes(5)
    return kind(CHANNEL, ONE, amount, amount, bytes(65))


AMOUNT = amount_to_bytes(5)
PEER_ID = to_hex(BOB.address)
COUNTED: list[tuple[events.Event, int, int]] = [
    (voucher(events.VoucherIssued), 1, 0),
    (voucher(events.VoucherReceived), 0, 1),
    (events.VoucherResent(CHANNEL, ONE, AMOUNT), 1, 0),
    (payment_events.BatchSplit(CHANNEL, AMOUNT, 0, "", ONE), 0, 0),
    (payment_events.PaymentListed(CHANNEL, ONE, AMOUNT), 0, 0),
    (payment_events.VoucherTaken(CHANNEL, AMOUNT, AMOUNT, bytes(65)), 0, 0),
    (voucher(payment_events.VoucherCreated), 0, 0),
    (events.VoucherRefused(CHANNEL, BOB.address, ONE, AMOUNT, AMOUNT, "X", ""), 1, 1),
    (events.VoucherRefusalReceived(CHANNEL, BOB.address, ONE, AMOUNT, bytes(32), "X", ""), 0, 1),
    (events.ReceiptIssued(CHANNEL, AMOUNT, 0, ONE, bytes(65)), 1, 0),
    (events.ReceiptReceived(CHANNEL, AMOUNT, 0, ONE, bytes(65)), 0, 1),
    (events.MessageSent(ONE, PEER_ID, ONE, 10), 1, 0),
    (events.MessageReceived(ONE, PEER_ID, ONE, 10), 0, 1),
    (events.MessageDropped(PEER_ID, "why", "payload_invalid", 10), 0, 1),
    (events.PeerMisbehaved(BOB.address, "X", "why", 1), 0, 0),
    (events.PeerAcknowledged(BOB.address, 1), 0, 0),
    (events.MessageAcked(ONE, PEER_ID, 5), 0, 0),
]


@pytest.mark.parametrize(("fact", "sent", "received"), COUNTED, ids=lambda v: getattr(v, "NAME", v))
def test_every_fact_counts_the_messages_it_stands_for(
    fact: events.Event, sent: int, received: int
) -> None:
    alice = opened().alice
    before = alice.peer(BOB.address)
    alice.record(fact)
    after = alice.peer(BOB.address)
    assert (after.sent - before.sent, after.received - before.received) == (sent, received)


def test_faults_of_a_peer_are_counted() -> None:
    alice = CoreNode(ALICE)
    alice.record(events.MessageDropped(PEER_ID, "why", "payload_invalid", 10))
    alice.record(events.PeerMisbehaved(BOB.address, "X", "why", 1))
    assert alice.peer(BOB.address).fault_count == 2


def test_a_conversation_is_taken_up_where_the_peer_stands_and_never_lower() -> None:
    alice = CoreNode(ALICE)
    alice.lose_tail()
    alice.record(events.DeliveryResumed(BOB.address, 7, 0))
    peer = alice.peer(BOB.address)
    assert (peer.sent, peer.received, peer.resumed_cut, peer.gap_cut) == (7, 0, 1, 0)
    alice.record(events.DeliveryResumed(BOB.address, 2, 0))
    assert alice.peer(BOB.address).sent == 7


def test_a_gap_in_the_peers_numbers_is_made_good_apart_from_our_own_count() -> None:
    alice = CoreNode(ALICE)
    alice.lose_tail()
    alice.record(events.DeliveryResumed(BOB.address, 0, 9))
    peer = alice.peer(BOB.address)
    assert (peer.sent, peer.received, peer.resumed_cut, peer.gap_cut) == (0, 9, 0, 1)


def test_an_unreceipted_channel_is_known_until_its_receipt() -> None:
    bob = opened().bob
    bob.record(voucher(events.VoucherReceived))
    assert bob.state.unreceipted == {CHANNEL}
    bob.record(events.ReceiptIssued(CHANNEL, AMOUNT, 1, ONE, bytes(65)))
    assert bob.state.unreceipted == set()


def test_a_refused_channel_is_known_until_it_is_sent_again_or_receipted() -> None:
    refusal = events.VoucherRefusalReceived(CHANNEL, BOB.address, ONE, AMOUNT, bytes(32), "X", "")
    receipt = events.ReceiptReceived(CHANNEL, AMOUNT, 1, ONE, bytes(65))
    for end in (events.VoucherResent(CHANNEL, ONE, AMOUNT), receipt):
        alice = opened().alice
        alice.record(voucher(events.VoucherIssued))
        alice.record(refusal)
        assert alice.state.refused == {CHANNEL}
        alice.record(end)
        assert alice.state.refused == set()


def test_a_receipt_for_a_part_leaves_a_refusal_in_force() -> None:
    alice = opened().alice
    for total in (5, 10):
        fact = events.VoucherIssued(CHANNEL, ONE, AMOUNT, amount_to_bytes(total), bytes(65))
        alice.record(fact)
    alice.record(
        events.VoucherRefusalReceived(
            CHANNEL, BOB.address, ONE, amount_to_bytes(10), AMOUNT, "X", ""
        )
    )
    alice.record(events.ReceiptReceived(CHANNEL, AMOUNT, 1, ONE, bytes(65)))
    assert alice.state.refused == {CHANNEL}


# --- objectives, the chain, the log ---


def test_a_rejected_funding_rejects_its_channel_and_a_rejected_close_does_not() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.record(events.ObjectiveRejected(FUND, "no"))
    assert alice.channel().rejected
    other = opened().alice
    close = objective_id(ObjectiveType.DIRECT_DEFUND, CHANNEL)
    people = other.channel().fixed.participants
    other.record(events.ObjectiveCreated(close, "DirectDefund", CHANNEL, people))
    other.record(events.ObjectiveRejected(close, "no"))
    assert not other.channel().rejected


def test_a_cut_tail_restricts_the_channels_that_existed() -> None:
    alice = opened().alice
    alice.lose_tail()
    assert alice.channel().close_only
    assert alice.state.node.tail_cut_count == 1
    alice.feed(open_command(nonce_entropy=b"next"))
    newest = [c for c in map(alice.channel, alice.state.channels) if c.channel_id != CHANNEL]
    assert [channel.close_only for channel in newest] == [False]


def test_a_digest_in_the_log_changes_nothing() -> None:
    alice = opened().alice
    before = alice.state.digest()
    alice.record(events.StateDigestRecorded(before, 5, True))
    assert alice.state.digest() == before


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


def test_a_digest_kept_up_to_date_equals_one_from_nothing() -> None:
    network = opened()
    kept = Digest()
    for number in range(1, 6):
        pay(network, 10, number)
        network.settle()
        assert kept.update(network.bob.state) == by_hand(network.bob.state)
    assert kept.entity_count == len(list(network.bob.state.entities()))


CHANGES: list[events.Event] = [
    events.PeerMisbehaved(BOB.address, "X", "why", 1),
    events.ChainBlockProcessed(99, block_hash(99)),
    events.TransactionRequested(ONE, "deposit", CHANNEL, bytes(20), bytes(32), b""),
    voucher(events.VoucherIssued),
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


# --- replay ---


def test_a_replay_of_the_events_is_the_state() -> None:
    network = opened()
    for number in range(1, 4):
        pay(network, 10, number)
    network.settle()
    for node in network.nodes.values():
        replayed = node.fold()
        assert replayed.digest() == node.state.digest()
        assert replayed.unreceipted == node.state.unreceipted
        assert replayed.refused == node.state.refused
        assert replayed.nodes[NODE_KEY] == node.state.node


def test_two_nodes_hold_one_channel_from_two_sides() -> None:
    network: Network = opened()
    one, other = network.alice.channel(), network.bob.channel()
    assert replace(one, my_index=1) == other
