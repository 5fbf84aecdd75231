"""Deposits: holdings follow what arrived, and nothing enters the adjudicator half-way (M3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.contract_calls import Contract, RevertedError
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Channel,
    encode_outcome,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
)

pytestmark = pytest.mark.e2e

CHANNEL_ID = b"\x77" * 32
REFUSED = 2


def balance_of(token: Contract, owner: str) -> int:
    balance: int = token.call("balanceOf", owner)
    return balance


def approved(nitro: Nitro, name: str) -> Contract:
    """A token of the tests, of which the sender has 1,000 and lets the adjudicator take all."""
    token = nitro.rpc.deploy(name)
    token.send("mint", nitro.sender, 1_000)
    token.send("approve", nitro.adjudicator.address, 1_000)
    return token


def test_a_native_deposit_is_held_and_told(nitro: Nitro) -> None:
    receipt = nitro.adjudicator.send("deposit", NATIVE, CHANNEL_ID, 0, 5, value=5)
    assert nitro.holdings(CHANNEL_ID) == 5
    assert nitro.rpc.balance(nitro.adjudicator.address) == 5
    assert receipt.named("Deposited") == [
        {"destination": CHANNEL_ID, "asset": NATIVE, "destinationHoldings": 5}
    ]


def test_a_second_deposit_adds_to_the_first(nitro: Nitro) -> None:
    nitro.adjudicator.send("deposit", NATIVE, CHANNEL_ID, 0, 5, value=5)
    receipt = nitro.adjudicator.send("deposit", NATIVE, CHANNEL_ID, 5, 7, value=7)
    assert nitro.holdings(CHANNEL_ID) == 12
    assert receipt.named("Deposited")[0]["destinationHoldings"] == 12


@pytest.mark.parametrize("expected", [0, 4, 6])
@pytest.mark.parametrize("kind", ["native", "token"])
def test_a_deposit_that_expects_other_holdings_is_refused(
    nitro: Nitro, expected: int, kind: str
) -> None:
    asset = NATIVE if kind == "native" else nitro.token.address
    nitro.deposit(CHANNEL_ID, 5, asset)
    value = 3 if kind == "native" else 0
    with pytest.raises(RevertedError, match=r"^held != expectedHeld$"):
        nitro.adjudicator.send("deposit", asset, CHANNEL_ID, expected, 3, value=value)
    assert nitro.holdings(CHANNEL_ID, asset) == 5


@pytest.mark.parametrize("value", [0, 4, 6])
def test_a_native_deposit_needs_exactly_its_value(nitro: Nitro, value: int) -> None:
    with pytest.raises(RevertedError, match=r"^Incorrect msg\.value for deposit$"):
        nitro.adjudicator.send("deposit", NATIVE, CHANNEL_ID, 0, 5, value=value)


def test_a_token_deposit_takes_no_native_coin_with_it(nitro: Nitro) -> None:
    with pytest.raises(RevertedError, match=r"^Incorrect msg\.value for deposit$"):
        nitro.adjudicator.send("deposit", nitro.token.address, CHANNEL_ID, 0, 5, value=5)


def test_nobody_deposits_to_an_address(nitro: Nitro) -> None:
    with pytest.raises(RevertedError, match=r"^Deposit to external destination$"):
        nitro.adjudicator.send("deposit", NATIVE, ALICE.destination, 0, 5, value=5)


def test_native_coin_without_a_deposit_is_refused(nitro: Nitro) -> None:
    with pytest.raises(RevertedError):
        nitro.rpc.ask(
            "eth_estimateGas",
            {"from": nitro.sender, "to": nitro.adjudicator.address, "value": "0x5"},
        )


def test_a_token_deposit_is_taken_and_held(nitro: Nitro) -> None:
    asset = nitro.token.address
    receipt = nitro.adjudicator.send("deposit", asset, CHANNEL_ID, 0, 5)
    assert nitro.holdings(CHANNEL_ID, asset) == 5
    assert balance_of(nitro.token, nitro.adjudicator.address) == 5
    assert receipt.named("Deposited")[0]["asset"] == asset


def test_a_token_that_returns_nothing_can_be_deposited(nitro: Nitro) -> None:
    token = approved(nitro, "test/NoReturnToken")
    nitro.deposit(CHANNEL_ID, 5, token.address)
    assert nitro.holdings(CHANNEL_ID, token.address) == 5


def test_a_token_deposit_without_allowance_is_refused(nitro: Nitro) -> None:
    nitro.token.send("approve", nitro.adjudicator.address, 4)
    with pytest.raises(RevertedError, match=r"^Could not transfer token$"):
        nitro.adjudicator.send("deposit", nitro.token.address, CHANNEL_ID, 0, 5)


def test_an_asset_without_code_cannot_be_deposited(nitro: Nitro) -> None:
    with pytest.raises(RevertedError):
        nitro.adjudicator.send("deposit", ALICE.address, CHANNEL_ID, 0, 5)


def test_a_token_that_takes_a_fee_is_refused_so_that_holdings_are_never_short(
    nitro: Nitro,
) -> None:
    token = approved(nitro, "test/FeeToken")
    with pytest.raises(RevertedError, match=r"^Deposit did not arrive in full$"):
        nitro.adjudicator.send("deposit", token.address, CHANNEL_ID, 0, 5)
    assert nitro.holdings(CHANNEL_ID, token.address) == 0
    assert balance_of(token, nitro.sender) == 1_000


def two_party_ledgers(nitro: Nitro) -> dict[str, Channel]:
    """A ledger for each state a re-entrant call wants to find: open, finalised, with guarantee."""
    names = ["open", "finalised", "source", "target"]
    return {name: nitro.ledger(ALICE, BOB, nonce=50 + i) for i, name in enumerate(names)}


def valid_calls(nitro: Nitro) -> dict[str, tuple[Any, ...]]:
    """Arguments with which each function that writes succeeds now, whoever sends it."""
    ledgers = two_party_ledgers(nitro)
    pay_alice = outcome_of(simple(ALICE.destination, 4))
    running, final = state(pay_alice, 3), state(pay_alice, 3, is_final=True)
    fresh, done = ledgers["open"], ledgers["finalised"]
    split = outcome_of(simple(ALICE.destination, 1), simple(BOB.destination, 2))
    backed = guarantee(ledgers["target"].channel_id, 3, ALICE.destination, HUB.destination)
    shares = [simple(ALICE.destination, 1), simple(HUB.destination, 1), backed]
    source_state, target_state = state(outcome_of(*shares), 3), state(split, 3)

    nitro.deposit(done.channel_id, 4)
    finalised_hash = nitro.finalise(done, done.signed(running))
    nitro.finalise(ledgers["source"], ledgers["source"].signed(source_state))
    nitro.finalise(ledgers["target"], ledgers["target"].signed(target_state))
    target_hash = state_hash(ledgers["target"].channel_id, target_state)
    reclaim = nitro.reclaim_arguments(ledgers["source"], source_state, 2, (target_hash, split))
    wish = fresh.challenger_signature(running, ALICE)
    return {
        "deposit": (NATIVE, CHANNEL_ID, 0, 0),
        "challenge": (fresh.fixed_part, [], fresh.signed(running), wish),
        "checkpoint": (fresh.fixed_part, [], fresh.signed(running)),
        "conclude": (fresh.fixed_part, fresh.signed(final)),
        "concludeAndTransferAllAssets": (fresh.fixed_part, fresh.signed(final)),
        "transfer": (0, done.channel_id, encode_outcome(pay_alice), finalised_hash, [0]),
        "transferAllAssets": (done.channel_id, pay_alice, finalised_hash),
        "reclaim": (reclaim,),
    }


@pytest.mark.parametrize(
    "name",
    [
        "deposit",
        "challenge",
        "checkpoint",
        "conclude",
        "concludeAndTransferAllAssets",
        "transfer",
        "transferAllAssets",
        "reclaim",
    ],
)
def test_no_function_that_writes_can_be_entered_while_a_deposit_runs(
    nitro: Nitro, name: str
) -> None:
    arguments = valid_calls(nitro)[name]
    token = approved(nitro, "test/HookToken")
    token.send("arm", nitro.adjudicator.address, nitro.adjudicator.data(name, *arguments))
    receipt = nitro.adjudicator.send("deposit", token.address, b"\x66" * 32, 0, 5)
    assert token.call("ending") == REFUSED
    assert [log["address"] for log in receipt.logs].count(nitro.adjudicator.address) == 1
    nitro.adjudicator.send(name, *arguments)
