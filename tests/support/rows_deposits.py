"""Deposits: what is held, what is expected, what comes, and tokens that misbehave."""

from __future__ import annotations

from tests.support.contract_tables import (
    INTERNAL_C,
    A,
    Case,
    Row,
    Rows,
    balance_of,
    held_for,
    token_of,
)
from tests.support.nitro_chain import ALICE, Nitro
from tests.support.nitro_signing import NATIVE

HELD_OTHERWISE = "held != expectedHeld"
WRONG_VALUE = "Incorrect msg.value for deposit"


def row(
    kind: str,
    held: int,
    expected: int,
    amount: int,
    *,
    value: int | None = None,
    destination: bytes = INTERNAL_C,
    reason: str | None = None,
) -> Row:
    """A deposit of `amount` onto `held`; without `value` the call carries what it should."""

    def build(nitro: Nitro) -> Case:
        asset = token_of(nitro, kind)
        if held:
            nitro.deposit(destination, held, asset)
        sent = value if value is not None else (amount if asset == NATIVE else 0)
        told = {"destination": destination, "asset": asset, "destinationHoldings": held + amount}
        moved = {
            held_for(destination, asset): amount,
            balance_of(nitro.adjudicator.address, asset): amount,
            balance_of(nitro.sender, asset): -amount,
        }
        return Case(
            ("deposit", asset, destination, expected, amount),
            sent,
            reason,
            [("Deposited", told)] if reason is None else [],
            moved if reason is None and amount else {},
            assets=() if asset == NATIVE else (asset,),
        )

    return build


def without_allowance(nitro: Nitro) -> Case:
    nitro.token.send("approve", nitro.adjudicator.address, 4)
    call = ("deposit", nitro.token.address, INTERNAL_C, 0, 5)
    return Case(call, reason="Could not transfer token")


def without_code(nitro: Nitro) -> Case:
    return Case(("deposit", ALICE.address, INTERNAL_C, 0, 5), reason="Could not ask token")


def hook_that_deposits(nitro: Nitro) -> Case:
    asset = token_of(nitro, "HookToken")
    nested = nitro.adjudicator.data("deposit", asset, INTERNAL_C, 0, 3)
    token = nitro.token.at(asset)
    armed = nitro.rpc.deploy("test/HookToken").at(asset)
    armed.send("arm", nitro.adjudicator.address, nested)
    # The token itself would be the nested call's sender.
    token.send("mint", asset, 3)
    told = {"destination": INTERNAL_C, "asset": asset, "destinationHoldings": 5}
    moved = {
        held_for(INTERNAL_C, asset): 5,
        balance_of(nitro.adjudicator.address, asset): 5,
        balance_of(nitro.sender, asset): -5,
    }
    call = ("deposit", asset, INTERNAL_C, 0, 5)
    return Case(call, 0, None, [("Deposited", told)], moved, assets=(asset,))


ROWS: Rows = {
    "a token, nothing held": row("token", 0, 0, 5),
    "a token, one held": row("token", 1, 1, 5),
    "a token, more expected than held": row("token", 1, 2, 5, reason=HELD_OTHERWISE),
    "a token, less expected than held": row("token", 2, 1, 5, reason=HELD_OTHERWISE),
    "native, nothing held": row("native", 0, 0, 5),
    "native, one held": row("native", 1, 1, 5),
    "native, more expected than held": row("native", 1, 2, 5, reason=HELD_OTHERWISE),
    "native, less expected than held": row("native", 2, 1, 5, reason=HELD_OTHERWISE),
    "native, less sent than said": row("native", 0, 0, 5, value=4, reason=WRONG_VALUE),
    "a token that returns nothing": row("NoReturnToken", 0, 0, 5),
    "native, more sent than said": row("native", 0, 0, 5, value=6, reason=WRONG_VALUE),
    "native, nothing at all": row("native", 0, 0, 0),
    "a token with native coin": row("token", 0, 0, 5, value=5, reason=WRONG_VALUE),
    "to an address": row(
        "native", 0, 0, 5, destination=A, reason="Deposit to external destination"
    ),
    "a token that takes a fee": row("FeeToken", 0, 0, 5, reason="Deposit did not arrive in full"),
    "a token that was not allowed": without_allowance,
    "an asset without code": without_code,
    "a token that calls back": hook_that_deposits,
}
