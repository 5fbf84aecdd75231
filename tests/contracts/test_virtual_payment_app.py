"""Vouchers redeemed on chain: only the voucher's amount may move, and nothing else (M1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.contract_calls import RevertedError
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    fingerprint,
    state,
    state_hash,
)
from tests.support.rows_redemptions import DEPOSIT, REFUSED, Redemption, of_token, payment

pytestmark = pytest.mark.e2e


@pytest.fixture
def redemption(nitro: Nitro) -> Redemption:
    return Redemption(nitro.payment_channel(ALICE, HUB, BOB))


def redeem(nitro: Nitro, redemption: Redemption) -> bytes:
    return nitro.challenge(redemption.channel, redemption.candidate, redemption.proof, BOB)


def test_the_payee_redeems_a_voucher_alone(nitro: Nitro, redemption: Redemption) -> None:
    message_hash = redeem(nitro, redemption)
    record, _, found = nitro.status(redemption.channel)
    assert record == 2
    assert found == fingerprint(message_hash, payment(970, 30))


@pytest.mark.parametrize("amount", [0, 1, DEPOSIT])
def test_any_amount_up_to_the_deposit_can_be_redeemed(
    nitro: Nitro, redemption: Redemption, amount: int
) -> None:
    moved = payment(DEPOSIT - amount, amount)
    redeem(nitro, replace(redemption, voucher_amount=amount, outcome=moved))
    assert nitro.status(redemption.channel)[0] == 2


def test_a_directly_funded_channel_pays_what_was_redeemed(nitro: Nitro) -> None:
    channel = nitro.payment_channel(ALICE, BOB)
    nitro.deposit(channel.channel_id, DEPOSIT)
    redemption = Redemption(channel)
    message_hash = nitro.finalise(channel, redemption.candidate, redemption.proof, BOB)
    nitro.adjudicator.send("transferAllAssets", channel.channel_id, payment(970, 30), message_hash)
    assert nitro.rpc.balance(ALICE.address) == 970
    assert nitro.rpc.balance(BOB.address) == 30


def test_a_token_channel_is_redeemed_like_a_native_one(nitro: Nitro) -> None:
    channel = nitro.payment_channel(ALICE, BOB)
    asset = nitro.token.address
    nitro.deposit(channel.channel_id, DEPOSIT, asset)
    redemption = Redemption(channel, asset=asset)
    message_hash = nitro.finalise(channel, redemption.candidate, redemption.proof, BOB)
    paid = payment(970, 30, asset)
    nitro.adjudicator.send("transferAllAssets", channel.channel_id, paid, message_hash)
    assert nitro.token.call("balanceOf", ALICE.address) == 970
    assert nitro.token.call("balanceOf", BOB.address) == 30


@pytest.mark.parametrize("kind", ["native", "token"])
@pytest.mark.parametrize(
    ("spoil", "reason"), REFUSED.values(), ids=[name.replace(" ", "-") for name in REFUSED]
)
def test_a_redemption_that_is_not_in_order_is_refused(
    nitro: Nitro,
    redemption: Redemption,
    spoil: Callable[[Redemption], Redemption],
    reason: str,
    kind: str,
) -> None:
    spoilt = spoil(redemption)
    if kind == "token":
        spoilt = of_token(spoilt, nitro.token.address)
    with pytest.raises(RevertedError, match=f"^{reason}"):
        redeem(nitro, spoilt)
    assert nitro.status(redemption.channel) == (0, 0, 0)


def test_a_token_is_not_redeemed_as_ether_nor_ether_as_a_token(
    nitro: Nitro, redemption: Redemption
) -> None:
    token = nitro.token.address
    for opened, redeemed in ((NATIVE, token), (token, NATIVE)):
        exchanged = replace(
            redemption, opening=payment(DEPOSIT, 0, opened), outcome=payment(970, 30, redeemed)
        )
        with pytest.raises(RevertedError, match=r"^asset changed$"):
            redeem(nitro, exchanged)


@pytest.mark.parametrize("amount", [0, 1, DEPOSIT])
def test_any_amount_of_a_token_up_to_the_deposit_is_redeemed_and_paid(
    nitro: Nitro, amount: int
) -> None:
    channel, token = nitro.payment_channel(ALICE, BOB), nitro.token
    nitro.deposit(channel.channel_id, DEPOSIT, token.address)
    moved = payment(DEPOSIT - amount, amount, token.address)
    redemption = Redemption(channel, token.address, outcome=moved, voucher_amount=amount)
    message_hash = nitro.finalise(channel, redemption.candidate, redemption.proof, BOB)
    nitro.adjudicator.send("transferAllAssets", channel.channel_id, moved, message_hash)
    assert token.call("balanceOf", ALICE.address) == DEPOSIT - amount
    assert token.call("balanceOf", BOB.address) == amount
    assert nitro.holdings(channel.channel_id, token.address) == 0


def test_a_redemption_may_carry_more_signatures_than_the_payees(
    nitro: Nitro, redemption: Redemption
) -> None:
    redeem(nitro, replace(redemption, signers=(ALICE, HUB, BOB)))
    assert nitro.status(redemption.channel)[0] == 2


def test_a_larger_voucher_cannot_follow_a_redemption(nitro: Nitro, redemption: Redemption) -> None:
    redeem(nitro, redemption)
    larger = replace(redemption, voucher_amount=40, outcome=payment(960, 40))
    with pytest.raises(RevertedError, match=r"^turnNumRecord not increased\.$"):
        redeem(nitro, larger)


@pytest.mark.parametrize("turn_num", [0, 1])
def test_prefund_and_postfund_are_supported_when_all_signed(
    nitro: Nitro, redemption: Redemption, turn_num: int
) -> None:
    channel = redemption.channel
    nitro.challenge(channel, channel.signed(state(payment(DEPOSIT, 0), turn_num)))
    assert nitro.status(channel)[0] == turn_num


@pytest.mark.parametrize("turn_num", [0, 1])
def test_prefund_and_postfund_need_everybody(
    nitro: Nitro, redemption: Redemption, turn_num: int
) -> None:
    opening = state(payment(DEPOSIT, 0), turn_num)
    half = redemption.channel.signed(opening, [ALICE, BOB])
    with pytest.raises(RevertedError, match=r"^!unanimous; \|proof\|=0$"):
        nitro.challenge(redemption.channel, half)


@pytest.mark.parametrize("turn_num", [2, 3])
def test_a_later_state_needs_a_proof_even_if_all_signed(
    nitro: Nitro, redemption: Redemption, turn_num: int
) -> None:
    later = redemption.channel.signed(state(payment(970, 30), turn_num, is_final=True))
    with pytest.raises(RevertedError, match=r"^bad candidate turnNum; \|proof\|=0$"):
        nitro.challenge(redemption.channel, later)


def test_a_payment_channel_concludes_with_a_final_state_at_turn_3(
    nitro: Nitro, redemption: Redemption
) -> None:
    final = redemption.channel.signed(state(payment(970, 30), 3, is_final=True))
    nitro.adjudicator.send("conclude", redemption.channel.fixed_part, final)
    assert nitro.status(redemption.channel)[2] == fingerprint(bytes(32), payment(970, 30))


def test_the_app_sees_the_channel_id_that_everybody_signs(
    nitro: Nitro, redemption: Redemption
) -> None:
    channel = redemption.channel
    question = ("stateIsSupported", channel.fixed_part, redemption.proof, redemption.candidate)
    assert nitro.adjudicator.call(*question) == (True, "")
    assert state_hash(channel.channel_id, redemption.candidate[0]) == redeem(nitro, redemption)
