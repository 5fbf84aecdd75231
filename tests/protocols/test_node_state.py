"""The fold of every event: one after the other, in runs, and again from the log."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import events, payment_events
from protocols.chain_reducers import CHAIN_REDUCERS
from protocols.channel_reducers import CHANNEL_REDUCERS
from protocols.conversation_reducers import CONVERSATION_REDUCERS
from protocols.entities import NODE_KEY
from protocols.event_codec import EVENTS
from protocols.node_state import _REDUCERS, NodeState, apply, apply_all
from protocols.objectives.base import OBJECTIVE_REDUCERS, ObjectiveType, objective_id
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, open_command
from tests.support.network import CoreNode, Network, opened, pay

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
ONE = b"\x01" * 32


def test_every_event_of_the_catalogue_is_folded() -> None:
    assert set(_REDUCERS) == set(EVENTS.values())


def test_no_room_takes_an_event_from_another() -> None:
    for rooms_own in (CONVERSATION_REDUCERS, CHAIN_REDUCERS):
        assert {kind: _REDUCERS[kind] for kind in rooms_own} == rooms_own
    assert not set(CHAIN_REDUCERS) & {*CHANNEL_REDUCERS, *OBJECTIVE_REDUCERS}
    assert not set(CONVERSATION_REDUCERS) & set(OBJECTIVE_REDUCERS)


def test_record_0_says_who_we_are() -> None:
    node = CoreNode(ALICE).state.node
    assert (node.address, node.chain_id, node.processed_block_num) == (ALICE.address, 31_337, -1)


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


@pytest.mark.slow
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


# --- objectives, the log ---


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


def test_a_restore_restricts_them_as_well_with_turns_of_its_own() -> None:
    alice, other = opened().alice, opened().alice
    alice.record(events.NodeRestored(10, bytes(32), 1, 1_000))
    other.lose_tail()
    assert alice.channel().close_only
    assert alice.state.node.tail_cut_count == 1
    assert alice.channel().final_turn_min == other.channel().final_turn_min + 1_000


def test_a_digest_in_the_log_changes_nothing() -> None:
    alice = opened().alice
    before = alice.state.digest()
    alice.record(events.StateDigestRecorded(before, 5, True, 1))
    assert alice.state.digest() == before


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
