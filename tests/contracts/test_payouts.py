"""Paying out of finalised channels: who gets what, and what must never move (M2)."""

from __future__ import annotations

import pytest

from tests.support.contract_calls import RevertedError
from tests.support.nitro_chain import ALICE, BOB, Nitro
from tests.support.nitro_signing import (
    Channel,
    destination_of,
    fingerprint,
    guarantee,
    outcome_of,
    simple,
    state,
)
from tests.support.payouts import (
    NO_STATE_HASH,
    after,
    conclude,
    stands,
    transfer,
    transfer_all,
    with_amounts,
)

pytestmark = pytest.mark.e2e

INTERNAL_C = b"\xcc" * 32
INTERNAL_X = b"\xee" * 32
A, B = ALICE.destination, BOB.destination


@pytest.fixture
def ledger(nitro: Nitro) -> Channel:
    return nitro.ledger(ALICE, BOB)


# --- together: one transaction ------------------------------------------------------------------


def test_conclude_and_transfer_pays_everybody_exactly(nitro: Nitro, ledger: Channel) -> None:
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(ALICE.destination, 6), simple(BOB.destination, 4))
    final = ledger.signed(state(outcome, 4, is_final=True))
    receipt = nitro.adjudicator.send("concludeAndTransferAllAssets", ledger.fixed_part, final)
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (6, 4)
    assert nitro.holdings(ledger.channel_id) == 0
    assert [event.name for event in receipt.events] == [
        "Concluded",
        "OutcomeConcluded",
        "AllocationUpdated",
        "OutcomePaid",
    ]
    assert receipt.named("AllocationUpdated") == [
        {
            "channelId": ledger.channel_id,
            "assetIndex": 0,
            "initialHoldings": 10,
            "finalHoldings": 0,
        }
    ]
    assert receipt.named("OutcomePaid") == [
        {
            "channelId": ledger.channel_id,
            "assetIndex": 0,
            "indices": (0, 1),
            "amounts": (6, 4),
        }
    ]
    assert nitro.status(ledger)[1] == receipt.timestamp_s
    assert stands(nitro, ledger, after(outcome, receipt))
    assert stands(nitro, ledger, with_amounts(outcome, [0, 0]))


def test_several_assets_are_paid_at_once(nitro: Nitro, ledger: Channel) -> None:
    nitro.deposit(ledger.channel_id, 10)
    nitro.deposit(ledger.channel_id, 7, nitro.token.address)
    shares = [simple(ALICE.destination, 6), simple(BOB.destination, 4)]
    token_shares = [simple(BOB.destination, 7)]
    outcome = outcome_of(*shares) + outcome_of(*token_shares, asset=nitro.token.address)
    final = ledger.signed(state(outcome, 4, is_final=True))
    receipt = nitro.adjudicator.send("concludeAndTransferAllAssets", ledger.fixed_part, final)
    assert nitro.rpc.balance(BOB.address) == 4
    assert nitro.token.call("balanceOf", BOB.address) == 7
    assert [event["amounts"] for event in receipt.named("OutcomeConcluded")] == [(6, 4, 7)]
    assert [event["assetIndex"] for event in receipt.named("OutcomePaid")] == [0, 1]
    assert stands(nitro, ledger, after(outcome, receipt))


