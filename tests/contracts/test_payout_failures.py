"""Receivers and tokens that misbehave: they block nobody and lose nothing (M3, M4)."""

from __future__ import annotations

from typing import Any

import pytest

from protocols.transactions import GAS_MARGIN_PERCENT, GAS_MARGIN_PERCENT_MAX
from tests.support.contract_calls import RevertedError
from tests.support.nitro_chain import ALICE, BOB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Allocation,
    Channel,
    encode_outcome,
    outcome_of,
    simple,
    state,
)
from tests.support.payouts import (
    NO_STATE_HASH,
    after,
    conclude,
    contract_receiver,
    standing,
    stands,
    transfer,
    transfer_all,
)

pytestmark = pytest.mark.e2e

INTERNAL_C = b"\xcc" * 32
INTERNAL_X = b"\xee" * 32
A, B = ALICE.destination, BOB.destination


@pytest.fixture
def ledger(nitro: Nitro) -> Channel:
    return nitro.ledger(ALICE, BOB)


REVERT, BURN_ALL_GAS, RETURN_MUCH, ACCEPT = range(4)


@pytest.mark.parametrize("manner", [REVERT, BURN_ALL_GAS, RETURN_MUCH])
def test_a_receiver_that_refuses_blocks_nobody_and_can_be_paid_later(
    nitro: Nitro, ledger: Channel, manner: int
) -> None:
    receiver, destination = contract_receiver(nitro, "test/RevertingReceiver")
    receiver.send("behave", manner)
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(A, 3), simple(destination, 5), simple(B, 2))
    final = ledger.signed(state(outcome, 4, is_final=True))
    receipt = nitro.adjudicator.send("concludeAndTransferAllAssets", ledger.fixed_part, final)
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (3, 2)
    assert nitro.holdings(ledger.channel_id) == 5
    outcome = after(outcome, receipt)
    assert [allocation[1] for allocation in outcome[0][2]] == [0, 5, 0]
    assert stands(nitro, ledger, outcome)

    assert transfer(nitro, ledger, outcome, [1]).named("OutcomePaid") == []
    assert nitro.holdings(ledger.channel_id) == 5
    receiver.send("behave", ACCEPT)
    outcome = after(outcome, transfer(nitro, ledger, outcome, [1]))
    assert nitro.rpc.balance(receiver.address) == 5
    assert nitro.holdings(ledger.channel_id) == 0
    assert stands(nitro, ledger, outcome)


def test_if_every_payout_fails_nothing_changes(nitro: Nitro, ledger: Channel) -> None:
    _, destination = contract_receiver(nitro, "test/RevertingReceiver")
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(destination, 10))
    conclude(nitro, ledger, outcome)
    word = nitro.adjudicator.call("statusOf", ledger.channel_id)
    (event,) = transfer_all(nitro, ledger, outcome).named("AllocationUpdated")
    assert (event["initialHoldings"], event["finalHoldings"]) == (10, 10)
    assert nitro.adjudicator.call("statusOf", ledger.channel_id) == word
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == 0


def test_a_greedy_receiver_costs_the_sender_a_bounded_amount_of_gas(
    nitro: Nitro, ledger: Channel
) -> None:
    receiver, destination = contract_receiver(nitro, "test/RevertingReceiver")
    receiver.send("behave", BURN_ALL_GAS)
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(destination, 10))
    conclude(nitro, ledger, outcome)
    encoded = encode_outcome(outcome)
    receipt = nitro.adjudicator.send(
        "transfer", 0, ledger.channel_id, encoded, NO_STATE_HASH, [], gas=5_000_000
    )
    assert receipt.gas_used < 130_000


def test_what_a_token_returns_is_not_copied(nitro: Nitro, ledger: Channel) -> None:
    token = nitro.rpc.deploy("test/MoodyToken")
    token.send("mint", nitro.sender, 10)
    token.send("approve", nitro.adjudicator.address, 10)
    nitro.deposit(ledger.channel_id, 10, token.address)
    outcome = outcome_of(simple(A, 10), asset=token.address)
    conclude(nitro, ledger, outcome)
    token.send("show", RETURN_MUCH_MORE, ALICE.address)
    receipt = transfer_all(nitro, ledger, outcome)
    assert 230_000 < receipt.gas_used < 350_000  # returning costs 200,000, copying as much again


NESTED_CALLS = ["transferAllAssets", "deposit"]


