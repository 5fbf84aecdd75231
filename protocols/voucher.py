"""Vouchers: a payer's signature over how much a channel owes in all, and the payee's receipt.

A voucher's amount is cumulative: the largest one counts. What makes one acceptable (M11 to M13)
is the channel's business; here are its bytes, and what each side remembers of them.
Source: VirtualPaymentApp.sol.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from protocols.abi import encode_signature, encode_voucher
from protocols.crypto import KnownSigner, keccak256
from protocols.errors import InvalidSignature
from protocols.types import (
    Amount,
    Bytes32,
    ChannelId,
    PaymentId,
    Signature,
    amount_to_bytes,
    require_width,
)

RECEIPT_DOMAIN = keccak256(b"tallystick receipt v1")
"""Keeps a receipt from ever being taken for a voucher or a state."""

NO_PAYMENTS_ROOT = bytes(32)
"""The root of a receipt for a voucher that was handed over: it came without a list of payments."""


class PendingPayment(Struct, frozen=True, array_like=True, gc=False):
    """A payment without a receipt."""

    payment_id: PaymentId
    amount: int
    total: int
    """What was paid in all with it; its voucher's amount if it is the last of its list."""
    signature: bytes
    """The voucher's; empty where a later payment of the same list carries it."""
    memo: str


class Vouchers(Struct, frozen=True, array_like=True, gc=False):
    """The payments of a channel, on either side: ours issued, or ours received."""

    total: int = 0
    """Largest voucher issued or accepted, cumulative."""
    signature: bytes = b""
    payment_count: int = 0
    receipted_total: int = 0
    receipted_count: int = 0
    receipt_signature: bytes = b""
    receipt_root: bytes = b""
    pending: tuple[PendingPayment, ...] = ()
    """Payments above receipted_total, in order."""
    refused_at: int = -1
    """The payee's base after its last refusal, until what is above it was sent again; or -1."""
    resend_count: int = 0
    """Rounds of sending refused payments again since the last receipt."""
    resent_ms: int = 0
    """When the last round was."""


def lists(payments: Iterable[PendingPayment]) -> Iterator[list[PendingPayment]]:
    """The payments by the vouchers that cover them, in order; the last of each list is signed."""
    listed: list[PendingPayment] = []
    for payment in payments:
        listed.append(payment)
        if payment.signature:
            yield listed
            listed = []


def covered_by(vouchers: Vouchers, total: Amount, payment_count: int) -> tuple[PendingPayment, ...]:
    """The pending payments that a receipt for `total` covers.

    A receipt over no payment is one for a voucher that was handed over: it covers whatever is
    within the total.
    """
    pending = vouchers.pending
    if payment_count > 0:
        return pending[:payment_count]
    return pending[: bisect_right(pending, total, key=_total)]


def _total(payment: PendingPayment) -> Amount:
    return payment.total


def voucher_hash(channel_id: ChannelId, amount: Amount) -> Bytes32:
    """keccak256(abi.encode(bytes32 channel_id, uint256 amount)); `InvalidWidth` if out of shape."""
    return keccak256(encode_voucher(channel_id, amount))


def total_hash(channel_id: ChannelId, total32: bytes) -> Bytes32:
    """`voucher_hash` of a total in 32 bytes, for the many of a run; no width is looked at again."""
    return keccak256(channel_id + total32)


def sign_voucher(
    channel_id: ChannelId, amount: Amount, signer: Callable[[Bytes32], Signature]
) -> Signature:
    """The payer's signature over the cumulative `amount`; `signer` applies EIP-191 itself."""
    return signer(voucher_hash(channel_id, amount))


def sign_totals(
    channel_id: ChannelId, totals32: Iterable[bytes], signer: Callable[[Bytes32], Signature]
) -> list[Signature]:
    """What `sign_voucher` makes of each total, given in 32 bytes; no width is looked at again."""
    return [signer(total_hash(channel_id, total32)) for total32 in totals32]


def verify_voucher(
    channel_id: ChannelId, amount: Amount, signature: Signature, known_signer: KnownSigner
) -> bool:
    """Whether the payer signed the cumulative `amount` for this channel."""
    return known_signer.verify(voucher_hash(channel_id, amount), signature)


def redemption_app_data(amount: Amount, signature: Signature) -> bytes:
    """The app data that redeems a voucher on chain: amount, v, r, s in 128 bytes.

    The signature needs the v that recovers its signer (`crypto.restore_v`, M9); v outside 27 and
    28 raises `InvalidSignature`.
    """
    return amount_to_bytes(amount) + encode_signature(signature)


def redeemed_voucher(app_data: bytes) -> tuple[Amount, Signature]:
    """The voucher in a redemption's app data, as the contracts read it.

    Raises `InvalidWidth`, or `InvalidSignature` for a v outside 27 and 28; whose signature it is,
    is not looked at.
    """
    require_width("app_data", app_data, 128)
    v = int.from_bytes(app_data[32:64], "big")
    if v not in (27, 28):
        raise InvalidSignature(f"v is {v}, expected 27 or 28")
    return int.from_bytes(app_data[:32], "big"), app_data[64:] + bytes((v,))


def receipt_hash(channel_id: ChannelId, amount: Amount, root: Bytes32) -> Bytes32:
    """What the payee signs for a batch: keccak256(abi.encode(bytes32 RECEIPT_DOMAIN, bytes32
    channel_id, uint256 amount, bytes32 root)); `root` is `crypto.merkle_root` of its payments."""
    require_width("channel_id", channel_id, 32)
    require_width("root", root, 32)
    return keccak256(RECEIPT_DOMAIN + channel_id + amount_to_bytes(amount) + root)
