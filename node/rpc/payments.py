"""Payments beyond a single one: batches, vouchers from hand to hand, and what proves a payment.

Parameters, results and how the one becomes the other, beside each other. Names of payments are
drawn here unless the request id gives them, as for a single payment.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from node.answers import Answer
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import (
    AmountText,
    Hash32Text,
    MomentText,
    Params,
    RequestIdText,
    ShortText,
    parse_amount,
    parse_hash32,
    parse_moment,
)
from node.rpc.results import AmountOut, At, Hash32Out
from protocols.commands import CreateVoucher, SendBatch, TakeVoucher
from protocols.crypto import keccak256
from protocols.errors import UnknownPayment
from protocols.inputs import Input
from protocols.messages import BATCH_PAYMENT_COUNT_MAX
from protocols.types import to_hex

_ID_PREFIX_SIZE_BYTES = 28

SignatureText = Annotated[
    str,
    Meta(
        description="65 bytes in 0x hex: r, s and v.",
        examples=["0x" + "ab" * 64 + "1b"],
        extra_json_schema={"pattern": "^0x[0-9a-fA-F]{130}$"},
    ),
]
SignatureOut = Annotated[str, Meta(description="65 bytes in lower-case 0x hex: r, s and v.")]


class BatchPayment(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One payment of a batch."""

    amount: AmountText
    memo: ShortText = ""
    """Goes to the payee and into both logs, readable by nobody else."""


class PaymentBatchParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which payments to make, all or none."""

    channel_id: Hash32Text
    payments: Annotated[list[BatchPayment], Meta(min_length=1, max_length=BATCH_PAYMENT_COUNT_MAX)]
    """In the order in which they count."""
    shared: bool | None = None
    """One voucher for all of them, or one for each; null: as the configuration says."""
    request_id: RequestIdText = ""
    until: Literal["durable", "receipt"] = "durable"
    """durable: answered once they are on our disk. receipt: once the payee signed for them."""


class VoucherCreateParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which voucher to sign for handing over."""

    channel_id: Hash32Text
    amount: AmountText
    """What it adds to everything spent before; it counts as spent from now on."""
    memo: ShortText = ""
    """Kept in our log."""
    request_id: RequestIdText = ""


class VoucherReceiveParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which voucher was handed to us."""

    channel_id: Hash32Text
    total: AmountText
    """The voucher's amount: everything the payer owes in the channel with it."""
    signature: SignatureText
    """The payer's."""
    request_id: RequestIdText = ""


class PaymentGetParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which payment to show."""

    payment_id: Hash32Text
    at: MomentText | None = None
    """The moment to show; left out, now."""


class BatchResult(Struct, frozen=True, gc=False):
    """A batch is on our disk, and receipted by the payee if it says so."""

    seq: int
    payment_ids: list[Hash32Out]
    """In the order of the payments."""
    channel_id: Hash32Out
    total: AmountOut
    """Cumulative amount of the last voucher."""
    receipted: bool


class CreatedVoucher(Struct, frozen=True, gc=False):
    """A voucher to hand over: channel, total and signature are all of it."""

    seq: int
    payment_id: Hash32Out
    channel_id: Hash32Out
    total: AmountOut
    """Cumulative amount: everything owed with it."""
    signature: SignatureOut


class ReceivedVoucher(Struct, frozen=True, gc=False):
    """What a voucher that was handed to us came to."""

    seq: int
    channel_id: Hash32Out
    total: AmountOut
    """Our largest accepted amount."""
    delta: AmountOut
    """What this voucher added; 0 for one that was known."""


class ProofStep(Struct, frozen=True, gc=False):
    """One level on the way from a payment's leaf to the receipt's root."""

    side: Literal["left", "right"]
    """Where the sibling stands: keccak256(0x01 || left || right) is the next node."""
    hash: Hash32Out


class ReceiptView(Struct, frozen=True, gc=False):
    """The payee's signature over what was paid."""

    seq: int
    total: AmountOut
    """Cumulative amount that the payee signed for."""
    payment_count: int
    """Payments under the root."""
    root: Hash32Out
    signature: SignatureOut
    """Under EIP-191, over keccak256(abi.encode(domain, channel id, total, root)); the domain is
    keccak256("tallystick receipt v1")."""
    proof: list[ProofStep] | None
    """From the leaf keccak256(0x00 || abi.encode(payment id, amount)). Null if the receipt is for a
    voucher that was handed over: it covers the amount and names no payment."""


