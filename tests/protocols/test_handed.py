"""Vouchers that owners hand over: spent once signed, credited once, in step with lists."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.errors import InvalidWidth, ProtocolError, UnknownChannel
from protocols.messages import TEXT_LENGTH_MAX
from protocols.payment_errors import (
    AmountAboveDeposit,
    AmountNotPositive,
    ChannelCloseOnly,
    ChannelDisputed,
    NotThePayee,
    NotThePayer,
    VoucherSignatureWrong,
)
from protocols.types import amount_from_bytes
from protocols.voucher import sign_voucher, verify_voucher
from tests.support.actors import ALICE, IRENE, Actor
from tests.support.builders import CHANNEL, DEPOSIT, chain_log
from tests.support.network import Network, opened, pay
from tests.support.playbook import Playbook, names


def create(amount: int, number: int = 1, **changes: Any) -> commands.CreateVoucher:
    return replace(commands.CreateVoucher(CHANNEL, amount, bytes([number]) * 32), **changes)


def take(total: int, by: Actor = ALICE, **changes: Any) -> commands.TakeVoucher:
    signature = sign_voucher(CHANNEL, total, by.signer)
    return replace(commands.TakeVoucher(CHANNEL, total, signature), **changes)


def test_a_created_voucher_is_signed_spent_and_not_sent() -> None:
    alice = opened().alice
    assert Playbook(alice) >> create(10, memo="tea", request_id="r") << "voucher-created"
    (fact,) = alice.events_of("voucher-created")
    assert amount_from_bytes(fact.total) == 10
    assert (fact.memo, fact.request_id) == ("tea", "r")
    assert verify_voucher(CHANNEL, 10, fact.signature, ALICE.known)
    vouchers = alice.channel().vouchers
    assert (vouchers.total, vouchers.payment_count) == (10, 1)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (create(0), AmountNotPositive),
        (create(DEPOSIT + 1), AmountAboveDeposit),
        (create(1, memo="x" * (TEXT_LENGTH_MAX + 1)), InvalidWidth),
        (create(1, channel_id=bytes(32)), UnknownChannel),
    ],
)
def test_a_voucher_that_could_not_be_paid_is_not_created(
    command: commands.CreateVoucher, error: type[ProtocolError]
) -> None:
    alice = opened().alice
    with pytest.raises(error):
        alice.feed(command)
    assert alice.channel().vouchers.total == 0


def test_only_the_payer_creates_vouchers_and_only_the_payee_takes_them() -> None:
    network = opened()
    with pytest.raises(NotThePayer):
        network.bob.feed(create(1))
    with pytest.raises(NotThePayee):
        network.alice.feed(take(1))
    with pytest.raises(UnknownChannel):
        network.bob.feed(take(1, channel_id=bytes(32)))


def test_a_voucher_that_was_handed_over_is_taken_and_receipted_at_once() -> None:
    network = opened()
    network.alice.feed(create(10))
    expected = "voucher-taken, receipt-issued, send Receipt"
    assert Playbook(network.bob) >> take(10, request_id="r") << expected
    (fact,) = network.bob.events_of("voucher-taken")
    assert (amount_from_bytes(fact.amount), fact.request_id) == (10, "r")
    network.settle()
    for node in network.nodes.values():
        vouchers = node.channel().vouchers
        assert (vouchers.total, vouchers.receipted_total, vouchers.pending) == (10, 10, ())
        assert (vouchers.payment_count, vouchers.receipted_count) == (1, 1)


def test_a_voucher_that_is_known_changes_nothing() -> None:
    network = opened()
    network.alice.feed(create(10))
    network.bob.feed(take(10))
    assert names(network.bob.feed(take(10))) == []
    assert names(network.bob.feed(take(4))) == []
    assert network.bob.channel().vouchers.total == 10


@pytest.mark.parametrize("total", [4, 10, 11])
def test_a_voucher_by_anybody_but_the_payer_is_refused(total: int) -> None:
    bob = opened().bob
    bob.feed(take(10))
    with pytest.raises(VoucherSignatureWrong):
        bob.feed(take(total, by=IRENE))


def test_a_voucher_above_the_deposit_is_refused() -> None:
    with pytest.raises(AmountAboveDeposit):
        opened().bob.feed(take(DEPOSIT + 1))


def test_no_voucher_is_taken_that_could_not_be_redeemed() -> None:
    bob = opened().bob
    bob.feed(chain_log("ChallengeRegistered", 50, confirmed=False))
    with pytest.raises(ChannelDisputed):
        bob.feed(take(10))
    restored = opened().bob
    restored.lose_tail()
    with pytest.raises(ChannelCloseOnly):
        restored.feed(take(10))


def test_the_next_payment_goes_on_from_a_voucher_that_was_handed_over() -> None:
    network = opened()
    network.alice.feed(create(10))
    network.bob.feed(take(10))
    pay(network, 5, 9)
    network.settle()
    assert network.bob.events_of("voucher-refused") == []
    assert network.alice.channel().vouchers.receipted_total == 15


def listed_after_refusal() -> Network:
    """A voucher that the payee never got, and a payment on top of it."""
    network = opened()
    network.alice.feed(create(10, number=3))
    pay(network, 5, 9)
    network.settle()
    return network


def test_a_voucher_that_nobody_handed_over_is_listed_with_the_next_payment() -> None:
    network = listed_after_refusal()
    assert network.bob.events_of("voucher-refused")[0].error_code == "VOUCHER_TOTAL_WRONG"
    network.alice.feed(inputs.Tick())
    network.settle()
    received = [event.payment_id for event in network.bob.events_of("voucher-received")]
    assert received == [bytes([3]) * 32, (9).to_bytes(32, "big")]
    assert network.alice.channel().vouchers.receipted_total == 15
    assert names(network.bob.feed(take(10))) == []


def test_a_voucher_handed_over_while_it_is_listed_anew_is_credited_once() -> None:
    network = listed_after_refusal()
    network.alice.feed(inputs.Tick())
    network.bob.feed(take(10))
    network.settle()
    network.alice.feed(inputs.Tick())
    network.settle()
    assert network.bob.channel().vouchers.total == 15
    assert network.alice.channel().vouchers.receipted_total == 15
    assert network.alice.channel().vouchers.pending == ()


def test_one_receipt_is_over_a_list_or_over_a_handed_voucher_never_both() -> None:
    network = opened()
    pay(network, 5, 9)
    network.alice.feed(create(10))
    network.deliver(network.alice)
    result = network.bob.feed(take(15))
    expected = ["receipt-issued", "voucher-taken", "receipt-issued"]
    assert names(result) == [*expected, "send Receipt", "send Receipt"]
    network.settle()
    assert network.alice.channel().vouchers.receipted_count == 2
    assert network.alice.channel().vouchers.pending == ()


def test_a_handed_voucher_covers_payments_that_had_not_arrived() -> None:
    network = opened()
    pay(network, 5, 9)
    network.alice.feed(create(10))
    network.bob.feed(take(15))
    network.settle()
    network.alice.feed(inputs.Tick())
    network.settle()
    assert network.bob.channel().vouchers.total == 15
    vouchers = network.alice.channel().vouchers
    assert (vouchers.receipted_total, vouchers.pending) == (15, ())


def test_a_channel_closes_at_a_voucher_that_was_created_last() -> None:
    network = opened()
    network.alice.feed(create(10))
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    assert network.chain.paid[network.bob.actor.address] == 10
