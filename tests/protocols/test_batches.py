"""Batches, line by line of M13: whole or not at all, from the right base, each payment once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.crypto import merkle_root, payment_leaf
from protocols.errors import InvalidWidth, UnknownChannel
from protocols.messages import BATCH_MEMO_SIZE_BYTES_MAX, BATCH_PAYMENT_COUNT_MAX, TEXT_LENGTH_MAX
from protocols.payment_errors import (
    AmountAboveDeposit,
    AmountNotPositive,
    ChannelCloseOnly,
    NotThePayer,
    PaymentListTooLong,
    PaymentRefused,
    TooManyPaymentsInFlight,
)
from protocols.payments import PAYMENTS_IN_FLIGHT_COUNT_MAX
from protocols.types import amount_from_bytes, amount_to_bytes
from protocols.voucher import sign_voucher, verify_voucher
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S, payment
from tests.support.network import CoreNode, Network, Said, opened, pay
from tests.support.playbook import Playbook, names

STALE_S = DURATION_S // 3 + 1
PREFIX = b"\x07" * 28


def batch(*amounts: int, **changes: Any) -> commands.SendBatch:
    command = commands.SendBatch(CHANNEL, amounts, ("",) * len(amounts), PREFIX)
    return replace(command, **changes)


def listed(start: int, *amounts: int, **changes: Any) -> messages.PaymentBatch:
    """What ALICE says when she pays these amounts from there; the ids are the totals."""
    total = start + sum(amounts)
    ids = [start + sum(amounts[: index + 1]) for index in range(len(amounts))]
    body = messages.PaymentBatch(
        CHANNEL,
        amount_to_bytes(start),
        amount_to_bytes(total),
        sign_voucher(CHANNEL, total, ALICE.signer),
        tuple(
            messages.ListedPayment(amount_to_bytes(identity), amount_to_bytes(amount))
            for identity, amount in zip(ids, amounts, strict=True)
        ),
    )
    return replace(body, **changes)


def sent(alice: CoreNode) -> Any:
    return messages.decode_body(alice.outbox[BOB.address][-1].body)


# --- the payer ---


def test_a_list_is_one_voucher_and_one_message_and_each_payment_a_record() -> None:
    alice = opened().alice
    expected = "payment-listed, payment-listed, batch-issued, send PaymentBatch"
    assert Playbook(alice) >> batch(10, 5, memos=("tea", "")) << expected
    body = sent(alice)
    assert (amount_from_bytes(body.base), amount_from_bytes(body.total)) == (0, 15)
    assert verify_voucher(CHANNEL, 15, body.signature, ALICE.known)
    told = [(p.payment_id, amount_from_bytes(p.amount), p.memo) for p in body.payments]
    assert told == [(PREFIX + bytes(4), 10, "tea"), (PREFIX + b"\0\0\0\1", 5, "")]
    vouchers = alice.channel().vouchers
    assert (vouchers.total, vouchers.payment_count, vouchers.signature) == (15, 2, body.signature)
    assert [p.signature for p in vouchers.pending] == [b"", body.signature]
    assert [p.total for p in vouchers.pending] == [10, 15]


def test_a_list_goes_on_from_what_was_spent_before() -> None:
    network = opened()
    pay(network, 100, 1)
    network.alice.feed(batch(10, 5))
    assert amount_from_bytes(sent(network.alice).base) == 100
    network.settle()
    assert network.bob.channel().vouchers.payment_count == 3
    assert network.alice.channel().vouchers.receipted_total == 115


@pytest.mark.parametrize("by_command", [True, False])
def test_without_sharing_each_payment_has_its_own_voucher(by_command: bool) -> None:
    network = opened()
    network.alice.shares_vouchers = by_command
    is_shared = False if by_command else None
    result = network.alice.feed(batch(10, 5, is_shared=is_shared))
    messages_sent = ["send Payment", "send Payment"]
    assert names(result) == ["voucher-issued", "voucher-issued", "batch-split", *messages_sent]
    network.settle()
    assert network.alice.channel().vouchers.receipted_total == 15
    signatures = [event.signature for event in network.bob.events_of("voucher-received")]
    for total, signature in zip((10, 15), signatures, strict=True):
        assert verify_voucher(CHANNEL, total, signature, ALICE.known)


def test_a_batch_may_ask_for_sharing_where_the_node_does_not_share() -> None:
    alice = opened().alice
    alice.shares_vouchers = False
    assert names(alice.feed(batch(10, 5, is_shared=True)))[-1] == "send PaymentBatch"


def test_a_request_is_recorded_with_what_it_asked_for() -> None:
    for is_shared, name in ((True, "batch-issued"), (False, "batch-split")):
        alice = opened().alice
        command = batch(10, 5, request_id="rent", is_shared=is_shared)
        alice.feed(command)
        (fact,) = alice.events_of(name)
        assert (fact.request_id, fact.request_hash) == ("rent", commands.command_hash(command))


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (batch(), AmountNotPositive),
        (batch(10, 0), AmountNotPositive),
        (batch(10, -5), AmountNotPositive),
        (batch(DEPOSIT, 1), AmountAboveDeposit),
        (batch(2**256, 1), AmountAboveDeposit),
        (batch(*[1] * (BATCH_PAYMENT_COUNT_MAX + 1)), PaymentListTooLong),
        (batch(1, 1, memos=("", "x" * (TEXT_LENGTH_MAX + 1))), InvalidWidth),
        (batch(*[1] * 999, memos=("東" * TEXT_LENGTH_MAX,) * 999), PaymentListTooLong),
        (batch(1, channel_id=bytes(32)), UnknownChannel),
    ],
)
def test_a_list_that_cannot_be_paid_whole_is_not_paid_at_all(
    command: commands.SendBatch, error: type[Exception]
) -> None:
    alice = opened().alice
    for is_shared in (True, False):
        with pytest.raises(error):
            alice.feed(replace(command, is_shared=is_shared))
    assert alice.channel().vouchers.total == 0


def test_only_participant_0_pays_lists() -> None:
    with pytest.raises(NotThePayer):
        opened().bob.feed(batch(1))


@pytest.mark.slow
def test_lists_without_a_receipt_are_bounded() -> None:
    alice = opened().alice
    alice.proves_purity = False
    for _ in range(PAYMENTS_IN_FLIGHT_COUNT_MAX // BATCH_PAYMENT_COUNT_MAX):
        alice.feed(batch(*[1] * BATCH_PAYMENT_COUNT_MAX))
    room = PAYMENTS_IN_FLIGHT_COUNT_MAX % BATCH_PAYMENT_COUNT_MAX
    with pytest.raises(TooManyPaymentsInFlight):
        alice.feed(batch(*[1] * (room + 1)))
    alice.feed(batch(*[1] * room))
    with pytest.raises(TooManyPaymentsInFlight):
        alice.feed(commands.SendPayment(CHANNEL, 1, bytes(32)))


def test_the_largest_list_fits_a_frame() -> None:
    memo_length = BATCH_MEMO_SIZE_BYTES_MAX // BATCH_PAYMENT_COUNT_MAX
    alice = opened().alice
    alice.feed(
        batch(
            *[1] * BATCH_PAYMENT_COUNT_MAX,
            memos=("x" * min(memo_length, TEXT_LENGTH_MAX),) * BATCH_PAYMENT_COUNT_MAX,
        )
    )
    overhead = 64
    largest = len(alice.outbox[BOB.address][-1].body) + BATCH_MEMO_SIZE_BYTES_MAX + overhead
    assert largest < 1_048_576


# --- the payee ---


def test_a_list_is_accepted_whole_and_receipted_by_the_root_of_its_payments() -> None:
    bob = opened().bob
    expected = "payment-listed, payment-listed, batch-received"
    assert Playbook(bob) >> Said(ALICE, listed(0, 10, 5)) << expected
    assert names(bob.feed(inputs.EndOfBatch())) == ["receipt-issued", "send Receipt"]
    (receipt,) = bob.events_of("receipt-issued")
    leaves = [payment_leaf(amount_to_bytes(10), 10), payment_leaf(amount_to_bytes(15), 5)]
    assert (receipt.payment_count, receipt.root) == (2, merkle_root(leaves))
    assert bob.channel().vouchers.total == 15


WRONG = [
    (listed(0, 10, 5, base=amount_to_bytes(1)), "BATCH_BASE_WRONG"),
    (listed(1, 10, 5), "BATCH_BASE_WRONG"),
    (listed(0, 10, 5, total=amount_to_bytes(16)), "VOUCHER_TOTAL_WRONG"),
    (listed(0, 10, 5, total=amount_to_bytes(14)), "VOUCHER_TOTAL_WRONG"),
    (listed(0, 10, 0), "AMOUNT_NOT_POSITIVE"),
    (listed(0, DEPOSIT, 1), "AMOUNT_ABOVE_DEPOSIT"),
    (
        listed(0, 10, 5, signature=sign_voucher(CHANNEL, 15, IRENE.signer)),
        "VOUCHER_SIGNATURE_WRONG",
    ),
    (
        listed(0, 10, 5, signature=sign_voucher(CHANNEL, 10, ALICE.signer)),
        "VOUCHER_SIGNATURE_WRONG",
    ),
    (
        listed(0, 10, 5, payments=(messages.ListedPayment(bytes(32), amount_to_bytes(10)),) * 2),
        "VOUCHER_TOTAL_WRONG",
    ),
    (
        listed(0, 5, 5, payments=(messages.ListedPayment(bytes(32), amount_to_bytes(5)),) * 2),
        "PAYMENT_LISTED_TWICE",
    ),
]


@pytest.mark.parametrize(("body", "error"), WRONG)
def test_a_list_that_is_not_right_is_refused_whole_by_its_name(
    body: messages.PaymentBatch, error: str
) -> None:
    bob = opened().bob
    assert names(bob.feed(Said(ALICE, body))) == ["voucher-refused", "send PaymentRefusal"]
    (fact,) = bob.events_of("voucher-refused")
    assert (fact.error_code, amount_from_bytes(fact.accepted_total)) == (error, 0)
    assert fact.payment_id == body.payments[-1].payment_id
    assert bob.channel().vouchers.payment_count == 0


def test_a_list_is_credited_once() -> None:
    bob = opened().bob
    bob.feed(Said(ALICE, listed(0, 10, 5)))
    bob.feed(Said(ALICE, listed(0, 10, 5)))
    assert bob.events_of("voucher-refused")[0].error_code == "BATCH_BASE_WRONG"
    assert bob.channel().vouchers.payment_count == 2


def test_the_payee_accepts_no_list_that_it_could_not_redeem() -> None:
    bob = opened().bob
    bob.lose_tail()
    bob.feed(Said(ALICE, listed(0, 10, 5)))
    assert bob.events_of("voucher-refused")[0].error_code == ChannelCloseOnly.name()


def test_a_list_by_a_stranger_is_dropped() -> None:
    network = opened()
    for node, by in ((network.bob, IRENE), (network.alice, BOB)):
        assert names(node.feed(Said(by, listed(0, 10)))) == ["message-dropped"]


# --- refused, and listed anew ---


def refused_for_now(network: Network, *lists: tuple[int, ...]) -> None:
    network.bob.chain_view_age_s = STALE_S
    for number, amounts in enumerate(lists):
        network.alice.feed(batch(*amounts, id_prefix=bytes([number]) * 28))
    network.settle()
    network.bob.chain_view_age_s = 0


def test_refused_lists_are_listed_anew_with_their_vouchers_and_credited_once() -> None:
    network = opened()
    refused_for_now(network, (10, 5), (7,), (1, 2, 3))
    alice = network.alice
    assert alice.channel().vouchers.total == 28
    before = [event.signature for event in alice.events_of("batch-issued")]
    resent = ["voucher-resent"] * 3 + ["send PaymentBatch", "send Payment", "send PaymentBatch"]
    assert names(alice.feed(inputs.Tick())) == resent
    bodies: list[Any] = [messages.decode_body(m.body) for m in alice.outbox[BOB.address]]
    assert [body.signature for body in bodies] == before
    network.settle()
    assert network.bob.channel().vouchers.payment_count == 6
    assert alice.channel().vouchers.pending == ()
    assert alice.channel().vouchers.receipted_total == 28
    ids = [event.payment_id for event in network.bob.events_of("payment-listed")]
    ids += [event.payment_id for event in network.bob.events_of("voucher-received")]
    assert len(set(ids)) == len(ids) == 6


def test_a_list_that_overtook_a_refused_one_is_listed_anew_behind_it() -> None:
    network = opened()
    refused_for_now(network, (10, 5))
    network.alice.feed(batch(4, 4, id_prefix=b"\x09" * 28))
    network.settle()
    refusals = [event.error_code for event in network.bob.events_of("voucher-refused")]
    assert refusals == ["CHAIN_VIEW_STALE", "BATCH_BASE_WRONG"]
    network.alice.feed(inputs.Tick())
    network.settle()
    assert network.bob.channel().vouchers.total == 23
    assert network.alice.channel().vouchers.receipted_total == 23
    assert status(network.alice.channel()) == ChannelStatus.OPEN


def test_only_what_is_above_the_payees_base_is_listed_anew() -> None:
    network = opened()
    network.alice.feed(batch(10, 5))
    network.settle()
    refused_for_now(network, (1, 2))
    result = network.alice.feed(inputs.Tick())
    assert names(result) == ["voucher-resent", "send PaymentBatch"]
    body = sent(network.alice)
    assert (amount_from_bytes(body.base), amount_from_bytes(body.total)) == (15, 18)


def test_a_list_refused_for_good_closes_the_channel_at_the_largest_voucher() -> None:
    network = opened()
    network.bob.lose_tail()
    network.alice.feed(batch(10, 5))
    network.settle()
    assert network.chain.paid == {ALICE.address: DEPOSIT - 15, BOB.address: 15}


def test_a_receipt_never_covers_a_part_of_a_list() -> None:
    network = opened()
    alice, bob = network.alice, network.bob
    alice.feed(batch(10, 5))
    bob.feed(Said(ALICE, payment(10, 10, payment_id=PREFIX + bytes(4))))
    bob.feed(inputs.EndOfBatch())
    receipt: Any = messages.decode_body(bob.outbox[ALICE.address][-1].body)
    assert names(alice.feed(Said(BOB, receipt))) == ["message-dropped"]
    assert "a part of a list" in alice.events_of("message-dropped")[0].reason


def test_every_refusal_of_a_list_is_a_payment_refused() -> None:
    assert issubclass(PaymentListTooLong, PaymentRefused)


def test_a_replay_of_lists_gives_the_same_state() -> None:
    network = opened()
    refused_for_now(network, (10, 5), (7,))
    network.alice.feed(inputs.Tick())
    network.settle()
    for node in network.nodes.values():
        assert node.fold().digest() == node.state.digest()
