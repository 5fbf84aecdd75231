"""Vouchers handed over: signed for an owner who passes them on, or taken from one.

Nitro's voucher as it is: channel, cumulative amount, signature. It counts as spent once it is
signed. Whether the payee has it the payer learns from its receipt; when the payee names a base
below it, the payer lists it anew with everything else (M13).
"""

from __future__ import annotations

from protocols.channel import known_signer
from protocols.commands import CreateVoucher, TakeVoucher
from protocols.draft import Draft
from protocols.errors import UnknownChannel
from protocols.funding import require_safe
from protocols.payment_errors import NotThePayee, VoucherSignatureWrong
from protocols.payment_events import VoucherCreated, VoucherTaken
from protocols.payments import (
    require_memo,
    require_payment_channel,
    require_spendable,
    require_voucher,
)
from protocols.receipts import issue_receipt
from protocols.types import amount_to_bytes
from protocols.voucher import sign_voucher, verify_voucher


def create_voucher(draft: Draft, command: CreateVoucher) -> None:
    """Sign a voucher for `amount` more; nothing is sent.

    Raises PaymentRefused, UnknownChannel, or InvalidWidth for a memo too long; nothing is spent.
    """
    channel = require_spendable(draft, command.channel_id, command.amount, 1)
    require_memo(command.memo)
    total = channel.vouchers.total + command.amount
    draft.emit(
        VoucherCreated(
            channel.channel_id,
            command.payment_id,
            amount_to_bytes(command.amount),
            amount_to_bytes(total),
            sign_voucher(channel.channel_id, total, draft.context.signer),
            command.memo,
            command.request_id,
        )
    )


def take_voucher(draft: Draft, command: TakeVoucher) -> None:
    """Take a voucher in, and sign for it; one that is not above what we have changes nothing.

    Raises PaymentRefused or UnknownChannel.
    """
    channel = draft.state.channels.get(command.channel_id)
    if channel is None:
        raise UnknownChannel(command.channel_id)
    require_payment_channel(draft, channel)
    if channel.my_index != channel.payee_index:
        raise NotThePayee(channel.channel_id)
    total = command.total
    if total <= channel.vouchers.total:
        payer = known_signer(channel, 0)
        if payer is None or not verify_voucher(channel.channel_id, total, command.signature, payer):
            raise VoucherSignatureWrong(total)
        return
    require_safe(draft, channel)
    require_voucher(channel, total, command.signature)
    if channel.vouchers.pending:
        # A receipt is over a list, or over a voucher without one: never over both.
        issue_receipt(draft, channel)
    rise = amount_to_bytes(total - channel.vouchers.total)
    draft.emit(
        VoucherTaken(
            channel.channel_id,
            rise,
            amount_to_bytes(total),
            command.signature,
            command.request_id,
        )
    )
    issue_receipt(draft, draft.state.channels[channel.channel_id])
