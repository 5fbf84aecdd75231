"""How a channel changes by each event: small pure functions that trust what was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import events
from protocols.channel import Channel, FinalRequest
from protocols.channel_reducers import CHANNEL_REDUCERS, created, relearnt, restricted
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, FIXED, final, state

EMPTY = Channel(CHANNEL, FIXED, 0)
SIGNATURE = b"\x05" * 65
ONE = b"\x01" * 32


def after(channel: Channel, *facts: events.Event) -> Channel:
    for fact in facts:
        channel = CHANNEL_REDUCERS[type(fact)](channel, fact)
    return channel


def test_a_created_channel_knows_our_place_in_it() -> None:
    fact = events.ChannelCreated(
        CHANNEL,
        FIXED.participants,
        FIXED.channel_nonce,
        FIXED.app_definition,
        FIXED.challenge_duration,
    )
    assert created(fact, ALICE.address) == EMPTY
    assert created(fact, BOB.address) == replace(EMPTY, my_index=1)
    with pytest.raises(ValueError, match="not in tuple"):
        created(fact, b"\x01" * 20)


# --- states ---


def test_a_stored_state_is_known_and_gathers_signatures_by_participant() -> None:
    known = final(3)
    state_hash = known.state_hash()
    channel = after(
        EMPTY,
        events.StateStored(CHANNEL, state_hash, known.encode()),
        events.StateReceived(CHANNEL, 3, state_hash, BOB.address, SIGNATURE, True),
    )
    (turn,) = channel.turns
    assert (turn.turn_num, turn.is_final, turn.state_hash) == (3, True, state_hash)
    assert turn.signatures == (b"", SIGNATURE)
    both = after(
        channel, events.StateSigned(CHANNEL, 3, state_hash, ALICE.address, b"\x06" * 65, True)
    )
    assert both.turns[0].signatures == (b"\x06" * 65, SIGNATURE)


def test_a_signature_goes_to_its_turn_alone() -> None:
    stored = [events.StateStored(CHANNEL, s.state_hash(), s.encode()) for s in (state(0), state(1))]
    fact = events.StateSigned(CHANNEL, 1, state(1).state_hash(), ALICE.address, SIGNATURE, False)
    first, second = after(EMPTY, *stored, fact).turns
    assert first.signatures == (b"", b"")
    assert second.signatures == (SIGNATURE, b"")


def test_support_is_the_recorded_turn() -> None:
    assert EMPTY.supported_turn == -1
    assert after(EMPTY, events.StateSupportedUpdated(CHANNEL, 1, ONE, 2, 0)).supported_turn == 1


def test_finality_is_implied_by_the_states() -> None:
    assert after(EMPTY, events.ChannelFinalized(CHANNEL, 3, ONE)) is EMPTY


def test_a_request_for_the_final_state_replaces_the_same_partys_last_one() -> None:
    channel = after(
        EMPTY,
        events.FinalStateRequested(CHANNEL, BOB.address, amount_to_bytes(5), SIGNATURE),
        events.FinalStateRequested(CHANNEL, ALICE.address, amount_to_bytes(0)),
        events.FinalStateRequested(CHANNEL, BOB.address, amount_to_bytes(6), SIGNATURE),
    )
    assert channel.final_requests == (
        FinalRequest(ALICE.address, 0, b""),
        FinalRequest(BOB.address, 6, SIGNATURE),
    )


def test_a_refusal_binds_its_turn_and_shows_a_voucher() -> None:
    fact = events.FinalStateRefused(CHANNEL, 3, BOB.address, amount_to_bytes(9), SIGNATURE)
    asked = after(
        EMPTY,
        events.FinalStateRequested(CHANNEL, ALICE.address, amount_to_bytes(0)),
        events.FinalStateRequested(CHANNEL, BOB.address, amount_to_bytes(5), SIGNATURE),
    )
    channel = after(asked, fact)
    assert channel.refused_turns == (3,)
    assert channel.final_requests == (
        FinalRequest(ALICE.address, 0, b""),
        FinalRequest(BOB.address, 9, SIGNATURE),
    )


# --- payments ---


def paid(number: int, total: int, kind: Any = events.VoucherIssued) -> events.Event:
    made: events.Event = kind(
        CHANNEL,
        number.to_bytes(32, "big"),
        amount_to_bytes(10),
        amount_to_bytes(total),
        SIGNATURE,
        "tea",
    )
    return made


@pytest.mark.parametrize("kind", [events.VoucherIssued, events.VoucherReceived])
def test_a_voucher_raises_the_total_and_waits_for_its_receipt(kind: Any) -> None:
    vouchers = after(EMPTY, paid(1, 10, kind), paid(2, 20, kind)).vouchers
    assert (vouchers.total, vouchers.payment_count, vouchers.signature) == (20, 2, SIGNATURE)
    assert [(p.amount, p.total, p.memo) for p in vouchers.pending] == [
        (10, 10, "tea"),
        (10, 20, "tea"),
    ]


@pytest.mark.parametrize("kind", [events.ReceiptIssued, events.ReceiptReceived])
def test_a_receipt_covers_the_oldest_payments(kind: Any) -> None:
    paid_thrice = after(EMPTY, paid(1, 10), paid(2, 20), paid(3, 30))
    vouchers = after(paid_thrice, kind(CHANNEL, amount_to_bytes(20), 2, ONE, SIGNATURE)).vouchers
    assert (vouchers.receipted_total, vouchers.receipted_count) == (20, 2)
    assert (vouchers.receipt_root, vouchers.receipt_signature) == (ONE, SIGNATURE)
    assert [payment.total for payment in vouchers.pending] == [30]
    assert vouchers.total == 30


def refusal(total: int, base: int) -> events.Event:
    return events.VoucherRefusalReceived(
        CHANNEL, BOB.address, ONE, amount_to_bytes(total), amount_to_bytes(base), "X", "why"
    )


def resent(total: int) -> events.Event:
    return events.VoucherResent(CHANNEL, ONE, amount_to_bytes(total))


def test_a_refusal_keeps_the_payees_base_until_the_rest_was_sent_again() -> None:
    refused = after(EMPTY, paid(1, 10), paid(2, 20), refusal(20, 10))
    assert refused.vouchers.refused_at == 10
    again = after(refused, resent(20))
    assert again.vouchers.refused_at == -1
    assert after(again, resent(20)) is again
    from_nothing = after(EMPTY, paid(1, 10), refusal(10, 0), resent(10))
    assert from_nothing.vouchers.refused_at == -1


def test_a_refusal_of_what_the_payee_has_accepted_asks_for_nothing() -> None:
    channel = after(EMPTY, paid(1, 10), paid(2, 20))
    assert after(channel, refusal(10, 10)) is channel
    assert after(channel, refusal(10, 20)) is channel


def test_a_receipt_for_everything_ends_a_refusal() -> None:
    refused = after(EMPTY, paid(1, 10), paid(2, 20), refusal(20, 0))
    partly = after(refused, events.ReceiptReceived(CHANNEL, amount_to_bytes(10), 1, ONE, SIGNATURE))
    assert partly.vouchers.refused_at == 0
    wholly = after(partly, events.ReceiptReceived(CHANNEL, amount_to_bytes(20), 1, ONE, SIGNATURE))
    assert wholly.vouchers.refused_at == -1


def test_only_a_channel_that_others_propose_is_asked_about_after_a_cut_tail() -> None:
    assert not relearnt(replace(EMPTY, my_index=0)).unread
    assert relearnt(replace(EMPTY, my_index=1)).unread


def test_a_cut_tail_leaves_a_channel_to_be_closed_only() -> None:
    assert restricted(EMPTY).close_only
