"""Receipts: the payee signs what it accepted, once a batch of inputs; the payer keeps it.

A receipt is over a total and the Merkle root of the payments it newly covers, so that each can be
proved alone (M13). One over no payment is for a voucher that was handed over without a list.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols import events, messages
from protocols.channel import Channel, known_signer
from protocols.crypto import payment_root
from protocols.draft import Draft
from protocols.errors import ReceiptWrong
from protocols.payments import paying_channel
from protocols.types import Address, amount_from_bytes, amount_to_bytes
from protocols.voucher import NO_PAYMENTS_ROOT, PendingPayment, covered_by, receipt_hash


def issue_receipts(draft: Draft) -> None:
    """The end of a batch: the payee signs one receipt for each channel that was paid in."""
    # Sorted: the order of a set hangs on the process, and what is recorded may not.
    for channel_id in sorted(draft.unreceipted):
        channel = draft.state.channels[channel_id]
        if channel.my_index != 0 and channel.vouchers.pending:
            draft.begin_anew()
            issue_receipt(draft, channel)


def issue_receipt(draft: Draft, channel: Channel) -> None:
    """Sign for everything accepted since the last receipt; without payments, for the total."""
    pending, total = channel.vouchers.pending, channel.vouchers.total
    root = root_of(pending) if pending else NO_PAYMENTS_ROOT
    signature = draft.context.signer(receipt_hash(channel.channel_id, total, root))
    amount, count = amount_to_bytes(total), len(pending)
    draft.send_covered(
        channel.counterparty,
        messages.Receipt(channel.channel_id, amount, count, root, signature),
        events.ReceiptIssued(channel.channel_id, amount, count, root, signature),
    )


def root_of(payments: Iterable[PendingPayment]) -> bytes:
    """M13: the Merkle root over (id, amount) of the payments, in order; one at least."""
    return payment_root([(payment.payment_id, payment.amount) for payment in payments])


def receive_receipt(draft: Draft, peer: Address, body: messages.Receipt) -> None:
    """The payer keeps the payee's signature. Raises ReceiptWrong or UnknownChannel."""
    channel = paying_channel(draft, peer, body.channel_id)
    total, count = amount_from_bytes(body.total), body.payment_count
    covered = covered_by(channel.vouchers, total, count)
    if not covered or (count and len(covered) != count) or covered[-1].total != total:
        raise ReceiptWrong(total, "it does not end with a payment that waits for one")
    if not covered[-1].signature:
        raise ReceiptWrong(total, "it covers a part of a list")
    if body.root != (root_of(covered) if count else NO_PAYMENTS_ROOT):
        raise ReceiptWrong(total, "its root is over other payments")
    payee = known_signer(channel, channel.payee_index)
    message = receipt_hash(channel.channel_id, total, body.root)
    if payee is None or not payee.verify(message, body.signature):
        raise ReceiptWrong(total, "it is not signed by the payee")
    draft.emit(
        events.ReceiptReceived(body.channel_id, body.total, count, body.root, body.signature)
    )
