"""Payments, line by line of M11 to M13: each condition broken in turn, on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.errors import InvalidWidth, ProtocolError, UnknownChannel
from protocols.events import VoucherRefused
from protocols.payment_errors import (
    AmountAboveDeposit,
    AmountNotPositive,
    ChainNotSeenYet,
    ChainViewStale,
    ChannelCloseOnly,
    ChannelClosing,
    ChannelDisputed,
    ChannelNotOpen,
    NotThePayer,
)
from protocols.payments import (
    RESEND_PAUSE_MS,
    RESEND_PAUSE_MS_MAX,
    RESEND_ROUND_COUNT_MAX,
)
from protocols.types import amount_from_bytes, amount_to_bytes
from protocols.voucher import sign_voucher, verify_voucher
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.builders import (
    CHANNEL,
    DEPOSIT,
    DURATION_S,
    block_hash,
    chain_log,
    final,
    final_request,
    open_command,
    payment,
    signed,
)
from tests.support.network import CoreNode, Network, Said, opened, pay
from tests.support.playbook import Playbook, names

OLDEST_SAFE_VIEW_S = DURATION_S // 3


def spend(amount: int = 10, number: int = 1, **changes: Any) -> commands.SendPayment:
    return replace(commands.SendPayment(CHANNEL, amount, number.to_bytes(32, "big")), **changes)


def opened_payer() -> CoreNode:
    return opened().alice


def opened_payee() -> CoreNode:
    return opened().bob


# --- what makes a channel unsafe to pay in, for both sides (M11) ---


def not_funded(node: CoreNode) -> None:
    """The holdings fell, so the confirmed deposit does not cover the outcome."""
    node.feed(chain_log("AllocationUpdated", 50, amount=DEPOSIT - 1))


def close_only(node: CoreNode) -> None:
    node.lose_tail()


def challenged(node: CoreNode) -> None:
    node.feed(chain_log("ChallengeRegistered", 50, confirmed=False))


def concluded(node: CoreNode) -> None:
    node.feed(chain_log("Concluded", 50, confirmed=False))


def finalised_and_confirmed(node: CoreNode) -> None:
    node.feed(chain_log("Concluded", 50))


def stale(node: CoreNode) -> None:
    node.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1


def unseen(node: CoreNode) -> None:
    node.chain_view_age_s = None


UNSAFE: list[tuple[Callable[[CoreNode], None], type[ProtocolError]]] = [
    (not_funded, ChannelNotOpen),
    (close_only, ChannelCloseOnly),
    (challenged, ChannelDisputed),
    (concluded, ChannelDisputed),
    (finalised_and_confirmed, ChannelDisputed),
    (stale, ChainViewStale),
    (unseen, ChainNotSeenYet),
]


@pytest.mark.parametrize(("breach", "error"), UNSAFE)
def test_the_payer_pays_in_no_channel_that_she_sees_unsafe(
    breach: Callable[[CoreNode], None], error: type[ProtocolError]
) -> None:
    alice = opened_payer()
    breach(alice)
    with pytest.raises(error):
        alice.feed(spend())
    assert alice.channel().vouchers.total == 0
    assert BOB.address not in alice.outbox or not alice.outbox[BOB.address]


@pytest.mark.parametrize(("breach", "error"), UNSAFE)
def test_the_payee_accepts_no_voucher_that_it_could_not_redeem(
    breach: Callable[[CoreNode], None], error: type[ProtocolError]
) -> None:
    bob = opened_payee()
    breach(bob)
    assert refusal_of(bob, payment(10, 10)).error_code == error.name()
    assert bob.channel().vouchers.total == 0


def test_a_view_of_the_chain_as_old_as_a_third_of_the_challenge_is_young_enough() -> None:
    bob = opened_payee()
    bob.chain_view_age_s = OLDEST_SAFE_VIEW_S
    assert names(bob.feed(Said(ALICE, payment(10, 10)))) == ["voucher-received"]


def test_payments_go_on_once_a_challenge_is_cleared() -> None:
    for node, item, expected in (
        (opened_payer(), spend(), ["voucher-issued", "send Payment"]),
        (opened_payee(), Said(ALICE, payment(10, 10)), ["voucher-received"]),
    ):
        node.feed(chain_log("ChallengeRegistered", 50))
        node.feed(chain_log("ChallengeCleared", 51, confirmed=False))
        assert names(node.feed(item)) == expected


def test_payments_go_on_when_a_reorg_took_the_challenge_away() -> None:
    bob = opened_payee()
    challenged(bob)
    bob.feed(inputs.ChainReorg(50, block_hash(50), block_hash(50, fork=1)))
    assert names(bob.feed(Said(ALICE, payment(10, 10)))) == ["voucher-received"]


def test_nothing_is_paid_before_the_postfund_is_signed_by_all() -> None:
    alice, bob = CoreNode(ALICE), CoreNode(BOB)
    alice.feed(open_command())
    with pytest.raises(ChannelNotOpen) as refusal:
        alice.feed(spend())
    assert refusal.value.status == ChannelStatus.PROPOSED
    bob.feed(Said(ALICE, messages.decode_body(alice.outbox[BOB.address][0].body)))
    assert refusal_of(bob, payment(10, 10)).error_code == "CHANNEL_NOT_OPEN"


# --- the payer's own conditions ---


def test_a_payment_is_a_voucher_for_all_that_was_paid_so_far() -> None:
    alice = opened_payer()
    alice.feed(spend(10, 1))
    assert Playbook(alice) >> spend(5, 2, memo="tea") << "voucher-issued, send Payment"
    body = messages.decode_body(alice.outbox[BOB.address][-1].body)
    assert isinstance(body, messages.Payment)
    amounts = amount_from_bytes(body.amount), amount_from_bytes(body.total)
    assert (amounts, body.memo) == ((5, 15), "tea")
    assert verify_voucher(CHANNEL, 15, body.signature, ALICE.known)


def test_the_request_id_of_a_payment_is_recorded() -> None:
    alice = opened_payer()
    alice.feed(spend(request_id="p1"))
    assert alice.events_of("voucher-issued")[0].request_id == "p1"


@pytest.mark.parametrize("amount", [0, -1, -DEPOSIT])
def test_a_payment_moves_at_least_one(amount: int) -> None:
    with pytest.raises(AmountNotPositive):
        opened_payer().feed(spend(amount))


@pytest.mark.parametrize("amount", [DEPOSIT + 1, 2**256])
def test_a_payment_above_the_deposit_is_refused(amount: int) -> None:
    with pytest.raises(AmountAboveDeposit):
        opened_payer().feed(spend(amount))


def test_the_deposit_can_be_paid_to_its_last_unit_and_no_further() -> None:
    alice = opened_payer()
    alice.feed(spend(DEPOSIT))
    with pytest.raises(AmountAboveDeposit) as refusal:
        alice.feed(spend(1, 2))
    assert refusal.value.remaining == 0


def test_only_participant_0_pays() -> None:
    with pytest.raises(NotThePayer):
        opened_payee().feed(spend())


def test_nothing_is_paid_in_an_unknown_channel() -> None:
    with pytest.raises(UnknownChannel):
        opened_payer().feed(spend(channel_id=bytes(32)))


def test_a_memo_that_the_payee_could_not_read_is_refused() -> None:
    alice = opened_payer()
    alice.feed(spend(memo="x" * messages.TEXT_LENGTH_MAX))
    with pytest.raises(InvalidWidth):
        alice.feed(spend(number=2, memo="x" * (messages.TEXT_LENGTH_MAX + 1)))


def test_the_payer_pays_nothing_after_she_signed_the_final_state() -> None:
    alice = opened_payer()
    alice.feed(commands.CloseChannel(CHANNEL))
    with pytest.raises(ChannelClosing):
        alice.feed(spend())


def test_the_payer_pays_nothing_after_the_payee_asked_to_close() -> None:
    alice = opened_payer()
    alice.feed(Said(BOB, final_request(0)))
    with pytest.raises(ChannelClosing):
        alice.feed(spend())


def test_a_close_only_payer_who_was_asked_to_close_pays_nothing() -> None:
    alice = opened_payer()
    alice.lose_tail()
    alice.feed(commands.CloseChannel(CHANNEL))
    with pytest.raises(ChannelCloseOnly):
        alice.feed(spend())


def test_a_supported_final_state_ends_payments_on_both_sides() -> None:
    network = opened()
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.deliver(network.alice)
    network.acknowledge(network.bob)
    network.deliver(network.bob)
    with pytest.raises(ChannelClosing):
        network.alice.feed(spend())
    assert refusal_of(network.bob, payment(10, 10)).error_code == "CHANNEL_CLOSING"


# --- the payee's own conditions ---


def refusal_of(bob: CoreNode, body: messages.Payment, by: Actor = ALICE) -> VoucherRefused:
    """The payee refuses, tells the payer the same, and changes nothing of the channel."""
    before = bob.state.channels.get(body.channel_id)
    result = bob.feed(Said(by, body))
    assert names(result) == ["voucher-refused", "send PaymentRefusal"]
    assert bob.state.channels.get(body.channel_id) == before
    (fact,) = result.events
    assert isinstance(fact, VoucherRefused)
    told = messages.decode_body(bob.outbox[by.address][-1].body)
    assert told == messages.PaymentRefusal(
        body.channel_id,
        body.payment_id,
        body.total,
        fact.accepted_total,
        fact.error_code,
        fact.reason,
    )
    return fact


def test_a_good_payment_is_recorded_and_answered_at_the_end_of_the_batch() -> None:
    bob = opened_payee()
    assert (
        Playbook(bob)
        >> Said(ALICE, payment(10, 10))
        << "voucher-received"
        >> inputs.EndOfBatch()
        << "receipt-issued, send Receipt"
        >> inputs.EndOfBatch()
    )
    assert bob.channel().vouchers.total == 10


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (payment(10, 0), "AMOUNT_NOT_POSITIVE"),
        (payment(11, 10), "VOUCHER_TOTAL_WRONG"),
        (payment(9, 10), "VOUCHER_TOTAL_WRONG"),
        (payment(DEPOSIT + 1, DEPOSIT + 1), "AMOUNT_ABOVE_DEPOSIT"),
        (payment(2**256 - 1, 2**256 - 1), "AMOUNT_ABOVE_DEPOSIT"),
        (payment(10, 10, by=IRENE), "VOUCHER_SIGNATURE_WRONG"),
        (payment(10, 10, by=BOB), "VOUCHER_SIGNATURE_WRONG"),
        (payment(10, 10, signature=bytes(65)), "VOUCHER_SIGNATURE_WRONG"),
        (
            payment(10, 10, signature=sign_voucher(bytes(32), 10, ALICE.signer)),
            "VOUCHER_SIGNATURE_WRONG",
        ),
        (payment(10, 10, signature=sign_voucher(CHANNEL, 9, ALICE.signer)), "VOUCHER_SIGNATURE"),
    ],
)
def test_a_voucher_that_breaks_a_rule_is_refused_by_its_name(
    body: messages.Payment, error: str
) -> None:
    fact = refusal_of(opened_payee(), body)
    assert fact.error_code.startswith(error)
    assert amount_from_bytes(fact.accepted_total) == 0


def test_a_refusal_names_the_payees_largest_accepted_amount() -> None:
    bob = opened_payee()
    bob.feed(Said(ALICE, payment(10, 10)))
    assert amount_from_bytes(refusal_of(bob, payment(25, 10)).accepted_total) == 10


def test_a_voucher_never_falls_and_is_credited_once() -> None:
    bob = opened_payee()
    bob.feed(Said(ALICE, payment(10, 10)))
    assert refusal_of(bob, payment(10, 10)).error_code == "VOUCHER_TOTAL_WRONG"
    assert refusal_of(bob, payment(5, 5)).error_code == "VOUCHER_TOTAL_WRONG"
    assert bob.channel().vouchers.payment_count == 1


def test_a_payment_nobody_expects_is_a_fault_without_an_answer() -> None:
    """By somebody else, in no channel of ours, or to the payer in her own channel."""
    bob = opened_payee()
    bob.feed(Said(ALICE, payment(10, 10)))
    for node, by, body in (
        (bob, IRENE, payment(20, 10)),
        (bob, ALICE, payment(10, 10, channel_id=bytes(32))),
        (opened_payer(), BOB, payment(10, 10, by=BOB)),
    ):
        before = node.channel()
        assert names(node.feed(Said(by, body))) == ["message-dropped"]
        assert node.events_of("message-dropped")[-1].error_code == "channel_unknown"
        assert node.peer(by.address).fault_count == 1
        assert node.channel() == before
        assert node.events_of("voucher-refused") == []


def test_the_payee_accepts_nothing_after_it_signed_the_final_state() -> None:
    bob = opened_payee()
    bob.feed(Said(ALICE, signed(final(0), ALICE)))
    assert refusal_of(bob, payment(10, 10)).error_code == "CHANNEL_CLOSING"


def test_payments_that_crossed_a_request_to_close_are_still_accepted() -> None:
    network = opened()
    pay(network, 10, 1)
    network.bob.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    assert network.chain.paid[BOB.address] == 10
    assert network.alice.channel().vouchers.receipted_total == 10


# --- refused, and sent again (M13) ---


def refused_for_now(network: Network, count: int = 3) -> None:
    """BOB's view of the chain is too old: payments of ALICE are refused for now."""
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    for number in range(1, count + 1):
        pay(network, 10, number)
    network.settle()
    network.bob.chain_view_age_s = 0


