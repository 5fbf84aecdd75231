"""Batches, handed vouchers and payments with their proofs: what goes in, what comes out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from node.answers import Answer
from node.rpc import payments
from node.rpc.errors import InvalidParams
from node.rpc.methods import DECODERS
from node.rpc.payments import BatchPayment, PaymentBatchParams, VoucherReceiveParams
from protocols.commands import CreateVoucher, SendBatch, TakeVoucher
from protocols.errors import UnknownPayment
from protocols.messages import BATCH_PAYMENT_COUNT_MAX
from tests.support.rpc_node import KNOWN_PAYMENT, RecordingNode, open_payment_channel

ID = b"\xab" * 32
TEXT = "0x" + ID.hex()
SIGNATURE = "0x" + "ab" * 64 + "1b"


def send_batch(*paid: BatchPayment, **changes: Any) -> SendBatch:
    made = payments.send_batch(PaymentBatchParams(TEXT, list(paid), **changes))
    assert isinstance(made, SendBatch)
    return made


def test_a_batch_becomes_amounts_and_memos_in_order() -> None:
    made = send_batch(BatchPayment("5", "tea"), BatchPayment("0x10"), shared=False, request_id="r")
    assert (made.channel_id, made.amounts, made.memos) == (ID, (5, 16), ("tea", ""))
    assert (made.is_shared, made.request_id) == (False, "r")
    assert len(made.id_prefix) == 28


def test_a_request_id_names_the_payments_of_a_batch_and_nothing_else_does() -> None:
    one, two = BatchPayment("5"), BatchPayment("6")
    named = [send_batch(paid, request_id="r").id_prefix for paid in (one, two)]
    assert named[0] == named[1] != send_batch(one, request_id="s").id_prefix
    assert send_batch(one).id_prefix != send_batch(one).id_prefix


@pytest.mark.parametrize(
    "wrong",
    [
        {"payments": []},
        {"payments": [{"amount": "1"}] * (BATCH_PAYMENT_COUNT_MAX + 1)},
        {"payments": [{"amount": 1}]},
        {"payments": [{"amount": "1", "note": "x"}]},
        {"payments": [{"memo": "x"}]},
        {"payments": [{"amount": "1", "memo": "x" * 257}]},
        {"shared": "yes"},
        {"until": "soon"},
        {"extra": 1},
    ],
)
def test_a_batch_with_anything_wrong_in_it_is_refused(wrong: dict[str, Any]) -> None:
    given = {"channel_id": TEXT, "payments": [{"amount": "1"}], **wrong}
    with pytest.raises(InvalidParams):
        DECODERS["payment_batch"](msgspec.Raw(msgspec.json.encode(given)))


@pytest.mark.parametrize("amount", ["", "-1", "1.5", "01"])
def test_an_amount_of_a_batch_that_is_none_is_refused_by_its_place(amount: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        send_batch(BatchPayment("1"), BatchPayment(amount))
    assert refused.value.parameter == "payments.amount"


def test_a_voucher_to_create_is_named_by_its_request_id() -> None:
    asked = payments.VoucherCreateParams(TEXT, "5", "gift", "r")
    made, again = payments.create_voucher(asked), payments.create_voucher(asked)
    assert isinstance(made, CreateVoucher)
    assert made == again
    assert (made.channel_id, made.amount, made.memo, made.request_id) == (ID, 5, "gift", "r")
    unnamed = payments.VoucherCreateParams(TEXT, "5")
    assert payments.create_voucher(unnamed) != payments.create_voucher(unnamed)


def test_a_voucher_to_receive_is_its_total_and_its_signature() -> None:
    made = payments.receive_voucher(VoucherReceiveParams(TEXT, "5", SIGNATURE, "r"))
    assert made == TakeVoucher(ID, 5, bytes.fromhex(SIGNATURE[2:]), "r")


@pytest.mark.parametrize("text", ["", "0x", SIGNATURE[:-2], SIGNATURE[:-1] + "g", "1x" + "a" * 130])
def test_what_is_no_signature_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        payments.receive_voucher(VoucherReceiveParams(TEXT, "5", text))
    assert refused.value.parameter == "signature"


def test_answers_become_results() -> None:
    ids = (b"\x01" * 32, b"\x02" * 32)
    batch = payments.batch_result(Answer(7, b"", ID, ids[1], 15, True, payment_ids=ids))
    names = ["0x" + identity.hex() for identity in ids]
    assert batch == payments.BatchResult(7, names, TEXT, "15", True)
    created = payments.created_voucher(Answer(7, b"", ID, ids[0], 15, signature=bytes(65)))
    assert created == payments.CreatedVoucher(7, names[0], TEXT, "15", "0x" + "00" * 65)
    received = payments.received_voucher(Answer(7, b"", ID, total=15, rise=5))
    assert received == payments.ReceivedVoucher(7, TEXT, "15", "5")


async def test_a_payment_is_shown_with_its_receipt_and_its_proof() -> None:
    node = RecordingNode()
    asked = payments.PaymentGetParams("0x" + KNOWN_PAYMENT.payment_id.hex())
    shown = await payments.payment_get(node, asked)
    assert (shown.direction, shown.amount, shown.memo, shown.voucher_total) == (
        "sent",
        "10",
        "tea",
        "15",
    )
    assert shown.receipt is not None
    assert shown.receipt.proof is not None
    assert [step.side for step in shown.receipt.proof] == ["left", "right"]
    with pytest.raises(UnknownPayment):
        await payments.payment_get(node, payments.PaymentGetParams(TEXT))


async def test_a_payment_without_a_receipt_or_a_proof_is_shown_so() -> None:
    node = RecordingNode()
    assert KNOWN_PAYMENT.receipt is not None
    bare = msgspec.structs.replace(KNOWN_PAYMENT, receipt=None, is_ours=False)
    unproved = msgspec.structs.replace(
        KNOWN_PAYMENT, receipt=msgspec.structs.replace(KNOWN_PAYMENT.receipt, proof=None)
    )
    asked = payments.PaymentGetParams("0x" + KNOWN_PAYMENT.payment_id.hex())
    node.known_payment = bare
    shown = await payments.payment_get(node, asked)
    assert (shown.receipt, shown.direction) == (None, "received")
    node.known_payment = unproved
    shown = await payments.payment_get(node, asked)
    assert shown.receipt is not None
    assert shown.receipt.proof is None


async def test_the_engine_s_rules_carry_out_what_the_parameters_say() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node, deposit=1_000)
    text = "0x" + channel_id.hex()
    paid = PaymentBatchParams(text, [BatchPayment("5"), BatchPayment("6")])
    node.take(payments.send_batch(paid))
    node.take(payments.create_voucher(payments.VoucherCreateParams(text, "9")))
    assert node.state.channels[channel_id].vouchers.total == 20