@pytest.mark.parametrize("name", NESTED_CALLS)
def test_a_receiver_that_calls_back_is_paid_once(nitro: Nitro, ledger: Channel, name: str) -> None:
    receiver, destination = contract_receiver(nitro, "test/ReentrantReceiver")
    nitro.deposit(ledger.channel_id, 10)
    nitro.deposit(b"\x88" * 32, 50)
    outcome = outcome_of(simple(destination, 10))
    conclude(nitro, ledger, outcome)
    calls: dict[str, tuple[Any, ...]] = {
        "transferAllAssets": (ledger.channel_id, outcome, NO_STATE_HASH),
        "deposit": (NATIVE, INTERNAL_X, 0, 0),
    }
    nested = nitro.adjudicator.data(name, *calls[name])
    receiver.send("arm", nitro.adjudicator.address, nested)
    transfer_all(nitro, ledger, outcome)
    assert receiver.call("ending") == receiver.call("REFUSED")
    assert nitro.rpc.balance(receiver.address) == 10
    assert nitro.holdings(ledger.channel_id) == 0


@pytest.mark.parametrize("kind", ["native", "token"])
def test_too_little_gas_makes_the_call_revert_and_never_a_payout_fail(
    nitro: Nitro, ledger: Channel, kind: str
) -> None:
    asset = NATIVE if kind == "native" else nitro.token.address
    nitro.deposit(ledger.channel_id, 10, asset)
    outcome = outcome_of(simple(A, 6), simple(B, 4), asset=asset)
    conclude(nitro, ledger, outcome)
    arguments = (ledger.channel_id, outcome, NO_STATE_HASH)
    data = "0x" + nitro.adjudicator.data("transferAllAssets", *arguments).hex()
    question = {"from": nitro.sender, "to": nitro.adjudicator.address, "data": data}
    enough = int(nitro.rpc.ask("eth_estimateGas", question), 16)
    reasons = []
    for gas in range(60_000, enough, 9_000):
        with pytest.raises(RevertedError):
            nitro.adjudicator.send("transferAllAssets", *arguments, gas=gas)
        with pytest.raises((RevertedError, RuntimeError)) as refusal:
            nitro.rpc.ask("eth_call", {**question, "gas": hex(gas)}, "latest")
        reasons.append(str(refusal.value))
    assert reasons.count("Not enough gas for payout") > 3
    nitro.adjudicator.send("transferAllAssets", *arguments, gas=enough)
    assert nitro.holdings(ledger.channel_id, asset) == 0


HONEST, MOODY_REVERT, RETURN_FALSE, RETURN_TWO, RETURN_ONE_BYTE, RETURN_MUCH_MORE = range(6)


@pytest.mark.parametrize(
    "mood",
    [MOODY_REVERT, RETURN_FALSE, RETURN_TWO, RETURN_ONE_BYTE, RETURN_MUCH_MORE],
)
def test_a_token_payout_that_is_not_a_clear_success_stays_owed(
    nitro: Nitro, ledger: Channel, mood: int
) -> None:
    token = nitro.rpc.deploy("test/MoodyToken")
    token.send("mint", nitro.sender, 10)
    token.send("approve", nitro.adjudicator.address, 10)
    nitro.deposit(ledger.channel_id, 10, token.address)
    outcome = outcome_of(simple(A, 6), simple(B, 4), asset=token.address)
    conclude(nitro, ledger, outcome)
    token.send("show", mood, ALICE.address)
    outcome = after(outcome, transfer_all(nitro, ledger, outcome))
    assert [allocation[1] for allocation in outcome[0][2]] == [6, 0]
    assert stands(nitro, ledger, outcome)
    assert nitro.holdings(ledger.channel_id, token.address) == 6
    assert token.call("balanceOf", BOB.address) == 4

    token.send("show", HONEST, ALICE.address)
    outcome = after(outcome, transfer_all(nitro, ledger, outcome))
    assert token.call("balanceOf", ALICE.address) == 6
    assert stands(nitro, ledger, outcome)


def test_a_token_that_returns_nothing_is_paid_out(nitro: Nitro, ledger: Channel) -> None:
    token = nitro.rpc.deploy("test/NoReturnToken")
    token.send("mint", nitro.sender, 10)
    token.send("approve", nitro.adjudicator.address, 10)
    nitro.deposit(ledger.channel_id, 10, token.address)
    outcome = outcome_of(simple(A, 10), asset=token.address)
    conclude(nitro, ledger, outcome)
    transfer_all(nitro, ledger, outcome)
    assert token.call("balanceOf", ALICE.address) == 10