def test_a_refused_payment_stays_spent_and_is_sent_again_in_order_with_its_voucher() -> None:
    network = opened()
    refused_for_now(network)
    alice = network.alice
    assert alice.channel().vouchers.total == 30
    assert alice.channel().vouchers.refused_at == 0
    assert status(alice.channel()) == ChannelStatus.OPEN
    first_time = [event.signature for event in alice.events_of("voucher-issued")]
    resent = ["voucher-resent"] * 3 + ["send Payment"] * 3
    assert Playbook(alice) >> inputs.Tick() << ", ".join(resent)
    bodies = [messages.decode_body(sent.body) for sent in alice.outbox[BOB.address]]
    assert [getattr(body, "signature", b"") for body in bodies] == first_time
    network.settle()
    assert network.bob.channel().vouchers.payment_count == 3
    assert alice.channel().vouchers.pending == ()
    assert alice.channel().vouchers.receipted_total == 30


def test_only_what_is_above_the_payees_base_is_sent_again() -> None:
    network = opened()
    pay(network, 10, 1)
    network.settle()
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 2)
    network.settle()
    network.bob.chain_view_age_s = 0
    result = network.alice.feed(inputs.Tick())
    assert names(result) == ["voucher-resent", "send Payment"]
    network.settle()
    assert network.bob.channel().vouchers.total == 20


