"""Redemptions that somebody else made: what the payee of a payment channel shows on chain (M1).

The chain lets nobody register another one, yet nothing is believed for being on chain: what is
kept here may have to be registered again.
"""

from __future__ import annotations

from msgspec import Struct

from protocols.crypto import recover_address, with_low_s
from protocols.errors import InvalidEncoding, WrongSigner
from protocols.exit_calls import redemption
from protocols.signed_state import SignedState
from protocols.state import State
from protocols.types import Amount, Signature
from protocols.voucher import redeemed_voucher, voucher_hash


class Redeemed(Struct, frozen=True, gc=False):
    """What a redemption redeems."""

    amount: Amount
    voucher: Signature
    """The payer's, as the contracts take it: its s may be the higher of the two."""


def redeemed_by(candidate: State, postfund: State) -> Redeemed:
    """What `candidate` redeems of the channel that `postfund` opened.

    Raises InvalidEncoding, InvalidWidth or InvalidSignature for anything but the postfund with one
    voucher's amount moved to the payee, and WrongSigner for a voucher that is not the payer's.
    """
    amount, voucher = redeemed_voucher(candidate.app_data)
    expected = redemption(SignedState(postfund, ()), amount, voucher)
    if candidate.encode() != expected.encode():
        raise InvalidEncoding("redemption", "more than the voucher's amount differs")
    payer = candidate.fixed.participants[0]
    message = voucher_hash(candidate.fixed.channel_id(), amount)
    if recover_address(message, with_low_s(voucher)) != payer:
        raise WrongSigner(payer)
    return Redeemed(amount, voucher)