def test_a_token_whose_code_is_gone_pays_nobody_and_the_debt_stays(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.deposit(ledger.channel_id, 10)
    nitro.deposit(ledger.channel_id, 7, nitro.token.address)
    outcome = outcome_of(simple(A, 7), asset=nitro.token.address) + outcome_of(simple(B, 10))
    conclude(nitro, ledger, outcome)
    nitro.rpc.ask("anvil_setCode", nitro.token.address, "0x")
    outcome = after(outcome, transfer_all(nitro, ledger, outcome))
    assert nitro.rpc.balance(BOB.address) == 10
    assert nitro.holdings(ledger.channel_id, nitro.token.address) == 7
    assert stands(nitro, ledger, outcome)


def test_a_token_hook_cannot_enter_while_it_is_paid_out(nitro: Nitro, ledger: Channel) -> None:
    token = nitro.rpc.deploy("test/HookToken")
    token.send("mint", nitro.sender, 10)
    token.send("approve", nitro.adjudicator.address, 10)
    nitro.deposit(ledger.channel_id, 10, token.address)
    outcome = outcome_of(simple(A, 10), asset=token.address)
    conclude(nitro, ledger, outcome)
    nested = nitro.adjudicator.data("deposit", NATIVE, INTERNAL_X, 0, 0)
    token.send("arm", nitro.adjudicator.address, nested)
    transfer_all(nitro, ledger, outcome)
    assert token.call("ending") == token.call("REFUSED")
    assert token.call("balanceOf", ALICE.address) == 10


def test_our_events_alone_tell_the_outcome_through_partial_and_failing_payouts(
    nitro: Nitro, ledger: Channel
) -> None:
    receiver, destination = contract_receiver(nitro, "test/RevertingReceiver")
    asset = nitro.token.address
    native_shares: list[Allocation] = [simple(destination, 5), simple(A, 8), simple(B, 9)]
    token_shares = [simple(INTERNAL_X, 4), simple(B, 6)]
    outcome = outcome_of(*native_shares) + outcome_of(*token_shares, asset=asset)
    message_hash = nitro.finalise(ledger, ledger.signed(state(outcome, 6)))
    word = nitro.status(ledger)

    def pay(indices: list[int] | None, asset_index: int = 0) -> None:
        nonlocal outcome
        if indices is None:
            call: tuple[Any, ...] = ("transferAllAssets", ledger.channel_id, outcome, message_hash)
        else:
            encoded = encode_outcome(outcome)
            call = ("transfer", asset_index, ledger.channel_id, encoded, message_hash, indices)
        outcome = after(outcome, nitro.adjudicator.send(*call))
        assert nitro.status(ledger) == (*word[:2], standing(message_hash, outcome))

    nitro.deposit(ledger.channel_id, 10)
    pay([1])
    nitro.deposit(ledger.channel_id, 8, asset)
    pay(None)
    pay([0])
    receiver.send("behave", ACCEPT)
    pay([0])
    nitro.deposit(ledger.channel_id, 12)
    nitro.deposit(ledger.channel_id, 2, asset)
    pay([1], asset_index=1)
    pay(None)
    assert all(share[1] == 0 for exits in outcome for share in exits[2])
    assert nitro.rpc.balance(receiver.address) == 5
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (8, 9)
    assert nitro.holdings(INTERNAL_X, asset) == 4
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == word[2]


def test_a_receiver_that_burns_gas_in_a_block_and_in_no_estimate_fails_one_attempt(
    nitro: Nitro, ledger: Channel
) -> None:
    """A participant's account may carry code (EIP-7702) that tells the two apart."""
    receiver, destination = contract_receiver(nitro, "test/RevertingReceiver")
    receiver.send("behave", ACCEPT)
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(destination, 4), simple(A, 6))
    final = ledger.signed(state(outcome, 4, is_final=True))
    call = ("concludeAndTransferAllAssets", ledger.fixed_part, final)
    estimate = nitro.adjudicator.estimate(*call)
    receiver.send("behave", BURN_ALL_GAS)
    with pytest.raises(RevertedError):
        nitro.adjudicator.send(*call, gas=estimate * (100 + GAS_MARGIN_PERCENT) // 100)
    nitro.adjudicator.send(*call, gas=estimate * (100 + GAS_MARGIN_PERCENT_MAX) // 100)
    assert nitro.rpc.balance(ALICE.address) == 6
