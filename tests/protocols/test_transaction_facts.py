"""Higher bids are recorded before they leave, and only for what is still open."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import events, inputs
from protocols.draft import Draft
from protocols.effects import BroadcastTransaction
from protocols.transactions import (
    FILLED_NONCE_COUNT_MAX,
    OUT_OF_GAS,
    REPLACEMENT_COUNT_MAX,
    REVERTED,
    TransactionStatus,
    intent_id,
)
from tests.support.actors import ALICE
from tests.support.builders import ADJUDICATOR, CHANNEL, block_hash, tx_hash
from tests.support.network import CoreNode
from tests.support.playbook import names

INTENT = intent_id("challenge", CHANNEL, 0)
DEADLINE_S = 1_704_070_800
SIGNED = inputs.TransactionSigned(INTENT, tx_hash(1), ALICE.address, 4, b"first")
HIGHER = inputs.TransactionReplaced(
    INTENT, tx_hash(1), tx_hash(2), 4, (80, 8), (90, 9), b"second", "deadline"
)
HELD = inputs.TransactionHeldBack(INTENT, 600, 500, 7, 3)


def asked(deadline_s: int = DEADLINE_S) -> CoreNode:
    """ALICE who wants a call on the chain."""
    alice = CoreNode(ALICE)
    order = events.TransactionRequested(
        INTENT, "challenge", CHANNEL, ADJUDICATOR, bytes(32), b"", deadline_s
    )
    alice.record(order)
    return alice


def receipt(name: bytes) -> inputs.TransactionReceipt:
    return inputs.TransactionReceipt(INTENT, name, 9, block_hash(9), 50_000, 7, True)


def test_a_higher_bid_is_recorded_and_then_broadcast_beside_the_names_of_those_before() -> None:
    alice = asked()
    alice.feed(SIGNED)
    assert names(alice.feed(HIGHER)) == ["transaction-replaced", "broadcast"]
    third = replace(
        HIGHER, old_tx_hash=tx_hash(2), tx_hash=tx_hash(3), raw=b"third", reason="underpriced"
    )
    alice.feed(third)
    assert alice.broadcasts == [
        BroadcastTransaction(INTENT, tx_hash(1), b"first", DEADLINE_S),
        BroadcastTransaction(INTENT, tx_hash(2), b"second", DEADLINE_S, (tx_hash(1),)),
        BroadcastTransaction(INTENT, tx_hash(3), b"third", DEADLINE_S, (tx_hash(1), tx_hash(2))),
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"old_tx_hash": tx_hash(9)}, {"nonce": 5}, {"intent_id": b"\x09" * 32}],
)
def test_a_bid_that_does_not_follow_the_newest_leads_to_nothing(wrong: dict[str, bytes]) -> None:
    alice = asked()
    alice.feed(SIGNED)
    assert names(alice.feed(replace(HIGHER, **wrong))) == []


def test_a_bid_for_what_is_not_signed_or_over_leads_to_nothing() -> None:
    alice = asked()
    assert names(alice.feed(HIGHER)) == []
    alice.feed(SIGNED)
    alice.feed(receipt(tx_hash(1)))
    assert names(alice.feed(HIGHER)) == []


def test_bids_have_an_end() -> None:
    alice = asked()
    alice.feed(SIGNED)
    for number in range(1, REPLACEMENT_COUNT_MAX + 1):
        bid = replace(HIGHER, old_tx_hash=tx_hash(number), tx_hash=tx_hash(number + 1))
        assert names(alice.feed(bid)) == ["transaction-replaced", "broadcast"]
    last = REPLACEMENT_COUNT_MAX + 1
    bid = replace(HIGHER, old_tx_hash=tx_hash(last), tx_hash=tx_hash(last + 1))
    assert names(alice.feed(bid)) == []


def test_an_earlier_bid_may_be_the_one_that_is_mined_and_a_fork_sends_the_newest_again() -> None:
    alice = asked()
    alice.feed(SIGNED)
    alice.feed(HIGHER)
    assert names(alice.feed(receipt(tx_hash(1))))[0] == "transaction-mined"
    assert alice.state.transactions[INTENT].status == TransactionStatus.MINED
    alice.broadcasts.clear()
    alice.feed(inputs.ChainReorg(9, block_hash(9), block_hash(9, fork=1)))
    newest = BroadcastTransaction(INTENT, tx_hash(2), b"second", DEADLINE_S, (tx_hash(1),))
    assert alice.broadcasts == [newest]


def test_a_ceiling_in_the_way_of_a_deadline_is_recorded_once_until_a_higher_bid() -> None:
    alice = asked()
    assert names(alice.feed(HELD)) == ["transaction-held-back"]
    assert names(alice.feed(HELD)) == []
    (fact,) = alice.events_of("transaction-held-back")
    assert (fact.channel_id, fact.deadline_s, fact.blocks_left) == (CHANNEL, DEADLINE_S, 3)
    assert alice.state.transactions[INTENT].held_back
    alice.feed(SIGNED)
    alice.feed(HIGHER)
    assert not alice.state.transactions[INTENT].held_back
    assert names(alice.feed(HELD)) == ["transaction-held-back"]
    alice.feed(receipt(tx_hash(2)))
    assert not alice.state.transactions[INTENT].held_back
    assert names(alice.feed(HELD)) == []


def test_what_has_no_deadline_is_held_back_without_an_alarm() -> None:
    assert names(asked(0).feed(HELD)) == []


@pytest.mark.parametrize("failure", [OUT_OF_GAS, REVERTED])
def test_an_attempt_after_one_that_was_mined_and_failed_is_given_more_gas(failure: str) -> None:
    alice = asked()
    alice.feed(SIGNED)
    alice.feed(replace(receipt(tx_hash(1)), succeeded=False, failure=failure))
    assert alice.state.transactions[INTENT].failure == failure
    draft = Draft(alice.state, replace(alice.context(), now_ms=alice.context().now_ms + 60_000))
    call = ("challenge", CHANNEL, ADJUDICATOR, 0, b"")
    assert draft.request_transaction(*call, deadline_s=DEADLINE_S)
    (order,) = draft.effects
    assert (order.gas_margin_percent, order.deadline_s) == (200, DEADLINE_S)


def missing(**changes: int) -> inputs.NonceMissing:
    return replace(inputs.NonceMissing(INTENT, 2, 2, DEADLINE_S), **changes)


def test_missing_nonces_are_filled_by_sending_ourselves_nothing_once() -> None:
    alice = asked()
    assert names(alice.feed(missing())) == [], "it is not signed yet"
    alice.feed(SIGNED)
    alice.feed(missing())
    orders = alice.submissions
    assert [(o.kind, o.to, any(o.value), o.data, o.deadline_s) for o in orders] == [
        ("fill 2", ALICE.address, False, b"", DEADLINE_S),
        ("fill 3", ALICE.address, False, b"", DEADLINE_S),
    ]
    assert alice.feed(missing()).events == ()
    filled = alice.submissions[0].intent_id
    alice.feed(inputs.TransactionSigned(filled, tx_hash(7), ALICE.address, 2, b"nothing"))
    assert alice.state.transactions[filled].nonce == 2
    assert alice.fold().transactions[filled] == alice.state.transactions[filled]


def test_only_so_many_are_filled_at_once() -> None:
    alice = asked()
    alice.feed(SIGNED)
    alice.feed(missing(count=10**6))
    assert len(alice.submissions) == FILLED_NONCE_COUNT_MAX
