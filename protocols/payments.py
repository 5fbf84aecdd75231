"""Payments: vouchers issued by the payer, accepted or refused by the payee.

A voucher is cumulative; each payment has its own here (M13: its total is the payee's largest
accepted amount plus the payment), and many share one in `batches`. A voucher that left counts as
spent: a refused payment stays pending and is sent again with the same voucher, in order, from the
base the payee named. What the payee accepted it signs in `receipts`.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import (
    Channel,
    ChannelStatus,
    funding_terms,
    known_signer,
    status,
)
from protocols.commands import SendPayment
from protocols.draft import Draft
from protocols.errors import InvalidWidth, UnknownChannel, all_errors
from protocols.funding import require_safe
from protocols.objectives.closing import start as start_defund
from protocols.payment_errors import (
    AmountAboveDeposit,
    AmountNotPositive,
    BatchBaseWrong,
    ChannelClosing,
    NotAPaymentChannel,
    NotThePayer,
    PaymentRefused,
    TooManyPaymentsInFlight,
    VoucherSignatureWrong,
    VoucherTotalWrong,
)
from protocols.types import Address, ChannelId, PaymentId, amount_from_bytes, amount_to_bytes
from protocols.voucher import PendingPayment, lists, sign_voucher, verify_voucher

PAYMENTS_IN_FLIGHT_COUNT_MAX = 16_384
"""Payments of one channel without a receipt; bounds the memory and the resend after a refusal."""

RESEND_PAUSE_MS = 1_000
"""Pause before refused payments are sent again, doubled each round."""
RESEND_PAUSE_MS_MAX = 300_000
"""The longest pause: five minutes."""
RESEND_ROUND_COUNT_MAX = 20
"""Rounds without a receipt after which a refusal is for good: about an hour."""


# --- the payer ---


def send_payment(draft: Draft, command: SendPayment) -> None:
    """The owner pays: one voucher, one message.

    Raises PaymentRefused, UnknownChannel, or InvalidWidth for a memo too long; nothing is spent.
    """
    channel = require_spendable(draft, command.channel_id, command.amount, 1)
    require_memo(command.memo)
    total = channel.vouchers.total + command.amount
    signature = sign_voucher(channel.channel_id, total, draft.context.signer)
    payment = PendingPayment(command.payment_id, command.amount, total, signature, command.memo)
    fact = events.VoucherIssued(
        channel.channel_id,
        payment.payment_id,
        amount_to_bytes(payment.amount),
        amount_to_bytes(total),
        signature,
        command.memo,
        command.request_id,
    )
    draft.send_covered(channel.counterparty, message_of(channel, [payment]), fact)


def require_spendable(
    draft: Draft, channel_id: ChannelId, amount: int, payment_count: int
) -> Channel:
    """The channel, if we may spend `amount` more in it now, over that many payments.

    Raises PaymentRefused or UnknownChannel.
    """
    channel = draft.state.channels.get(channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    require_payment_channel(draft, channel)
    if channel.my_index != 0:
        raise NotThePayer(channel_id)
    require_safe(draft, channel)
    if channel.final_requests:
        raise ChannelClosing(channel_id)
    if amount <= 0:
        raise AmountNotPositive(amount)
    vouchers = channel.vouchers
    remaining = funding_terms(channel).deposits[0] - vouchers.total
    if amount > remaining:
        raise AmountAboveDeposit(amount, remaining)
    if len(vouchers.pending) + payment_count > PAYMENTS_IN_FLIGHT_COUNT_MAX:
        raise TooManyPaymentsInFlight(channel_id, len(vouchers.pending))
    return channel


def require_payment_channel(draft: Draft, channel: Channel) -> None:
    """M1: no voucher counts anywhere but in the deployment's own payment app."""
    if channel.fixed.app_definition != draft.state.node.virtual_payment_app:
        raise NotAPaymentChannel(channel.channel_id)


def require_memo(memo: str) -> None:
    """Raise InvalidWidth for a memo that no message carries."""
    if len(memo) > messages.TEXT_LENGTH_MAX:
        expected = f"at most {messages.TEXT_LENGTH_MAX} characters"
        raise InvalidWidth("memo", expected, str(len(memo)))


def message_of(
    channel: Channel, listed: list[PendingPayment]
) -> messages.Payment | messages.PaymentBatch:
    """The payments of one voucher as they are sent; the last of them has its signature."""
    first, last = listed[0], listed[-1]
    if first is last:
        return messages.Payment(
            channel.channel_id,
            last.payment_id,
            amount_to_bytes(last.amount),
            amount_to_bytes(last.total),
            last.signature,
            last.memo,
        )
    return messages.PaymentBatch(
        channel.channel_id,
        amount_to_bytes(first.total - first.amount),
        amount_to_bytes(last.total),
        last.signature,
        tuple(
            messages.ListedPayment(p.payment_id, amount_to_bytes(p.amount), p.memo) for p in listed
        ),
    )


def paying_channel(draft: Draft, peer: Address, channel_id: ChannelId) -> Channel:
    """The payment channel in which we pay that peer; raises UnknownChannel."""
    channel = draft.state.channels.get(channel_id)
    if (
        channel is None
        or channel.my_index != 0
        or channel.counterparty != peer
        or channel.fixed.app_definition != draft.state.node.virtual_payment_app
    ):
        raise UnknownChannel(channel_id)
    return channel


