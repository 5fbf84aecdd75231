"""Deviations in payments: vouchers, lists of them, receipts and refusals."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from protocols import messages
from protocols.crypto import payment_root
from protocols.types import amount_to_bytes
from protocols.voucher import receipt_hash, sign_voucher
from tests.support.actors import Actor
from tests.support.builders import payment
from tests.support.deviations import (
    DEPOSIT,
    MALLORY,
    PAID,
    Corpus,
    Said,
    Scene,
    closed,
    half_open,
    offered,
    opened,
)

PAYMENTS = Corpus()
refused = PAYMENTS.refused


def pays(scene: Scene, total: int, amount: int, by: Actor | None = None) -> messages.Payment:
    """A payment under a voucher of that total."""
    return payment(total, amount, by=by or scene.alice.actor, channel_id=scene.channel_id)


def to_bob(scene: Scene, body: messages.Body | bytes) -> Said:
    return Said(scene.alice, scene.bob, body)


@refused(opened, "VOUCHER_SIGNATURE_WRONG")
def a_voucher_signed_by_a_stranger(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID + 10, 10, MALLORY))


@refused(opened, "VOUCHER_SIGNATURE_WRONG")
def a_voucher_signed_by_the_hub(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID + 10, 10, scene.ivan.actor))


@refused(opened, "VOUCHER_SIGNATURE_WRONG")
def a_voucher_of_another_channel(scene: Scene) -> Said:
    signature = sign_voucher(b"\x05" * 32, PAID + 10, scene.alice.actor.signer)
    return to_bob(scene, replace(pays(scene, PAID + 10, 10), signature=signature))


@refused(opened, "VOUCHER_SIGNATURE_WRONG")
def a_voucher_whose_signature_is_a_receipts(scene: Scene) -> Said:
    """What one message means must never be taken for another."""
    root = payment_root([(b"\x01" * 32, 10)])
    message = receipt_hash(scene.channel_id, PAID + 10, root)
    signature = scene.alice.actor.signer(message)
    return to_bob(scene, replace(pays(scene, PAID + 10, 10), signature=signature))


@refused(opened, "AMOUNT_NOT_POSITIVE")
def a_payment_of_nothing(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID, 0))


@refused(opened, "AMOUNT_ABOVE_DEPOSIT")
def a_payment_above_the_deposit(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, DEPOSIT + 1, DEPOSIT + 1 - PAID))


@refused(opened, "AMOUNT_ABOVE_DEPOSIT")
def a_payment_of_more_than_there_is(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, 2**256 - 1, 2**256 - 1 - PAID))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_payment_that_rises_by_less_than_its_amount(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID + 10, 20))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_voucher_below_the_last(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID - 10, 10))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_payment_for_the_second_time(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID, PAID))


@refused(half_open, "CHANNEL_NOT_OPEN")
def a_payment_before_the_payees_guarantee(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, 10, 10))


@refused(offered, "CHANNEL_CLOSING")
def a_payment_after_the_final_state(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID + 10, 10))


@refused(closed, "CHANNEL_CLOSING")
def a_payment_in_a_closed_channel(scene: Scene) -> Said:
    return to_bob(scene, pays(scene, PAID + 10, 10))


@refused(opened, "UNKNOWN_CHANNEL")
def a_hub_that_pays_in_the_payers_channel(scene: Scene) -> Said:
    return Said(scene.ivan, scene.bob, pays(scene, PAID + 10, 10))


@refused(opened, "UNKNOWN_CHANNEL")
def a_payment_to_the_hub(scene: Scene) -> Said:
    return Said(scene.alice, scene.ivan, pays(scene, PAID + 10, 10))


@refused(opened, "UNKNOWN_CHANNEL")
def a_payment_back_to_the_payer(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, pays(scene, PAID + 10, 10, scene.bob.actor))


@refused(opened, "UNKNOWN_CHANNEL")
def a_voucher_for_a_ledger(scene: Scene) -> Said:
    body = payment(10, 10, channel_id=scene.web.ledgers[1], by=scene.ivan.actor)
    return Said(scene.ivan, scene.bob, body)


@refused(opened, "UNKNOWN_CHANNEL")
def a_stranger_that_hands_on_a_payers_voucher(scene: Scene) -> Said:
    return Said(scene.mallory, scene.bob, pays(scene, PAID + 10, 10))


# --- lists ---


def listed(
    scene: Scene, amounts: tuple[int, ...], base: int = PAID, total: int | None = None
) -> messages.PaymentBatch:
    """A list of payments under one voucher."""
    total = base + sum(amounts) if total is None else total
    parts = tuple(
        messages.ListedPayment(number.to_bytes(32, "big"), amount_to_bytes(amount))
        for number, amount in enumerate(amounts, 500)
    )
    signature = sign_voucher(scene.channel_id, total, scene.alice.actor.signer)
    return messages.PaymentBatch(
        scene.channel_id, amount_to_bytes(base), amount_to_bytes(total), signature, parts
    )


@refused(opened, "BATCH_BASE_WRONG")
def a_list_from_another_base(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (1, 2), base=PAID + 1))


@refused(opened, "BATCH_BASE_WRONG")
def a_list_from_below(scene: Scene) -> Said:
    """Payments that were credited already would be credited again."""
    return to_bob(scene, listed(scene, (PAID, 10), base=0))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_list_that_sums_to_more_than_its_voucher(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (5, 6), total=PAID + 10))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_list_that_sums_to_less_than_its_voucher(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (5, 6), total=PAID + 12))


@refused(opened, "VOUCHER_TOTAL_WRONG")
def a_list_whose_sum_runs_over(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (2**256 - 1, 11), total=PAID + 10))


@refused(opened, "AMOUNT_NOT_POSITIVE")
def a_list_with_a_payment_of_nothing(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (5, 0, 5)))


@refused(opened, "PAYMENT_LISTED_TWICE")
def a_list_that_names_a_payment_twice(scene: Scene) -> Said:
    body = listed(scene, (5, 5))
    return to_bob(scene, replace(body, payments=(body.payments[0],) * 2))


@refused(opened, "AMOUNT_ABOVE_DEPOSIT")
def a_list_above_the_deposit(scene: Scene) -> Said:
    return to_bob(scene, listed(scene, (DEPOSIT, 1)))


@refused(opened, "VOUCHER_SIGNATURE_WRONG")
def a_list_under_the_voucher_of_another_total(scene: Scene) -> Said:
    signature = sign_voucher(scene.channel_id, PAID + 1, scene.alice.actor.signer)
    return to_bob(scene, replace(listed(scene, (5, 5)), signature=signature))


@refused(opened, "UNEXPECTED_MESSAGE")
def a_list_longer_than_any(scene: Scene) -> Said:
    return to_bob(scene, messages.encode_body(listed(scene, (1,) * 1_001)))


@refused(opened, "UNEXPECTED_MESSAGE")
def a_list_of_nothing(scene: Scene) -> Said:
    body = msgspec.msgpack.decode(messages.encode_body(listed(scene, (1,))))
    return to_bob(scene, msgspec.msgpack.encode([*body[:-1], []]))


@refused(opened, "UNEXPECTED_MESSAGE")
def a_memo_without_end(scene: Scene) -> Said:
    body = replace(pays(scene, PAID + 10, 10), memo="x" * 1_000_000)
    return to_bob(scene, messages.encode_body(body))


@refused(opened, "UNKNOWN_CHANNEL")
def a_list_from_the_hub(scene: Scene) -> Said:
    return Said(scene.ivan, scene.bob, listed(scene, (5, 5)))


# --- what the payee says ---


def receipt(
    scene: Scene, total: int, count: int = 1, by: Actor | None = None, number: int = 2
) -> messages.Receipt:
    """A receipt over the payment of 10 that waits for one."""
    root = payment_root([(number.to_bytes(32, "big"), 10)])
    signer = (by or scene.bob.actor).signer
    signature = signer(receipt_hash(scene.channel_id, total, root))
    return messages.Receipt(scene.channel_id, amount_to_bytes(total), count, root, signature)


def waiting_for_a_receipt() -> Scene:
    """A payment of 10 left the payer."""
    scene = opened()
    scene.web.pay(scene.channel_id, 10, 2)
    return scene


@refused(waiting_for_a_receipt, "RECEIPT_WRONG")
def a_receipt_signed_by_a_stranger(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, receipt(scene, PAID + 10, by=MALLORY))


@refused(waiting_for_a_receipt, "RECEIPT_WRONG")
def a_receipt_over_another_payment(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, receipt(scene, PAID + 10, number=3))


@refused(waiting_for_a_receipt, "RECEIPT_WRONG")
def a_receipt_for_more_than_was_paid(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, receipt(scene, PAID + 11))


@refused(waiting_for_a_receipt, "RECEIPT_WRONG")
def a_receipt_over_more_payments_than_were_made(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, receipt(scene, PAID + 10, count=2**62))


@refused(opened, "RECEIPT_WRONG")
def a_receipt_for_nothing(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, receipt(scene, PAID))


@refused(waiting_for_a_receipt, "UNKNOWN_CHANNEL")
def a_receipt_from_the_hub(scene: Scene) -> Said:
    return Said(scene.ivan, scene.alice, receipt(scene, PAID + 10))


@refused(waiting_for_a_receipt, "UNKNOWN_CHANNEL")
def a_refusal_from_the_hub(scene: Scene) -> Said:
    """It would end the channel, and with it what the hub must guarantee."""
    name = "CHANNEL_CLOSING"
    body = messages.PaymentRefusal(
        scene.channel_id, b"\x02" * 32, amount_to_bytes(PAID + 10), bytes(32), name, ""
    )
    return Said(scene.ivan, scene.alice, body)