class PaymentView(Struct, frozen=True, gc=False):
    """One payment with what proves it."""

    payment_id: Hash32Out
    channel_id: Hash32Out
    direction: Literal["sent", "received"]
    amount: AmountOut
    memo: str
    seq: int
    time_ms: int
    """Milliseconds since 1970."""
    voucher_total: AmountOut
    """Cumulative amount of the voucher that covers it."""
    voucher_signature: SignatureOut
    """The payer's."""
    receipt: ReceiptView | None
    """Null until the payee signed for it."""
    at: At


def send_batch(p: PaymentBatchParams) -> Input:
    """Pay many times; the batch's name is drawn here unless the request id gives it."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    # A repeated request id must name the same payments: then it is answered, not paid again.
    prefix = (
        keccak256(b"batch|" + channel_id + p.request_id.encode())[:_ID_PREFIX_SIZE_BYTES]
        if p.request_id
        else secrets.token_bytes(_ID_PREFIX_SIZE_BYTES)
    )
    amounts = tuple([parse_amount("payments.amount", paid.amount) for paid in p.payments])
    memos = tuple([paid.memo for paid in p.payments])
    return SendBatch(channel_id, amounts, memos, prefix, p.shared, p.request_id)


def create_voucher(p: VoucherCreateParams) -> Input:
    """Sign a voucher; its name is drawn here unless the request id gives it."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    payment_id = (
        keccak256(b"voucher|" + channel_id + p.request_id.encode())
        if p.request_id
        else secrets.token_bytes(32)
    )
    amount = parse_amount("amount", p.amount)
    return CreateVoucher(channel_id, amount, payment_id, p.memo, p.request_id)


def receive_voucher(p: VoucherReceiveParams) -> Input:
    """Take a voucher in."""
    return TakeVoucher(
        parse_hash32("channel_id", p.channel_id),
        parse_amount("total", p.total),
        _parse_signature(p.signature),
        p.request_id,
    )


def _parse_signature(text: str) -> bytes:
    if len(text) == 132 and text.isascii() and text[:2] == "0x" and text[2:].isalnum():
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass  # a letter above f: refused below like any other text
    raise InvalidParams("signature", "expected 0x and 130 hex digits")


def batch_result(answer: Answer) -> msgspec.Struct:
    """What became of a batch."""
    return BatchResult(
        answer.seq,
        ["0x" + payment_id.hex() for payment_id in answer.payment_ids],
        to_hex(answer.channel_id),
        str(answer.total),
        answer.receipted,
    )


def created_voucher(answer: Answer) -> msgspec.Struct:
    """The voucher."""
    return CreatedVoucher(
        answer.seq,
        to_hex(answer.payment_id),
        to_hex(answer.channel_id),
        str(answer.total),
        to_hex(answer.signature),
    )


def received_voucher(answer: Answer) -> msgspec.Struct:
    """What the voucher came to."""
    return ReceivedVoucher(
        answer.seq, to_hex(answer.channel_id), str(answer.total), str(answer.rise)
    )


async def payment_get(node: NodeApi, p: PaymentGetParams) -> PaymentView:
    """One payment; `UnknownPayment` if there is none."""
    payment_id = parse_hash32("payment_id", p.payment_id)
    last_seq = node.seq if p.at is None else node.seq_of(parse_moment("at", p.at))
    found = node.payment(payment_id, last_seq)
    if found is None:
        raise UnknownPayment(payment_id)
    receipt = found.receipt
    return PaymentView(
        to_hex(found.payment_id),
        to_hex(found.channel_id),
        "sent" if found.is_ours else "received",
        str(found.amount),
        found.memo,
        found.seq,
        found.time_ms,
        str(found.total),
        to_hex(found.signature),
        None
        if receipt is None
        else ReceiptView(
            receipt.seq,
            str(receipt.total),
            receipt.payment_count,
            to_hex(receipt.root),
            to_hex(receipt.signature),
            None
            if receipt.proof is None
            else [
                ProofStep("left" if is_left else "right", to_hex(sibling))
                for is_left, sibling in receipt.proof
            ],
        ),
        At(last_seq),
    )
