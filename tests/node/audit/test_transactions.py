"""Intents and objectives: begun before they end, ended once, and no deposit made twice."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.transactions import ObjectiveCheck, TransactionCheck
from protocols import events
from protocols.abi import encode_approve_call
from protocols.crypto import keccak256
from protocols.transaction_events import TransactionHeldBack, TransactionReplaced
from protocols.transactions import fill_kind, intent_id
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.audit_cases import (
    History,
    MakesCheck,
    alice,
    alice_with_a_token,
    bob,
    changed,
    doubled,
    inserted,
    messages,
    nth,
    without,
)
from tests.support.builders import ADJUDICATOR

REQUESTED, SUBMITTED = events.TransactionRequested, events.TransactionSubmitted
MINED, FAILED = events.TransactionMined, events.TransactionFailed


@pytest.mark.parametrize("check", [TransactionCheck, ObjectiveCheck])
@pytest.mark.parametrize("history", [alice, bob, alice_with_a_token])
def test_an_honest_history_breaks_no_rule(
    history: Callable[[], History], check: MakesCheck
) -> None:
    assert messages(check, history()) == []


def one(
    history: History,
    words: str,
    kind: type[events.Event],
    index: int = 0,
    check: MakesCheck = TransactionCheck,
) -> None:
    seq, _ = nth(history, kind, index)
    found = messages(check, history)
    assert any(at == seq and words in message for at, message in found), found


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channel_id": b"\x99" * 32}, "a channel that was never created"),
        ({"to": b"\x01" * 20}, "does not go to the adjudicator"),
        ({"intent_id": b"\x01" * 32}, "no fresh attempt's"),
        ({"kind": "conclude"}, "no fresh attempt's"),
        ({"value": amount_to_bytes(10**18 + 1)}, "more than our share"),
    ],
)
def test_an_intent_is_an_attempt_at_a_call_of_ours(fields: dict[str, object], words: str) -> None:
    one(changed(alice(), REQUESTED, **fields), words, REQUESTED)


def test_our_share_must_be_known() -> None:
    one(without(alice(), events.StateStored), "our share of the channel is unknown", REQUESTED)


def second_deposit() -> events.TransactionRequested:
    _, first = nth(alice(), REQUESTED)
    again = intent_id("deposit", first.channel_id, 1)
    return REQUESTED(again, "deposit", first.channel_id, first.to, first.value, first.data)


def test_a_second_deposit_waits_for_the_failure_of_the_first() -> None:
    words = "an earlier attempt at this deposit is under way or done"
    one(inserted(alice(), second_deposit(), SUBMITTED), words, REQUESTED, 1)
    _, mined = nth(alice(), MINED)
    history = alice()
    history.insert(history.index(mined) + 1, second_deposit())
    one(history, words, REQUESTED, 1)
    reverted = changed(history, MINED, succeeded=False)
    assert messages(TransactionCheck, reverted) == []
    _, first = nth(alice(), REQUESTED)
    refused = inserted(alice(), FAILED(first.intent_id, "would revert"), SUBMITTED)
    refused = inserted(refused, second_deposit(), SUBMITTED)
    assert not any(words in message for _, message in messages(TransactionCheck, refused))


def test_what_was_mined_in_a_replaced_block_is_mined_again() -> None:
    _, mined = nth(alice(), MINED)
    for fork_block_num, words in ((mined.block_num, None), (mined.block_num + 1, "ended before")):
        reorged = events.ChainReorged(fork_block_num, b"\x01" * 32, b"\x02" * 32)
        history = alice()
        place = history.index(mined) + 1
        history[place:place] = [reorged, mined]
        if words is None:
            assert messages(TransactionCheck, history) == []
        else:
            one(history, words, MINED, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": b"\x01" * 20}, "does not go to the channel's token"),
        ({"data": encode_approve_call(BOB.address, 1)}, "no approval for the adjudicator"),
        ({"data": encode_approve_call(ADJUDICATOR, 1)[:-1]}, "no approval for the adjudicator"),
        ({"data": b"\0" + encode_approve_call(ADJUDICATOR, 1)[1:]}, "no approval for the"),
        ({"data": encode_approve_call(ADJUDICATOR, 10**18 + 1)}, "approves more than our share"),
        ({"value": amount_to_bytes(10**18 + 1)}, "more than our share"),
        ({"kind": "deposit"}, "does not go to the adjudicator"),
    ],
)
def test_an_approval_lets_the_adjudicator_take_our_share_of_the_token(
    fields: dict[str, object], words: str
) -> None:
    one(changed(alice_with_a_token(), REQUESTED, **fields), words, REQUESTED)


def test_an_approval_is_asked_for_again_when_it_is_over_and_not_before() -> None:
    _, first = nth(alice_with_a_token(), REQUESTED)
    again = replace(first, intent_id=intent_id("approve", first.channel_id, 1))
    history = inserted(alice_with_a_token(), again, REQUESTED, 1)
    assert messages(TransactionCheck, history) == []
    early = inserted(alice_with_a_token(), again, SUBMITTED)
    one(early, "an earlier attempt at this approve is under way or done", REQUESTED, 1)


def test_what_is_submitted_was_requested_and_is_ours() -> None:
    one(without(alice(), REQUESTED), "never requested", SUBMITTED)
    one(doubled(alice(), SUBMITTED), "submitted before", SUBMITTED, 1)
    one(changed(alice(), SUBMITTED, raw=b"other"), "not that of the raw bytes", SUBMITTED)
    one(changed(alice(), SUBMITTED, sender=BOB.address), "not by us", SUBMITTED)


def test_what_is_mined_was_submitted_and_ends_once() -> None:
    one(changed(alice(), MINED, tx_hash=b"\x01" * 32), "not the transaction", MINED)
    one(without(alice(), REQUESTED), "never requested", MINED)
    one(doubled(alice(), MINED), "ended before", MINED, 1)
    _, mined = nth(alice(), MINED)
    history = alice()
    history.insert(history.index(mined) + 1, FAILED(mined.intent_id, "late"))
    one(history, "ended before", FAILED)


CREATED, COMPLETED = events.ObjectiveCreated, events.ObjectiveCompleted
APPROVED, CRANKED = events.ObjectiveApproved, events.ObjectiveCranked


def higher(**changes: object) -> TransactionReplaced:
    """A higher bid for ALICE's deposit."""
    _, first = nth(alice(), SUBMITTED)
    raw = b"higher"
    fees = [amount_to_bytes(fee) for fee in (80, 8, 90, 9)]
    name = keccak256(raw)
    bid = TransactionReplaced(first.intent_id, first.tx_hash, name, first.nonce, *fees, raw, "slow")
    return replace(bid, **changes)


