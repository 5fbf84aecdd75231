"""Payments: vouchers issued by the payer, accepted or refused by the payee, receipted once a batch.

A voucher is cumulative; each payment has its own (M13: its total is the payee's largest accepted
amount plus the payment). A voucher that left counts as spent: a refused payment stays pending and
is sent again with the same voucher, in order, from the base the payee named. The receipt signs
the Merkle root over the payments it newly covers, so that each payment can be proved alone.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import (
    POSTFUND_TURN,
    ChainStatus,
    Channel,
    ChannelStatus,
    PendingPayment,
    funding_terms,
    is_funded,
    known_signer,
    observed_chain_status,
    signed_final,
    status,
)
from protocols.crypto import merkle_root, payment_leaf
from protocols.draft import Draft
from protocols.errors import (
    AmountAboveDeposit,
    AmountNotPositive,
    ChainNotSeenYet,
    ChainViewStale,
    ChannelCloseOnly,
    ChannelClosing,
    ChannelDisputed,
    ChannelNotOpen,
    InvalidWidth,
    NotThePayer,
    PaymentRefused,
    ReceiptWrong,
    TooManyPaymentsInFlight,
    UnknownChannel,
    VoucherSignatureWrong,
    VoucherTotalWrong,
    all_errors,
)
from protocols.inputs import SendPayment
from protocols.objectives.closing import start as start_defund
from protocols.types import Address, amount_from_bytes, amount_to_bytes
from protocols.voucher import receipt_hash, sign_voucher, verify_voucher

PAYMENTS_IN_FLIGHT_COUNT_MAX = 4_096
"""Payments of one channel without a receipt; bounds the memory and the resend after a refusal."""

RESEND_PAUSE_MS = 1_000
"""Pause before refused payments are sent again, doubled each round."""
RESEND_PAUSE_MS_MAX = 300_000
"""The longest pause: five minutes."""
RESEND_ROUND_COUNT_MAX = 20
"""Rounds without a receipt after which a refusal is for good: about an hour."""

CHAIN_VIEW_SHARE = 3
"""M11: a view of the chain older than a third of the challenge duration is too old to act on."""


def _require_open(draft: Draft, channel: Channel) -> None:
    """M11, for both sides as far as each can see: a voucher is safe in this channel now."""
    if channel.close_only:
        raise ChannelCloseOnly(channel.channel_id)
    if channel.supported_turn < POSTFUND_TURN or not is_funded(channel):
        raise ChannelNotOpen(channel.channel_id, status(channel))
    if channel.supported_turn > POSTFUND_TURN or signed_final(channel, channel.my_index):
        raise ChannelClosing(channel.channel_id)
    if observed_chain_status(channel) != ChainStatus.OPEN:
        raise ChannelDisputed(channel.channel_id, observed_chain_status(channel))
    limit_s, age_s = (
        channel.fixed.challenge_duration // CHAIN_VIEW_SHARE,
        draft.context.chain_view_age_s,
    )
    if age_s is None:
        raise ChainNotSeenYet(channel.channel_id)
    if age_s > limit_s:
        raise ChainViewStale(age_s, limit_s)


def send_payment(draft: Draft, command: SendPayment) -> None:
    """The owner pays: one voucher, one message.

    Raises PaymentRefused, UnknownChannel, or InvalidWidth for a memo too long; nothing is spent.
    """
    channel = draft.state.channels.get(command.channel_id)
    if channel is None:
        raise UnknownChannel(command.channel_id)
    if channel.my_index != 0:
        raise NotThePayer(channel.channel_id)
    _require_open(draft, channel)
    if channel.final_requests:
        raise ChannelClosing(channel.channel_id)
    if command.amount <= 0:
        raise AmountNotPositive(command.amount)
    if len(command.memo) > messages.TEXT_LENGTH_MAX:
        expected = f"at most {messages.TEXT_LENGTH_MAX} characters"
        raise InvalidWidth("memo", expected, str(len(command.memo)))
    vouchers = channel.vouchers
    remaining = funding_terms(channel).deposits[0] - vouchers.total
    if command.amount > remaining:
        raise AmountAboveDeposit(command.amount, remaining)
    if len(vouchers.pending) >= PAYMENTS_IN_FLIGHT_COUNT_MAX:
        raise TooManyPaymentsInFlight(channel.channel_id, len(vouchers.pending))
    total = vouchers.total + command.amount
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
    draft.send_covered(channel.counterparty, _message(channel, payment), fact)


def _message(channel: Channel, payment: PendingPayment) -> messages.Payment:
    return messages.Payment(
        channel.channel_id,
        payment.payment_id,
        amount_to_bytes(payment.amount),
        amount_to_bytes(payment.total),
        payment.signature,
        payment.memo,
    )


def receive_payment(draft: Draft, peer: Address, body: messages.Payment) -> None:
    """The payee's side: accept and record, or refuse by name and tell the payer."""
    channel = draft.state.channels.get(body.channel_id)
    total = amount_from_bytes(body.total)
    if channel is None or channel.counterparty != peer or channel.my_index == 0:
        raise UnknownChannel(body.channel_id)
    try:
        _require_acceptable(draft, channel, amount_from_bytes(body.amount), total, body.signature)
    except PaymentRefused as refusal:
        _refuse(draft, channel, body, refusal)
        return
    draft.emit(
        events.VoucherReceived(
            body.channel_id, body.payment_id, body.amount, body.total, body.signature, body.memo
        )
    )


