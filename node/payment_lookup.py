"""One payment as the log tells of it: its record, its voucher, and the receipt that proves it.

Reads by the payment's id, then by its channel's. Both sides can ask; the payer learns what to show
a third party: a leaf, its way up the tree, and the payee's signature over the root (M13).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from node.answers import PaymentAnswer, ReceiptAnswer
from node.store.log import EventLog
from node.store.record import Record
from protocols import events
from protocols.crypto import merkle_proof, payment_leaf
from protocols.payment_events import (
    BatchIssued,
    BatchReceived,
    PaymentListed,
    VoucherCreated,
)
from protocols.types import ChannelId, PaymentId, amount_from_bytes

_Single = events.VoucherIssued | events.VoucherReceived | VoucherCreated
_Batch = BatchIssued | BatchReceived
_Receipt = events.ReceiptIssued | events.ReceiptReceived


class _Payment(Struct, frozen=True, gc=False):
    payment_id: PaymentId
    amount: int
    rank: int
    """What was paid in all with it."""


def find_payment(
    log: EventLog, payment_id: PaymentId, last_seq: int | None = None
) -> PaymentAnswer | None:
    """The payment with that id; None if there is none. Raises `LogDamaged`.

    As of record `last_seq`: what was recorded later, its receipt too, is not known.
    """
    end = log.next_seq if last_seq is None else last_seq + 1
    for record in log.read_entity(payment_id):
        if record.seq >= end:
            break
        event = record.event()
        if isinstance(event, _Single):
            voucher: _Single | _Batch = event
            is_ours = not isinstance(event, events.VoucherReceived)
        elif isinstance(event, PaymentListed):
            voucher = _batch_behind(log, record.seq)
            is_ours = isinstance(voucher, BatchIssued)
        else:
            continue
        total = amount_from_bytes(voucher.total)
        receipt = _receipt_for(log, record, event.channel_id, payment_id, total, end)
        return PaymentAnswer(
            payment_id,
            event.channel_id,
            record.seq,
            record.time_ms,
            amount_from_bytes(event.amount),
            event.memo,
            total,
            voucher.signature,
            is_ours,
            receipt,
        )
    return None


def _batch_behind(log: EventLog, seq: int) -> _Batch:
    for _, event in log.read_events(seq + 1):
        if isinstance(event, _Batch):
            return event
    raise AssertionError("a list is written together with its voucher")


def _receipt_for(
    log: EventLog,
    payment: Record,
    channel_id: ChannelId,
    payment_id: PaymentId,
    total: int,
    end: int,
) -> ReceiptAnswer | None:
    """The first receipt behind the payment, before `end`, whose total reaches the voucher's."""
    for record in log.read_entity(channel_id, payment.seq):
        if record.seq >= end:
            break
        event = record.event()
        if not isinstance(event, _Receipt) or amount_from_bytes(event.total) < total:
            continue
        proof = None
        if event.payment_count:
            covered = _covered(log, channel_id, payment.seq, record.seq, event)
            leaves = [payment_leaf(paid.payment_id, paid.amount) for paid in covered]
            index = [paid.payment_id for paid in covered].index(payment_id)
            proof = merkle_proof(leaves, index)
        receipted = amount_from_bytes(event.total)
        count, root, signature = event.payment_count, event.root, event.signature
        return ReceiptAnswer(record.seq, receipted, count, root, signature, proof)
    return None


def _covered(
    log: EventLog, channel_id: ChannelId, payment_seq: int, receipt_seq: int, event: _Receipt
) -> list[_Payment]:
    """The payments under a receipt: so many of the channel's, up to its total."""
    total, count = amount_from_bytes(event.total), event.payment_count
    window = 2 * count
    while True:
        from_seq = max(0, payment_seq - window)
        paid = _payments(log, channel_id, from_seq, receipt_seq)
        within = [payment for payment in paid if payment.rank <= total]
        if len(within) >= count or from_seq == 0:
            return within[len(within) - count :]
        window *= 4


def _payments(
    log: EventLog, channel_id: ChannelId, from_seq: int, to_seq: int
) -> Iterator[_Payment]:
    """The channel's payments recorded by `from_seq` to `to_seq`, in order."""
    for record in log.read_entity(channel_id, from_seq):
        if record.seq > to_seq:
            return
        event = record.event()
        if isinstance(event, _Single):
            total, amount = amount_from_bytes(event.total), amount_from_bytes(event.amount)
            yield _Payment(event.payment_id, amount, total)
        elif isinstance(event, _Batch):
            rank = amount_from_bytes(event.base)
            for _, listed in log.read_events(record.seq - event.payment_count, record.seq):
                assert isinstance(listed, PaymentListed), "a list stands right before its record"
                amount = amount_from_bytes(listed.amount)
                rank += amount
                yield _Payment(listed.payment_id, amount, rank)
