"""What is refused of vouchers and payments (M11 to M13)."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class PaymentRefused(ProtocolError):
    """A voucher that may not be issued or accepted (M11, M12)."""


@dataclass(eq=False)
class ChannelNotOpen(PaymentRefused):
    """M11: payments begin when the postfund is signed and the money confirmed."""

    code = 1201
    retry_safe = True
    next_step = "wait until the channel's status is open; why it is not: tally explain CHANNEL"
    template = "channel {channel_id} is {status}, not open"
    channel_id: bytes
    status: str


@dataclass(eq=False)
class ChannelClosing(PaymentRefused):
    """M12: after a final state no voucher follows."""

    code = 1202
    next_step = "open a new channel to go on"
    template = "channel {channel_id} is closing or closed: nothing follows its final state"
    channel_id: bytes


@dataclass(eq=False)
class ChannelDisputed(PaymentRefused):
    """M11: a challenge or conclusion of the channel was observed on chain."""

    code = 1203
    next_step = "look at the channel's status"
    template = "channel {channel_id} is {status} on chain"
    channel_id: bytes
    status: str


@dataclass(eq=False)
class ChannelHalted(PaymentRefused):
    """A fork replaced a block in which a fact of the channel counted as confirmed."""

    code = 1219
    next_step = "wait for the chain to show it again; if it does not, type: tally close CHANNEL"
    template = "channel {channel_id} is halted: the chain replaced blocks from {fork_block_num} on"
    channel_id: bytes
    fork_block_num: int


@dataclass(eq=False)
class ChannelCloseOnly(PaymentRefused):
    """M27: after a restore or a cut tail the channel may only be closed."""

    code = 1204
    next_step = "close the channel and open a new one"
    template = "channel {channel_id} is close-only: its log lost a tail"
    channel_id: bytes


@dataclass(eq=False)
class AmountNotPositive(PaymentRefused):
    """A payment moves at least 1."""

    code = 1205
    next_step = "pay an amount of at least 1"
    template = "amount must be at least 1, got {amount}"
    amount: int


@dataclass(eq=False)
class AmountAboveDeposit(PaymentRefused):
    """M11: a voucher never exceeds the payer's deposit."""

    code = 1206
    next_step = "pay at most what remains"
    template = "{amount} is above the {remaining} that remain of the deposit"
    amount: int
    remaining: int


@dataclass(eq=False)
class VoucherTotalWrong(PaymentRefused):
    """M13: the total must be the payee's largest accepted amount plus the listed payment."""

    code = 1207
    template = "voucher total {total} is not {base} + {amount}"
    total: int
    base: int
    amount: int


@dataclass(eq=False)
class NotThePayer(PaymentRefused):
    """A payment channel is one-way: participant 0 pays."""

    code = 1208
    next_step = "open a channel in the other direction"
    template = "only participant 0 of channel {channel_id} pays in it"
    channel_id: bytes


@dataclass(eq=False)
class ChainViewStale(PaymentRefused):
    """M11: the payee's view of the chain is older than a third of the challenge duration."""

    code = 1209
    retry_safe = True
    next_step = "wait for the chain endpoint to answer"
    template = "our view of the chain is {age_s} s old, at most {limit_s} s is safe"
    age_s: int
    limit_s: int


@dataclass(eq=False)
class ChainNotSeenYet(PaymentRefused):
    """M11: no endpoint has shown the chain since the node started."""

    code = 1213
    retry_safe = True
    next_step = "wait for a chain endpoint to answer"
    template = "the chain has not been seen since the start, so no payment in {channel_id} is safe"
    channel_id: bytes


@dataclass(eq=False)
class TooManyPaymentsInFlight(PaymentRefused):
    """Payments without a receipt are bounded, since each is kept for a resend."""

    code = 1210
    retry_safe = True
    next_step = "wait for receipts"
    template = "{count} payments of channel {channel_id} still wait for a receipt"
    channel_id: bytes
    count: int


@dataclass(eq=False)
class VoucherSignatureWrong(PaymentRefused):
    """A voucher counts only with the payer's own signature."""

    code = 1211
    template = "voucher of {total} is not signed by the payer"
    total: int


@dataclass(eq=False)
class PaymentRefusedByPayee(PaymentRefused):
    """M13: a voucher that left counts as spent; the channel closes at the payer's largest one."""

    code = 1212
    next_step = "look at the channel: it is closing, and pays the payee the voucher's total"
    template = "the payee refused payment {payment_id} for good: {error_code}, {reason}"
    payment_id: bytes
    error_code: str
    reason: str


@dataclass(eq=False)
class BatchBaseWrong(PaymentRefused):
    """M13: a list goes on from the payee's largest accepted amount, or is listed anew from it."""

    code = 1214
    template = "the list goes on from {base}, the largest accepted amount is {accepted}"
    base: int
    accepted: int


@dataclass(eq=False)
class PaymentListTooLong(PaymentRefused):
    """A list of payments must fit into one message."""

    code = 1215
    next_step = "split the batch"
    template = "{count} payments with {memo_size_bytes} bytes of memos do not fit into one batch"
    count: int
    memo_size_bytes: int


@dataclass(eq=False)
class PaymentListedTwice(PaymentRefused):
    """M13: each id is credited once."""

    code = 1216
    template = "a list of {count} payments names {distinct_count} different ones"
    count: int
    distinct_count: int


@dataclass(eq=False)
class NotThePayee(PaymentRefused):
    """Vouchers are taken by the last participant of a payment channel."""

    code = 1217
    next_step = "hand the voucher to the channel's payee"
    template = "only the payee of channel {channel_id} takes vouchers in it"
    channel_id: bytes


@dataclass(eq=False)
class NotAPaymentChannel(PaymentRefused):
    """M1: vouchers count in channels of the deployment's VirtualPaymentApp only."""

    code = 1218
    next_step = "in a ledger: tally ledger pay; in an application's: tally app send"
    template = "channel {channel_id} is no payment channel: it carries no vouchers"
    channel_id: bytes
