"""Vouchers: a payer's signature over how much a channel owes in all, and the payee's receipt.

A voucher's amount is cumulative: the largest one counts. What makes one acceptable (M11 to M13)
is the channel's business; here are its bytes only.
Source: VirtualPaymentApp.sol.
"""

from collections.abc import Callable

from protocols.abi import encode_signature, encode_voucher
from protocols.crypto import KnownSigner, keccak256
from protocols.types import (
    Amount,
    Bytes32,
    ChannelId,
    Signature,
    amount_to_bytes,
    require_width,
)

RECEIPT_DOMAIN = keccak256(b"tallystick receipt v1")
"""Keeps a receipt from ever being taken for a voucher or a state."""


def voucher_hash(channel_id: ChannelId, amount: Amount) -> Bytes32:
    """keccak256(abi.encode(bytes32 channel_id, uint256 amount)); `InvalidWidth` if out of shape."""
    return keccak256(encode_voucher(channel_id, amount))


def sign_voucher(
    channel_id: ChannelId, amount: Amount, signer: Callable[[Bytes32], Signature]
) -> Signature:
    """The payer's signature over the cumulative `amount`; `signer` applies EIP-191 itself."""
    return signer(voucher_hash(channel_id, amount))


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


def receipt_hash(channel_id: ChannelId, amount: Amount, root: Bytes32) -> Bytes32:
    """What the payee signs for a batch: keccak256(abi.encode(bytes32 RECEIPT_DOMAIN, bytes32
    channel_id, uint256 amount, bytes32 root)); `root` is `crypto.merkle_root` of its payments."""
    require_width("channel_id", channel_id, 32)
    require_width("root", root, 32)
    return keccak256(RECEIPT_DOMAIN + channel_id + amount_to_bytes(amount) + root)