def test_an_asset_listed_twice_is_never_paid_more_than_is_held(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.deposit(ledger.channel_id, 10)
    nitro.deposit(b"\x88" * 32, 50)
    outcome = outcome_of(simple(ALICE.destination, 8)) + outcome_of(simple(BOB.destination, 8))
    conclude(nitro, ledger, outcome)
    receipt = transfer_all(nitro, ledger, outcome)
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (8, 2)
    assert stands(nitro, ledger, after(outcome, receipt))


def test_fifty_payouts_fit_into_one_transaction(nitro: Nitro, ledger: Channel) -> None:
    people = [f"0x{0xABC000 + index:040x}" for index in range(50)]
    nitro.deposit(ledger.channel_id, 500)
    outcome = outcome_of(*[simple(destination_of(each), 10) for each in people])
    final = ledger.signed(state(outcome, 4, is_final=True))
    nitro.adjudicator.send("concludeAndTransferAllAssets", ledger.fixed_part, final)
    assert {nitro.rpc.balance(each) for each in people} == {10}


# --- what can be paid ---------------------------------------------------------------------------

Row = tuple[int, list[tuple[bytes, int]], list[int], list[int], list[int]]
ROWS: list[Row] = [
    # held, allocations, indices, amounts afterwards, payouts
    (1, [(A, 1)], [0], [0], [1]),
    (2, [(A, 1)], [0], [0], [1]),
    (1, [(A, 2)], [0], [1], [1]),
    (1, [(INTERNAL_C, 1)], [0], [0], [1]),
    (2, [(INTERNAL_C, 1)], [0], [0], [1]),
    (1, [(INTERNAL_C, 2)], [0], [1], [1]),
    (2, [(A, 1), (B, 1)], [0], [0, 1], [1, 0]),
    (1, [(A, 1), (B, 1)], [0], [0, 1], [1, 0]),
    (3, [(A, 2), (B, 2)], [1], [2, 1], [0, 1]),
    (1, [(INTERNAL_C, 1), (INTERNAL_X, 1)], [1], [1, 1], [0, 0]),
    (1, [(INTERNAL_C, 1), (INTERNAL_X, 1)], [0], [0, 1], [1, 0]),
    (3, [(INTERNAL_C, 2), (INTERNAL_X, 2)], [1], [2, 1], [0, 1]),
    (3, [(INTERNAL_C, 2), (INTERNAL_X, 2)], [0, 1], [0, 1], [2, 1]),
    (5, [(A, 1), (INTERNAL_C, 2), (INTERNAL_X, 2)], [0, 1, 2], [0, 0, 0], [1, 2, 2]),
    (5, [(A, 1), (INTERNAL_C, 2), (INTERNAL_X, 2)], [], [0, 0, 0], [1, 2, 2]),
    (0, [(A, 1), (B, 2)], [], [1, 2], [0, 0]),
]


@pytest.mark.parametrize(
    ("held", "allocations", "indices", "amounts_after", "payouts"),
    ROWS,
    ids=[f"row{number}" for number in range(1, len(ROWS) + 1)],
)
def test_a_transfer_pays_by_priority_what_is_held(
    nitro: Nitro,
    ledger: Channel,
    held: int,
    allocations: list[tuple[bytes, int]],
    indices: list[int],
    amounts_after: list[int],
    payouts: list[int],
) -> None:
    outcome = outcome_of(*[simple(destination, amount) for destination, amount in allocations])
    if held:
        nitro.deposit(ledger.channel_id, held)
    conclude(nitro, ledger, outcome)
    receipt = transfer(nitro, ledger, outcome, indices)
    assert stands(nitro, ledger, with_amounts(outcome, amounts_after))
    assert stands(nitro, ledger, after(outcome, receipt))
    assert nitro.holdings(ledger.channel_id) == held - sum(payouts)
    (event,) = receipt.named("AllocationUpdated")
    assert (event["initialHoldings"], event["finalHoldings"]) == (held, held - sum(payouts))
    for (destination, _), payout in zip(allocations, payouts, strict=True):
        if destination in (A, B):
            assert nitro.rpc.balance("0x" + destination[12:].hex()) == payout
        else:
            assert nitro.holdings(destination) == payout


def test_the_effects_of_a_transfer_can_be_asked_beforehand(nitro: Nitro) -> None:
    allocations = [simple(A, 5), simple(B, 4, b"kept")]
    question = ("compute_transfer_effects_and_interactions", 7, allocations, [1])
    new, only_zeros, exits, total = nitro.adjudicator.call(*question)
    assert new == ((A, 5, 0, b""), (B, 2, 0, b"kept"))
    assert (only_zeros, total) == (False, 2)
    assert exits == ((B, 2, 0, b"kept"),)
    everything = ("compute_transfer_effects_and_interactions", 9, allocations, [])
    new, only_zeros, exits, total = nitro.adjudicator.call(*everything)
    assert (only_zeros, total, len(exits)) == (True, 9, 2)


@pytest.mark.parametrize("indices", [[1, 0], [0, 0]])
def test_indices_must_rise(nitro: Nitro, ledger: Channel, indices: list[int]) -> None:
    outcome = outcome_of(simple(A, 1), simple(B, 1))
    conclude(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^Indices must be sorted$"):
        transfer(nitro, ledger, outcome, indices)


@pytest.mark.parametrize(("indices", "asset_index"), [([2], 0), ([0, 7], 0), ([0], 1)])
def test_an_index_beyond_the_end_is_refused(
    nitro: Nitro, ledger: Channel, indices: list[int], asset_index: int
) -> None:
    outcome = outcome_of(simple(A, 1), simple(B, 1))
    conclude(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^Index out of range$"):
        transfer(nitro, ledger, outcome, indices, asset_index)


def test_only_the_outcome_that_stands_is_paid(nitro: Nitro, ledger: Channel) -> None:
    nitro.deposit(ledger.channel_id, 10)
    outcome, other = outcome_of(simple(A, 5)), outcome_of(simple(A, 6))
    conclude(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        transfer(nitro, ledger, other, [0])
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        transfer_all(nitro, ledger, other)
    transfer_all(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
        transfer_all(nitro, ledger, outcome)
    assert nitro.rpc.balance(ALICE.address) == 5


def test_an_open_channel_pays_nothing(nitro: Nitro, ledger: Channel) -> None:
    outcome = outcome_of(simple(A, 5))
    with pytest.raises(RevertedError, match=r"^Channel not finalized\.$"):
        transfer(nitro, ledger, outcome, [0])
    with pytest.raises(RevertedError, match=r"^Channel not finalized\.$"):
        transfer_all(nitro, ledger, outcome)


def test_money_that_comes_late_is_paid_to_whoever_is_still_owed(
    nitro: Nitro, ledger: Channel
) -> None:
    outcome = outcome_of(simple(A, 5), simple(B, 5))
    nitro.deposit(ledger.channel_id, 6)
    conclude(nitro, ledger, outcome)
    outcome = after(outcome, transfer_all(nitro, ledger, outcome))
    nitro.deposit(ledger.channel_id, 9)
    outcome = after(outcome, transfer_all(nitro, ledger, outcome))
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (5, 5)
    assert nitro.holdings(ledger.channel_id) == 5
    assert stands(nitro, ledger, outcome)


def test_a_transfer_that_can_pay_nothing_changes_nothing(nitro: Nitro, ledger: Channel) -> None:
    outcome = outcome_of(simple(A, 5))
    conclude(nitro, ledger, outcome)
    word = nitro.adjudicator.call("statusOf", ledger.channel_id)
    receipt = transfer_all(nitro, ledger, outcome)
    assert nitro.adjudicator.call("statusOf", ledger.channel_id) == word
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == 0
    assert receipt.named("OutcomePaid") == []


# --- M2: what a transfer must not do ------------------------------------------------------------


def test_a_channel_paid_to_zero_stays_finalised_and_cannot_be_challenged_anew(
    nitro: Nitro, ledger: Channel
) -> None:
    nitro.deposit(ledger.channel_id, 10)
    outcome = outcome_of(simple(A, 10))
    old = ledger.signed(state(outcome_of(simple(B, 10)), 2))
    conclude(nitro, ledger, outcome)
    transfer_all(nitro, ledger, outcome)
    assert nitro.adjudicator.call("statusOf", ledger.channel_id) != bytes(32)
    with pytest.raises(RevertedError, match=r"^Channel finalized\.$"):
        nitro.challenge(ledger, old)


def test_the_first_fingerprint_is_kept_once_and_for_good(nitro: Nitro, ledger: Channel) -> None:
    outcome = outcome_of(simple(A, 5), simple(B, 5))
    first = fingerprint(NO_STATE_HASH, outcome)
    conclude(nitro, ledger, outcome)
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == 0
    for _ in range(2):
        nitro.deposit(ledger.channel_id, 3)
        outcome = after(outcome, transfer_all(nitro, ledger, outcome))
        assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == first


@pytest.mark.parametrize("held", [0, 30])
@pytest.mark.parametrize("indices", [[1], [0, 1], [1, 2], [0, 1, 2], []])
def test_no_guarantee_moves_by_transfer_by_any_index(
    nitro: Nitro, ledger: Channel, indices: list[int], held: int
) -> None:
    shares = [simple(A, 5), guarantee(INTERNAL_C, 10, A, B), simple(B, 5)]
    outcome = outcome_of(*shares)
    if held:
        nitro.deposit(ledger.channel_id, held)
    conclude(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^cannot transfer a guarantee$"):
        transfer(nitro, ledger, outcome, indices)
    assert nitro.holdings(INTERNAL_C) == 0


def test_transferring_all_over_a_guarantee_is_refused(nitro: Nitro, ledger: Channel) -> None:
    outcome = outcome_of(simple(A, 5), guarantee(INTERNAL_C, 10, A, B))
    nitro.deposit(ledger.channel_id, 30)
    final = ledger.signed(state(outcome, 4, is_final=True))
    with pytest.raises(RevertedError, match=r"^cannot transfer a guarantee$"):
        nitro.adjudicator.send("concludeAndTransferAllAssets", ledger.fixed_part, final)
    conclude(nitro, ledger, outcome)
    with pytest.raises(RevertedError, match=r"^cannot transfer a guarantee$"):
        transfer_all(nitro, ledger, outcome)


def test_shares_around_a_guarantee_are_paid_and_it_keeps_its_place_in_the_queue(
    nitro: Nitro, ledger: Channel
) -> None:
    shares = [simple(A, 5), guarantee(INTERNAL_C, 10, A, B), simple(B, 5)]
    nitro.deposit(ledger.channel_id, 16)
    conclude(nitro, ledger, outcome_of(*shares))
    transfer(nitro, ledger, outcome_of(*shares), [0, 2])
    assert (nitro.rpc.balance(ALICE.address), nitro.rpc.balance(BOB.address)) == (5, 1)
    assert nitro.holdings(ledger.channel_id) == 10


# --- what stands in a channel that was paid (ADR 0060) ------------------------------------------


def test_a_channel_paid_out_at_once_stands_with_no_fingerprint_and_keeps_its_first(
    nitro: Nitro, ledger: Channel
) -> None:
    outcome = outcome_of(simple(A, 5), simple(B, 5))
    nitro.deposit(ledger.channel_id, 10)
    conclude(nitro, ledger, outcome)
    finalised = nitro.status(ledger)
    transfer_all(nitro, ledger, outcome)
    assert nitro.status(ledger) == (*finalised[:2], 0)
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == finalised[2]
    nitro.deposit(ledger.channel_id, 10)
    for paid in (outcome, with_amounts(outcome, [0, 0])):
        with pytest.raises(RevertedError, match=r"^incorrect fingerprint$"):
            transfer_all(nitro, ledger, paid)


def test_a_channel_paid_out_in_parts_ends_like_one_paid_at_once(
    nitro: Nitro, ledger: Channel
) -> None:
    outcome = outcome_of(simple(A, 5), simple(B, 5))
    nitro.deposit(ledger.channel_id, 10)
    conclude(nitro, ledger, outcome)
    finalised = nitro.status(ledger)
    outcome = after(outcome, transfer(nitro, ledger, outcome, [1]))
    assert nitro.status(ledger) == (*finalised[:2], fingerprint(NO_STATE_HASH, outcome))
    transfer(nitro, ledger, outcome, [0])
    assert nitro.status(ledger) == (*finalised[:2], 0)
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == finalised[2]


def test_an_asset_that_is_owed_keeps_the_channel_standing(nitro: Nitro, ledger: Channel) -> None:
    tokens = outcome_of(simple(B, 7), asset=nitro.token.address)
    outcome = outcome_of(simple(A, 5)) + tokens
    nitro.deposit(ledger.channel_id, 5)
    conclude(nitro, ledger, outcome)
    transfer(nitro, ledger, outcome, [0])
    left = with_amounts(outcome, [0])
    assert nitro.status(ledger)[2] == fingerprint(NO_STATE_HASH, left)
    nitro.deposit(ledger.channel_id, 7, nitro.token.address)
    transfer(nitro, ledger, left, [0], asset_index=1)
    assert nitro.status(ledger)[2] == 0


def test_a_guarantee_of_nothing_keeps_the_ledger_standing(nitro: Nitro, ledger: Channel) -> None:
    outcome = outcome_of(simple(A, 5), guarantee(INTERNAL_C, 0, A, B))
    nitro.deposit(ledger.channel_id, 5)
    conclude(nitro, ledger, outcome)
    transfer(nitro, ledger, outcome, [0])
    left = with_amounts(outcome, [0, 0])
    assert nitro.status(ledger)[2] == fingerprint(NO_STATE_HASH, left)


def test_an_outcome_of_nothing_that_was_never_paid_stands_as_it_was_signed(
    nitro: Nitro, ledger: Channel
) -> None:
    outcome = outcome_of(simple(A, 0))
    conclude(nitro, ledger, outcome)
    transfer_all(nitro, ledger, outcome)
    assert nitro.status(ledger)[2] == fingerprint(NO_STATE_HASH, outcome)
    assert nitro.adjudicator.call("firstFingerprintOf", ledger.channel_id) == 0
