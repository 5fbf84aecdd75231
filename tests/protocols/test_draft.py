"""The working copy of a crank: reads fall through, writes stay, intents are bounded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import events, messages
from protocols.draft import CrankResult, Draft
from protocols.effects import BroadcastTransaction, SendMessage
from protocols.objectives.base import WaitingFor
from protocols.transactions import ATTEMPT_COUNT_MAX, Transaction, intent_id
from protocols.types import amount_to_bytes, to_hex
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    ADJUDICATOR,
    CHANNEL,
    block_hash,
    final_request,
    open_command,
    payment,
    tx_hash,
    voucher_signature,
)
from tests.support.network import CoreNode, opened, pay

OBJECTIVE = b"\x0b" * 32


def draft_of(node: CoreNode) -> Draft:
    return Draft(node.state, node.context())


def test_an_emitted_fact_is_seen_by_the_draft_and_not_by_the_state_below() -> None:
    bob = opened().bob
    draft = draft_of(bob)
    before = bob.state.digest()
    draft.emit(events.LogTailCut(1, 2, "x"))
    assert draft.state.channels[CHANNEL].close_only
    assert not bob.channel().close_only
    assert bob.state.digest() == before
    assert draft.events == [events.LogTailCut(1, 2, "x")]


def test_an_objective_message_is_recorded_and_numbered() -> None:
    draft = draft_of(CoreNode(ALICE))
    draft.send(BOB.address, final_request(0), OBJECTIVE)
    draft.send(BOB.address, final_request(5), OBJECTIVE)
    assert [getattr(effect, "sequence", 0) for effect in draft.effects] == [1, 2]
    recorded = draft.events[0]
    assert isinstance(recorded, events.MessageSent)
    assert recorded.peer_id == to_hex(BOB.address)
    assert recorded.payload_type == "FinalStateRequest"
    assert recorded.payload_size_bytes == len(messages.encode_body(final_request(0)))


def test_a_message_that_is_its_own_fact_takes_a_number_as_well() -> None:
    draft = draft_of(opened().alice)
    fact = events.VoucherIssued(
        CHANNEL, bytes(32), amount_to_bytes(5), amount_to_bytes(5), voucher_signature(5)
    )
    sent = draft.state.peer(BOB.address).sent
    draft.send_covered(BOB.address, payment(5, 5), fact)
    expected = SendMessage(BOB.address, sent + 1, messages.encode_body(payment(5, 5)))
    assert draft.effects == [expected]
    assert draft.events == [fact]


def test_a_fact_that_counts_no_message_is_a_bug() -> None:
    draft = draft_of(opened().alice)
    with pytest.raises(AssertionError):
        draft.send_covered(BOB.address, payment(5, 5), events.LogTailCut(1, 2, "x"))
    with pytest.raises(AssertionError):
        draft.send_covered(BOB.address, final_request(0), events.LogTailCut(1, 2, "x"))


def ask(draft: Draft) -> bool:
    return draft.request_transaction("deposit", CHANNEL, ADJUDICATOR, 5, b"data")


def test_one_attempt_is_under_way_at_a_time() -> None:
    draft = draft_of(CoreNode(ALICE))
    assert draft.latest_transaction("deposit", CHANNEL) == (-1, None)
    assert ask(draft)
    assert not ask(draft)
    identity = intent_id("deposit", CHANNEL, 0)
    draft.emit(events.TransactionSubmitted(identity, tx_hash(1), ALICE.address, 0, b"raw"))
    assert not ask(draft)
    assert draft.request_transaction("conclude", CHANNEL, ADJUDICATOR, 0, b"")


def test_a_done_transaction_is_not_asked_for_again() -> None:
    draft = draft_of(CoreNode(ALICE))
    ask(draft)
    identity, gas_price = intent_id("deposit", CHANNEL, 0), amount_to_bytes(1)
    mined = events.TransactionMined(identity, tx_hash(1), 1, block_hash(1), 1, gas_price, True)
    draft.emit(mined)
    assert not ask(draft)


def test_what_repeats_is_asked_for_again_when_it_was_mined() -> None:
    draft = draft_of(CoreNode(ALICE))
    request = ("approve", CHANNEL, ADJUDICATOR, 0, b"call")
    assert draft.request_transaction(*request, repeats=True)
    assert not draft.request_transaction(*request, repeats=True)
    identity, gas_price = intent_id("approve", CHANNEL, 0), amount_to_bytes(1)
    draft.emit(events.TransactionMined(identity, tx_hash(1), 1, block_hash(1), 1, gas_price, True))
    assert not draft.request_transaction(*request)
    assert draft.request_transaction(*request, repeats=True)
    assert draft.latest_transaction("approve", CHANNEL)[0] == 1


def test_attempts_are_bounded() -> None:
    draft = draft_of(CoreNode(ALICE))
    for attempt in range(ATTEMPT_COUNT_MAX):
        assert ask(draft)
        draft.emit(events.TransactionFailed(intent_id("deposit", CHANNEL, attempt), "refused"))
        assert not ask(draft)
        draft.context = replace(draft.context, now_ms=draft.context.now_ms + 10**6)
    assert not ask(draft)
    number, newest = draft.latest_transaction("deposit", CHANNEL)
    assert number == ATTEMPT_COUNT_MAX - 1
    assert newest is not None
    assert newest.failure == "refused"


def test_a_broadcast_is_work_without_a_fact() -> None:
    draft = draft_of(CoreNode(ALICE))
    earlier = (tx_hash(2),)
    signed = Transaction(
        bytes(32), "deposit", CHANNEL, tx_hash=tx_hash(1), raw=b"raw", deadline_s=9, earlier=earlier
    )
    draft.broadcast(signed)
    expected = (BroadcastTransaction(bytes(32), tx_hash(1), b"raw", 9, earlier),)
    assert draft.result(WaitingFor.APPROVAL) == CrankResult((), expected, WaitingFor.APPROVAL)


def test_what_waits_for_a_receipt_or_a_resend_is_read_from_the_state_below() -> None:
    network = opened()
    pay(network, 5, 1)
    network.deliver(network.alice)
    assert draft_of(network.bob).unreceipted == {CHANNEL}
    assert draft_of(network.bob).refused == frozenset()
    assert draft_of(network.alice).unreceipted == frozenset()
    network.bob.chain_view_age_s = 10**6
    pay(network, 5, 2)
    network.deliver(network.alice, 1)
    network.acknowledge(network.bob)
    network.deliver(network.bob)
    assert draft_of(network.alice).refused == {CHANNEL}


def test_a_command_sees_its_own_facts_while_it_is_cranked() -> None:
    alice = CoreNode(ALICE)
    result = alice.crank(open_command())
    assert len(result.events) > 4
    assert len(alice.log) == 1
