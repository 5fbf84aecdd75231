"""Events of payments: vouchers and receipts, lists under one voucher, vouchers from hand to hand.

A list is a run of `payment-listed` records and, right behind it, the one that carries their
voucher and stands for the message. They are written together or not at all.
"""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, Bytes32, ChannelId, PaymentId, Signature


class VoucherIssued(Event, frozen=True, array_like=True, gc=False):
    """We signed a voucher for one payment and sent both."""

    NAME = "voucher-issued"
    channel_id: ChannelId
    payment_id: PaymentId
    amount: Amount32
    """This payment alone."""
    total: Amount32
    """The voucher's cumulative amount."""
    signature: Signature
    memo: str = ""
    request_id: str = ""


class VoucherReceived(Event, frozen=True, array_like=True, gc=False):
    """We, the payee, accepted a payment under its own voucher."""

    NAME = "voucher-received"
    channel_id: ChannelId
    payment_id: PaymentId
    amount: Amount32
    total: Amount32
    signature: Signature
    memo: str = ""


class VoucherRefused(Event, frozen=True, array_like=True, gc=False):
    """We, the payee, refused a payment and told the payer so; it counts as spent for her (M13)."""

    NAME = "voucher-refused"
    channel_id: ChannelId
    peer: Address
    payment_id: PaymentId
    total: Amount32
    accepted_total: Amount32
    """The payee's largest accepted voucher: the base the payer goes on from."""
    error_code: str
    reason: str


class VoucherRefusalReceived(Event, frozen=True, array_like=True, gc=False):
    """The payee refused a payment, or a list, of ours."""

    NAME = "voucher-refusal-received"
    channel_id: ChannelId
    peer: Address
    payment_id: PaymentId
    total: Amount32
    accepted_total: Amount32
    error_code: str
    reason: str


class VoucherResent(Event, frozen=True, array_like=True, gc=False):
    """A refused payment was sent again, with the voucher it had (M13)."""

    NAME = "voucher-resent"
    channel_id: ChannelId
    payment_id: PaymentId
    total: Amount32


class ReceiptIssued(Event, frozen=True, array_like=True, gc=False):
    """The payee signed what it accepted: all up to total, the new payments by their root (M13)."""

    NAME = "receipt-issued"
    channel_id: ChannelId
    total: Amount32
    payment_count: int
    """Payments under the root: those accepted since the previous receipt."""
    root: Bytes32
    signature: Signature


class ReceiptReceived(Event, frozen=True, array_like=True, gc=False):
    """The payee signed for what it accepted, and we keep it."""

    NAME = "receipt-received"
    channel_id: ChannelId
    total: Amount32
    payment_count: int
    root: Bytes32
    signature: Signature


class PaymentListed(Event, frozen=True, array_like=True, gc=False):
    """One payment of a batch: the batch's own record, behind the last of them, has its voucher."""

    NAME = "payment-listed"
    channel_id: ChannelId
    """Not indexed here: the batch's own record is."""
    payment_id: PaymentId
    amount: Amount32
    """This payment alone."""
    memo: str = ""


class BatchIssued(Event, frozen=True, array_like=True, gc=False):
    """We sent a list of payments under one voucher (M13)."""

    NAME = "batch-issued"
    channel_id: ChannelId
    base: Amount32
    """What was spent before: the payee's largest accepted amount, as we expect it."""
    total: Amount32
    """The voucher's cumulative amount: the base and all of the list."""
    payment_count: int
    """The payments listed in the records right before this one."""
    signature: Signature
    request_id: str = ""
    request_hash: Bytes32 | None = None
    """keccak256 of the command, so that a request id is not reused for another one."""


class BatchReceived(Event, frozen=True, array_like=True, gc=False):
    """We, the payee, accepted a list of payments under one voucher, all of it (M13)."""

    NAME = "batch-received"
    channel_id: ChannelId
    base: Amount32
    total: Amount32
    payment_count: int
    signature: Signature


class BatchSplit(Event, frozen=True, array_like=True, gc=False):
    """A list of payments was paid with a voucher for each: the `voucher-issued` right before."""

    NAME = "batch-split"
    channel_id: ChannelId
    total: Amount32
    """The last voucher's."""
    payment_count: int
    request_id: str
    request_hash: Bytes32


class VoucherCreated(Event, frozen=True, array_like=True, gc=False):
    """We signed a voucher for our owner to hand over: it counts as spent, and was not sent."""

    NAME = "voucher-created"
    channel_id: ChannelId
    payment_id: PaymentId
    amount: Amount32
    """What it adds."""
    total: Amount32
    """The voucher's cumulative amount."""
    signature: Signature
    memo: str = ""
    request_id: str = ""


class VoucherTaken(Event, frozen=True, array_like=True, gc=False):
    """Our owner handed us, the payee, a voucher that came by another way; it has no list."""

    NAME = "voucher-taken"
    channel_id: ChannelId
    amount: Amount32
    """What it adds to our largest accepted one."""
    total: Amount32
    signature: Signature
    request_id: str = ""