def test_a_higher_bid_follows_the_newest_and_either_may_be_mined() -> None:
    honest = inserted(alice(), higher(), MINED)
    assert messages(TransactionCheck, honest) == []
    again = changed(honest, MINED, tx_hash=higher().tx_hash)
    assert messages(TransactionCheck, again) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"old_tx_hash": b"\x99" * 32}, "another transaction than the newest"),
        ({"nonce": 99}, "another nonce"),
        ({"tx_hash": b"\x99" * 32}, "not that of the raw bytes"),
        ({"max_fee": amount_to_bytes(80)}, "bids no more"),
        ({"priority_fee": amount_to_bytes(8)}, "bids no more"),
        ({"intent_id": b"\x99" * 32}, "another transaction than the newest"),
    ],
)
def test_a_bid_that_replaces_nothing_is_found(fields: dict[str, object], words: str) -> None:
    one(inserted(alice(), higher(**fields), MINED), words, TransactionReplaced)


def test_a_bid_for_what_ended_is_found() -> None:
    words = "the intent ended before"
    one(inserted(alice(), higher(), events.ObjectiveCompleted), words, TransactionReplaced)


def test_what_is_held_back_has_a_deadline_and_is_under_way() -> None:
    _, order = nth(alice(), REQUESTED)
    prices = amount_to_bytes(600), amount_to_bytes(500)
    held = TransactionHeldBack(order.intent_id, order.channel_id, *prices, 99, 7, 3)
    dated = changed(alice(), REQUESTED, deadline_s=99)
    assert messages(TransactionCheck, inserted(dated, held, MINED)) == []
    one(inserted(alice(), held, MINED), "another deadline", TransactionHeldBack)
    late = inserted(dated, held, events.ObjectiveCompleted)
    one(late, "the intent ended before", TransactionHeldBack)
    stranger = replace(held, channel_id=b"\x99" * 32)
    one(inserted(dated, stranger, MINED), "no such intent", TransactionHeldBack)


def test_what_fills_a_nonce_sends_nothing_and_to_nobody_else() -> None:
    _, order = nth(alice(), REQUESTED)
    kind = fill_kind(3)
    identity = intent_id(kind, order.channel_id, 0)
    nothing = (kind, order.channel_id, ALICE.address, bytes(32), b"")
    filled = events.TransactionRequested(identity, *nothing)
    assert messages(TransactionCheck, inserted(alice(), filled, MINED)) == []
    for wrong in (
        {"to": order.to},
        {"data": b"\x01"},
        {"value": amount_to_bytes(1)},
    ):
        said = messages(TransactionCheck, inserted(alice(), replace(filled, **wrong), MINED))
        assert any("what fills a nonce" in message for _, message in said)


def test_what_a_fork_took_back_may_be_mined_again() -> None:
    _, mined = nth(alice(), MINED)
    fork = events.ChainReorged(mined.block_num, mined.block_hash, b"\x99" * 32)
    again = inserted(
        inserted(alice(), fork, events.ObjectiveCompleted), mined, events.ObjectiveCompleted
    )
    assert messages(TransactionCheck, again) == []


def test_an_objective_is_named_by_its_type_and_channel_and_created_once() -> None:
    one(doubled(alice(), CREATED), "created before", CREATED, 1, ObjectiveCheck)
    wrong = changed(alice(), CREATED, objective_type="DirectDefund")
    one(wrong, "its id is not that of its type", CREATED, 0, ObjectiveCheck)
    other = changed(alice(), CREATED, objective_type="Conquest")
    one(other, "no objective is called Conquest", CREATED, 0, ObjectiveCheck)


def test_an_objective_lives_from_its_creation_to_its_one_end() -> None:
    one(without(alice(), CREATED), "never created", APPROVED, 0, ObjectiveCheck)
    one(doubled(alice(), COMPLETED), "ended before", COMPLETED, 1, ObjectiveCheck)
    _, ended = nth(alice(), COMPLETED)
    late = [*alice(), events.ObjectiveRejected(ended.objective_id, "late")]
    one(late, "ended before", events.ObjectiveRejected, 0, ObjectiveCheck)
    assert messages(ObjectiveCheck, doubled(alice(), CRANKED, -1)) == []
