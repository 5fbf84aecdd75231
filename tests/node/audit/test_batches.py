"""Lists of payments and vouchers by hand: each rule broken once."""

from collections.abc import Callable

import pytest

from node.audit.batches import BatchCheck
from protocols import commands, events, payment_events
from protocols.types import amount_to_bytes
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB
from tests.support.audit_cases import (
    History,
    alice,
    bob,
    changed,
    doubled,
    inserted,
    messages,
    nth,
    says,
    without,
)
from tests.support.audit_webs import hub, payee, payer, target_of
from tests.support.builders import CHANNEL
from tests.support.network import opened

LISTED, SPLIT = payment_events.PaymentListed, payment_events.BatchSplit
ISSUED, RECEIVED = payment_events.BatchIssued, payment_events.BatchReceived
CREATED, TAKEN = payment_events.VoucherCreated, payment_events.VoucherTaken


def split() -> History:
    """Three payments at once with a voucher for each."""
    network = opened()
    network.alice.feed(
        commands.SendBatch(CHANNEL, (1, 2, 3), ("", "", ""), b"each" * 7, False, "r")
    )
    network.settle()
    return [event for _, event in network.alice.log]


@pytest.mark.parametrize("history", [alice, bob, payer, hub, payee, split])
def test_an_honest_history_breaks_no_rule(history: Callable[[], History]) -> None:
    assert messages(BatchCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    says(BatchCheck, history, words, nth(history, kind, index)[0])


@pytest.mark.parametrize("kind", [LISTED, ISSUED])
def test_a_list_is_paid_in_a_payment_channel_of_ours(kind: type[events.Event]) -> None:
    one(changed(payer(), kind, channel_id=b"\x09" * 32), "no payment channel of ours", kind)


def test_a_hub_pays_nothing_in_what_it_carries() -> None:
    listed = LISTED(target_of(hub()), b"\x01" * 32, amount_to_bytes(1))
    says(BatchCheck, [*hub(), listed], "no payment channel of ours")


def test_a_list_stands_right_before_its_voucher() -> None:
    words = "the list before it has no voucher"
    _, between = nth(payer(), events.PeerAcknowledged)
    one(inserted(payer(), between, ISSUED), words, events.PeerAcknowledged, _place_of(between))
    seq, _ = nth(without(payer(), ISSUED), LISTED, -1)
    says(BatchCheck, without(payer(), ISSUED), words, seq + 1)
    ends = payer()[: nth(payer(), ISSUED)[0]]
    says_last = "the log ends with a list that has no voucher (M13)"
    assert messages(BatchCheck, ends) == [(len(ends), says_last)]


def _place_of(event: events.Event) -> int:
    """How many of that kind stand before the voucher of the list."""
    before = payer()[: nth(payer(), ISSUED)[0]]
    return sum(isinstance(known, type(event)) for known in before)


def test_each_payment_is_listed_once() -> None:
    _, first = nth(payer(), LISTED)
    twice = changed(payer(), LISTED, 1, payment_id=first.payment_id)
    one(twice, "is in the list already (M13)", LISTED, 1)
    paid = nth(payer(), events.VoucherIssued)[1].payment_id
    one(changed(payer(), LISTED, payment_id=paid), "used before in this channel", LISTED)
    one(changed(payer(), LISTED, amount=amount_to_bytes(0)), "a payment of nothing", LISTED)


@pytest.mark.parametrize(("make", "kind"), [(payer, ISSUED), (payee, RECEIVED)])
def test_the_listed_amounts_sum_to_what_the_voucher_rises(
    make: Callable[[], History], kind: type[events.Event]
) -> None:
    words = "total 21 is not the base 15 and the listed 7 (M13)"
    one(changed(make(), LISTED, amount=amount_to_bytes(2)), words, kind)
    one(changed(make(), kind, payment_count=2), "3 payments are listed before it, not 2", kind)
    one(without(make(), LISTED, -1), "2 payments are listed before it, not 3", kind)
    one(changed(make(), kind, base=amount_to_bytes(14)), "base 14 is not 15, the largest", kind)


def test_the_voucher_of_a_list_is_the_payers_within_the_deposit() -> None:
    _, batch = nth(payee(), RECEIVED)
    forged = sign_voucher(batch.channel_id, 21, BOB.signer)
    one(changed(payee(), RECEIVED, signature=forged), "is not signed by", RECEIVED)
    much = amount_to_bytes(1_001)
    one(changed(payee(), RECEIVED, total=much), "total 1001 is above the deposit", RECEIVED)


def test_only_the_payer_sends_lists() -> None:
    _, batch = nth(payer(), ISSUED)
    fields = [getattr(batch, field) for field in RECEIVED.__struct_fields__]
    wrong = payer()
    wrong[nth(payer(), ISSUED)[0]] = RECEIVED(*fields)
    one(wrong, "only participant 0 pays", RECEIVED)


def test_a_list_is_sent_while_the_channel_is_safe() -> None:
    asked = events.FinalStateRequested(target_of(payer()), BOB.address, bytes(32))
    one(inserted(payer(), asked, LISTED), "the payee asked to close before", ISSUED)
    cut = events.LogTailCut(1, 1, "1.log")
    one(inserted(payee(), cut, LISTED), "may only be closed (M27)", RECEIVED)


def test_a_list_with_a_voucher_each_stands_behind_its_vouchers() -> None:
    one(changed(split(), SPLIT, payment_count=4), "there are not 4 vouchers", SPLIT)
    one(changed(split(), SPLIT, payment_count=0), "its total is not 6", SPLIT)
    one(changed(split(), SPLIT, total=amount_to_bytes(5)), "its total is not 6", SPLIT)
    one(doubled(split(), SPLIT), "there are not 3 vouchers", SPLIT, 1)


def test_a_voucher_by_hand_rises_by_what_it_says() -> None:
    _, taken = nth(payee(), TAKEN)
    one(changed(payee(), TAKEN, amount=amount_to_bytes(3)), "total 25 is not 21 + 3", TAKEN)
    one(doubled(payee(), TAKEN), "total 25 is not 25 + 4", TAKEN, 1)
    forged = sign_voucher(taken.channel_id, 25, BOB.signer)
    one(changed(payee(), TAKEN, signature=forged), "is not signed by", TAKEN)


def test_a_voucher_by_hand_waits_for_the_receipts_before_it() -> None:
    waits = without(payee(), events.ReceiptIssued, 1)
    one(waits, "3 payments before it wait for a receipt of their own (M13)", TAKEN)


def test_only_the_payee_takes_vouchers() -> None:
    channel_id = target_of(payer())
    signature = sign_voucher(channel_id, 26, ALICE.signer)
    taken = TAKEN(channel_id, amount_to_bytes(1), amount_to_bytes(26), signature)
    says(BatchCheck, [*payer(), taken], "only the payee takes vouchers")
