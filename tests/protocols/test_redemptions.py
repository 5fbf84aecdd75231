"""A payee's redemption as others find it on chain: the postfund with one voucher moved, or refused.

The rules are the contract's (tests/contracts/test_virtual_payment_app.py), asked here before a
redemption is kept.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols.crypto import SECP256K1_ORDER
from protocols.error import ProtocolError
from protocols.errors import InvalidEncoding, InvalidSignature, InvalidWidth, WrongSigner
from protocols.exit_calls import redemption
from protocols.outcome import SIMPLE, Allocation, SingleAssetExit, destination_of
from protocols.redemptions import redeemed_by
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS
from protocols.voucher import redemption_app_data, sign_voucher
from tests.support.actors import ALICE, BOB
from tests.support.builders import DURATION_S, PAYMENT_APP

FIXED = FixedPart((ALICE.address, BOB.address), 7, PAYMENT_APP, DURATION_S)
SHARES = (
    Allocation(destination_of(ALICE.address), 1_000),
    Allocation(destination_of(BOB.address), 0),
)
POSTFUND = State(FIXED, b"", (SingleAssetExit(ZERO_ADDRESS, SHARES),), 1, False)
VOUCHER = sign_voucher(FIXED.channel_id(), 30, ALICE.signer)
GOOD = redemption(SignedState(POSTFUND, ()), 30, VOUCHER)


def with_shares(*shares: Allocation, **fields: Any) -> State:
    exit_ = replace(GOOD.outcome[0], allocations=shares, **fields)
    return replace(GOOD, outcome=(exit_,))


def test_what_is_redeemed_is_the_vouchers() -> None:
    found = redeemed_by(GOOD, POSTFUND)
    assert (found.amount, found.voucher) == (30, VOUCHER)


def test_a_voucher_with_the_higher_s_redeems_as_well() -> None:
    s = SECP256K1_ORDER - int.from_bytes(VOUCHER[32:64], "big")
    hidden = VOUCHER[:32] + s.to_bytes(32, "big") + bytes((55 - VOUCHER[64],))
    found = redeemed_by(redemption(SignedState(POSTFUND, ()), 30, hidden), POSTFUND)
    assert found.voucher == hidden


FIRST, SECOND = GOOD.outcome[0].allocations
OTHERS = sign_voucher(b"\x01" * 32, 30, ALICE.signer)
PAYEES = sign_voucher(FIXED.channel_id(), 30, BOB.signer)


@pytest.mark.parametrize(
    ("spoilt", "refusal"),
    [
        (replace(GOOD, turn_num=3), InvalidEncoding),
        (replace(GOOD, is_final=True), InvalidEncoding),
        (replace(GOOD, app_data=GOOD.app_data + bytes(32)), InvalidWidth),
        (replace(GOOD, app_data=b""), InvalidWidth),
        (replace(GOOD, app_data=GOOD.app_data[:32] + bytes(96)), InvalidSignature),
        (replace(GOOD, app_data=b"\xff" * 32 + GOOD.app_data[32:]), InvalidWidth),
        (replace(GOOD, app_data=redemption_app_data(30, PAYEES)), WrongSigner),
        (replace(GOOD, app_data=redemption_app_data(30, OTHERS)), WrongSigner),
        (replace(GOOD, app_data=redemption_app_data(31, VOUCHER)), InvalidEncoding),
        (with_shares(SECOND, FIRST), InvalidEncoding),
        (with_shares(FIRST), InvalidEncoding),
        (with_shares(replace(FIRST, destination=b"\x09" * 32), SECOND), InvalidEncoding),
        (with_shares(FIRST, replace(SECOND, metadata=b"x")), InvalidEncoding),
        (with_shares(FIRST, replace(SECOND, allocation_type=SIMPLE + 2)), InvalidEncoding),
        (with_shares(FIRST, SECOND, asset=b"\x07" * 20), InvalidEncoding),
        (with_shares(FIRST, SECOND, asset_metadata=b"x"), InvalidEncoding),
        (replace(GOOD, outcome=GOOD.outcome * 2), InvalidEncoding),
    ],
)
def test_anything_else_is_refused(spoilt: State, refusal: type[ProtocolError]) -> None:
    with pytest.raises(refusal):
        redeemed_by(spoilt, POSTFUND)