def test_an_accepted_payment_that_waits_for_its_receipt_is_not_sent_again() -> None:
    network = opened()
    alice, bob = network.alice, network.bob
    pay(network, 10, 1)
    pay(network, 10, 2)
    network.deliver(alice, 0)
    bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    network.deliver(alice, 1)
    network.deliver(bob)
    assert names(alice.feed(inputs.Tick())) == ["voucher-resent", "send Payment"]
    assert alice.events_of("voucher-resent")[0].payment_id == (2).to_bytes(32, "big")


def test_nothing_is_sent_again_twice_for_one_refusal() -> None:
    network = opened()
    refused_for_now(network)
    network.alice.feed(inputs.Tick())
    assert names(network.alice.feed(inputs.Tick())) == []


def test_a_late_refusal_leads_to_one_more_copy_and_no_further() -> None:
    """p1 and p2 are refused; the refusal of p2 arrives after both were sent again."""
    network = opened()
    alice, bob = network.alice, network.bob
    bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 1)
    pay(network, 10, 2)
    network.deliver(alice, 0)
    network.deliver(alice, 1)
    network.acknowledge(bob)
    network.deliver(bob, 0)
    bob.chain_view_age_s = 0
    alice.feed(inputs.Tick())
    network.settle()
    alice.feed(inputs.Tick())
    network.settle()
    assert bob.channel().vouchers.payment_count == 2
    pay(network, 10, 3)
    assert names(alice.feed(inputs.Tick())) == []
    network.settle()
    assert alice.channel().vouchers.receipted_total == 30
    assert alice.channel().vouchers.refused_at == -1