def receive_refusal(draft: Draft, peer: Address, body: messages.PaymentRefusal) -> None:
    """The payer learns of a refusal: send again later, or close if it is for good (M13).

    Raises UnknownChannel unless it comes from the payee of a channel in which we pay.
    """
    channel = paying_channel(draft, peer, body.channel_id)
    draft.emit(
        events.VoucherRefusalReceived(
            body.channel_id,
            peer,
            body.payment_id,
            body.total,
            body.accepted_total,
            body.error_code,
            body.reason,
        )
    )
    if is_for_good(body.error_code) and status(channel) == ChannelStatus.OPEN:
        start_defund(draft, channel, draft.context.me)


def is_for_good(error_code: str) -> bool:
    """Whether what the payee refused under that name is not to be sent again."""
    error = all_errors().get(error_code)
    return error is None or not (error.retry_safe or error in (VoucherTotalWrong, BatchBaseWrong))


def resend_refused(draft: Draft) -> None:
    """Time passed: what was refused is sent again, with its own vouchers, from the payee's base.

    Each round waits twice as long as the one before; when many rounds changed nothing the refusal
    is for good, and the channel closes (M13).
    """
    for channel_id in sorted(draft.refused):
        channel = draft.state.channels[channel_id]
        vouchers = channel.vouchers
        if vouchers.refused_at < 0 or channel.my_index != 0:
            continue
        if status(channel) != ChannelStatus.OPEN:
            continue
        draft.begin_anew()
        if vouchers.resend_count >= RESEND_ROUND_COUNT_MAX:
            start_defund(draft, channel, draft.context.me)
        elif _may_resend(draft, channel):
            _resend(draft, channel)


def _may_resend(draft: Draft, channel: Channel) -> bool:
    vouchers = channel.vouchers
    pause_ms = min(RESEND_PAUSE_MS << min(vouchers.resend_count, 16), RESEND_PAUSE_MS_MAX)
    return draft.context.now_ms >= vouchers.resent_ms + pause_ms


def _resend(draft: Draft, channel: Channel) -> None:
    base = channel.vouchers.refused_at
    above = [payment for payment in channel.vouchers.pending if payment.total > base]
    for listed in lists(above):
        last = listed[-1]
        total = amount_to_bytes(last.total)
        fact = events.VoucherResent(channel.channel_id, last.payment_id, total)
        draft.send_covered(channel.counterparty, message_of(channel, listed), fact)


# --- the payee ---


def receive_payment(draft: Draft, peer: Address, body: messages.Payment) -> None:
    """The payee's side: accept and record, or refuse by name and tell the payer."""
    channel = paid_channel(draft, peer, body.channel_id)
    amount, total = amount_from_bytes(body.amount), amount_from_bytes(body.total)
    try:
        require_safe(draft, channel)
        if amount <= 0:
            raise AmountNotPositive(amount)
        base = channel.vouchers.total
        if total != base + amount:
            raise VoucherTotalWrong(total, base, amount)
        require_voucher(channel, total, body.signature)
    except PaymentRefused as refusal:
        refuse(draft, channel, body.payment_id, total, refusal)
        return
    draft.emit(
        events.VoucherReceived(
            body.channel_id, body.payment_id, body.amount, body.total, body.signature, body.memo
        )
    )


def paid_channel(draft: Draft, peer: Address, channel_id: ChannelId) -> Channel:
    """The payment channel in which that peer pays us; raises UnknownChannel."""
    channel = draft.state.channels.get(channel_id)
    if (
        channel is None
        or channel.my_index != channel.payee_index
        or channel.counterparty != peer
        or channel.fixed.app_definition != draft.state.node.virtual_payment_app
    ):
        raise UnknownChannel(channel_id)
    return channel


def require_voucher(channel: Channel, total: int, signature: bytes) -> None:
    """The payer's own signature over a total within her deposit (M11), in a channel that is open.

    Raises AmountAboveDeposit or VoucherSignatureWrong.
    """
    base, deposit = channel.vouchers.total, funding_terms(channel).deposits[0]
    if total > deposit:
        raise AmountAboveDeposit(total - base, deposit - base)
    payer = known_signer(channel, 0)
    assert payer is not None, "an open channel has its payer's prefund signature"
    if not verify_voucher(channel.channel_id, total, signature, payer):
        raise VoucherSignatureWrong(total)


def refuse(
    draft: Draft, channel: Channel, payment_id: PaymentId, total: int, refusal: PaymentRefused
) -> None:
    """Tell the payer what is in the way, and the base to go on from (M13)."""
    payer, shown = channel.counterparty, amount_to_bytes(total)
    base = amount_to_bytes(channel.vouchers.total)
    name, reason = refusal.name(), str(refusal)[: messages.TEXT_LENGTH_MAX]
    draft.send_covered(
        payer,
        messages.PaymentRefusal(channel.channel_id, payment_id, shown, base, name, reason),
        events.VoucherRefused(channel.channel_id, payer, payment_id, shown, base, name, reason),
    )