def _require_acceptable(
    draft: Draft, channel: Channel, amount: int, total: int, signature: bytes
) -> None:
    _require_open(draft, channel)
    if amount <= 0:
        raise AmountNotPositive(amount)
    base = channel.vouchers.total
    if total != base + amount:
        raise VoucherTotalWrong(total, base, amount)
    deposit = funding_terms(channel).deposits[0]
    if total > deposit:
        raise AmountAboveDeposit(amount, deposit - base)
    payer = known_signer(channel, 0)
    assert payer is not None, "an open channel has its payer's prefund signature"
    if not verify_voucher(channel.channel_id, total, signature, payer):
        raise VoucherSignatureWrong(total)


def _refuse(
    draft: Draft, channel: Channel, body: messages.Payment, refusal: PaymentRefused
) -> None:
    payer = channel.counterparty
    base = amount_to_bytes(channel.vouchers.total)
    name, reason = refusal.name(), str(refusal)[: messages.TEXT_LENGTH_MAX]
    answer = messages.PaymentRefusal(
        body.channel_id, body.payment_id, body.total, base, name, reason
    )
    fact = events.VoucherRefused(
        body.channel_id, payer, body.payment_id, body.total, base, name, reason
    )
    draft.send_covered(payer, answer, fact)


def issue_receipts(draft: Draft) -> None:
    """The end of a batch: the payee signs one receipt for each channel that was paid in."""
    for channel_id in list(draft.unreceipted):
        channel = draft.state.channels[channel_id]
        pending = channel.vouchers.pending
        if channel.my_index == 0 or not pending:
            continue
        total, root = channel.vouchers.total, root_of(pending)
        signature = draft.context.signer(receipt_hash(channel_id, total, root))
        amount = amount_to_bytes(total)
        draft.send_covered(
            channel.counterparty,
            messages.Receipt(channel_id, amount, len(pending), root, signature),
            events.ReceiptIssued(channel_id, amount, len(pending), root, signature),
        )


def root_of(payments: tuple[PendingPayment, ...]) -> bytes:
    """M13: the Merkle root over (id, amount) of the payments, in order."""
    return merkle_root([payment_leaf(p.payment_id, p.amount) for p in payments])


def receive_receipt(draft: Draft, peer: Address, body: messages.Receipt) -> None:
    """The payer keeps the payee's signature. Raises ReceiptWrong or UnknownChannel."""
    channel = draft.state.channels.get(body.channel_id)
    if channel is None or channel.counterparty != peer or channel.my_index != 0:
        raise UnknownChannel(body.channel_id)
    total = amount_from_bytes(body.total)
    covered = channel.vouchers.pending[: body.payment_count]
    if not covered or len(covered) != body.payment_count or covered[-1].total != total:
        raise ReceiptWrong(total, "it does not end with a payment that waits for one")
    if root_of(covered) != body.root:
        raise ReceiptWrong(total, "its root is over other payments")
    payee = known_signer(channel, 1)
    message = receipt_hash(channel.channel_id, total, body.root)
    if payee is None or not payee.verify(message, body.signature):
        raise ReceiptWrong(total, "it is not signed by the payee")
    draft.emit(
        events.ReceiptReceived(
            body.channel_id, body.total, body.payment_count, body.root, body.signature
        )
    )


def receive_refusal(draft: Draft, peer: Address, body: messages.PaymentRefusal) -> None:
    """The payer learns of a refusal: send again later, or close if it is for good (M13).

    Raises UnknownChannel unless it comes from the payee of a channel in which we pay.
    """
    channel = draft.state.channels.get(body.channel_id)
    if channel is None or channel.counterparty != peer or channel.my_index != 0:
        raise UnknownChannel(body.channel_id)
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
    error = all_errors().get(body.error_code)
    retry = error is not None and (error.retry_safe or error is VoucherTotalWrong)
    if not retry and status(channel) == ChannelStatus.OPEN:
        start_defund(draft, channel, draft.context.me)


def resend_refused(draft: Draft) -> None:
    """Time passed: what was refused is sent again, with its own vouchers, from the payee's base.

    Each round waits twice as long as the one before; when many rounds changed nothing the refusal
    is for good, and the channel closes (M13).
    """
    for channel_id in list(draft.refused):
        channel = draft.state.channels[channel_id]
        vouchers = channel.vouchers
        if vouchers.refused_at < 0 or channel.my_index != 0:
            continue
        if status(channel) != ChannelStatus.OPEN:
            continue
        if vouchers.resend_count >= RESEND_ROUND_COUNT_MAX:
            start_defund(draft, channel, draft.context.me)
        elif _may_resend(draft, channel):
            _resend(draft, channel)


def _may_resend(draft: Draft, channel: Channel) -> bool:
    vouchers = channel.vouchers
    pause_ms = min(RESEND_PAUSE_MS << min(vouchers.resend_count, 16), RESEND_PAUSE_MS_MAX)
    return draft.context.now_ms >= vouchers.resent_ms + pause_ms


def _resend(draft: Draft, channel: Channel) -> None:
    for payment in channel.vouchers.pending:
        if payment.total > channel.vouchers.refused_at:
            total = amount_to_bytes(payment.total)
            fact = events.VoucherResent(channel.channel_id, payment.payment_id, total)
            draft.send_covered(channel.counterparty, _message(channel, payment), fact)