def resend_round(network: Network) -> bool:
    """A look at the clock; True if refused payments left again."""
    left = names(network.alice.feed(inputs.Tick()))
    network.settle()
    return "voucher-resent" in left


def test_each_round_of_resending_waits_twice_as_long_as_the_one_before() -> None:
    network = opened()
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 1)
    network.settle()
    assert resend_round(network)
    for number in range(1, 12):
        pause_ms = min(RESEND_PAUSE_MS << number, RESEND_PAUSE_MS_MAX)
        assert network.alice.channel().vouchers.resend_count == number
        network.wait(pause_ms - 1)
        assert not resend_round(network)
        network.wait(1)
        assert resend_round(network)


def test_a_receipt_makes_the_pauses_short_again() -> None:
    network = opened()
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 1)
    network.settle()
    for _ in range(5):
        network.wait(RESEND_PAUSE_MS_MAX)
        assert resend_round(network)
    assert network.alice.channel().vouchers.resend_count == 5
    network.bob.chain_view_age_s = 0
    network.wait(RESEND_PAUSE_MS_MAX)
    assert resend_round(network)
    assert network.alice.channel().vouchers.resend_count == 0
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 2)
    network.settle()
    network.wait(RESEND_PAUSE_MS)
    assert resend_round(network)


def test_a_refusal_that_outlasts_many_rounds_closes_the_channel_at_the_largest_voucher() -> None:
    network = opened()
    network.bob.chain_view_age_s = OLDEST_SAFE_VIEW_S + 1
    pay(network, 10, 1)
    network.settle()
    for _ in range(RESEND_ROUND_COUNT_MAX):
        network.wait(RESEND_PAUSE_MS_MAX)
        assert resend_round(network)
    assert status(network.alice.channel()) == ChannelStatus.OPEN
    network.wait(RESEND_PAUSE_MS_MAX)
    assert not resend_round(network)
    assert network.chain.paid == {ALICE.address: DEPOSIT - 10, BOB.address: 10}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED


def test_a_payment_refused_for_good_closes_the_channel_at_the_largest_voucher() -> None:
    network = opened()
    network.bob.lose_tail()
    pay(network, 10, 1)
    network.settle()
    assert network.alice.events_of("voucher-refusal-received")[0].error_code == (
        "CHANNEL_CLOSE_ONLY"
    )
    assert network.chain.paid == {ALICE.address: DEPOSIT - 10, BOB.address: 10}
    for node in network.nodes.values():
        assert status(node.channel()) == ChannelStatus.CLOSED


def refusal_message(code: str, total: int = 10, accepted: int = 0) -> messages.PaymentRefusal:
    identity = (1).to_bytes(32, "big")
    total_bytes, accepted_bytes = amount_to_bytes(total), amount_to_bytes(accepted)
    return messages.PaymentRefusal(CHANNEL, identity, total_bytes, accepted_bytes, code, "why")


@pytest.mark.parametrize(
    ("code", "closes"),
    [
        ("CHAIN_VIEW_STALE", False),
        ("CHANNEL_NOT_OPEN", False),
        ("VOUCHER_TOTAL_WRONG", False),
        ("CHANNEL_CLOSE_ONLY", True),
        ("VOUCHER_SIGNATURE_WRONG", True),
        ("UNKNOWN_CHANNEL", True),
        ("NO_SUCH_ERROR", True),
    ],
)
def test_a_refusal_is_for_good_unless_its_error_says_otherwise(code: str, closes: bool) -> None:
    alice = opened_payer()
    alice.feed(spend())
    alice.feed(Said(BOB, refusal_message(code)))
    expected = ChannelStatus.CLOSING if closes else ChannelStatus.OPEN
    assert status(alice.channel()) == expected


def test_a_refusal_for_good_while_closing_starts_nothing_new() -> None:
    alice = opened_payer()
    alice.feed(spend())
    alice.feed(commands.CloseChannel(CHANNEL))
    result = alice.feed(Said(BOB, refusal_message("CHANNEL_CLOSING")))
    assert names(result) == ["voucher-refusal-received", "wait supported-final-state"]
    assert names(alice.feed(inputs.Tick())) == []


@pytest.mark.parametrize(("side", "by"), [("alice", IRENE), ("bob", ALICE), ("bob", IRENE)])
def test_a_refusal_by_anybody_but_the_payee_changes_nothing(side: str, by: Actor) -> None:
    network = opened()
    pay(network, 10, 1)
    node: CoreNode = getattr(network, side)
    before = node.channel()
    assert names(node.feed(Said(by, refusal_message("CHAIN_VIEW_STALE")))) == ["message-dropped"]
    assert node.channel() == before
    assert not node.state.refused
