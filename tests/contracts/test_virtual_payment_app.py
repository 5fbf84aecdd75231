"""Vouchers redeemed on chain: only the voucher's amount may move, and nothing else (M1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.support.contract_calls import RevertedError
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    GUARANTEE,
    NATIVE,
    Actor,
    Channel,
    Outcome,
    SignedVariablePart,
    fingerprint,
    outcome_of,
    simple,
    state,
    state_hash,
    voucher_data,
)

pytestmark = pytest.mark.e2e

DEPOSIT = 1_000


@dataclass(frozen=True)
class Redemption:
    """Everything a redemption is made of; by default one that is in order, for 30 of 1,000."""

    channel: Channel
    asset: str = NATIVE
    opening: Outcome | None = None
    outcome: Outcome | None = None
    voucher_amount: int = 30
    voucher_channel_id: bytes | None = None
    voucher_signer: Actor = ALICE
    postfund_turn: int = 1
    postfund_signers: tuple[Actor, ...] | None = None
    turn: int = 2
    is_final: bool = False
    signers: tuple[Actor, ...] = (BOB,)
    proof_copies: int = 1

    @property
    def proof(self) -> list[SignedVariablePart]:
        opening = payment(DEPOSIT, 0, self.asset) if self.opening is None else self.opening
        postfund = state(opening, self.postfund_turn)
        return [self.channel.signed(postfund, self.postfund_signers)] * self.proof_copies

    @property
    def candidate(self) -> SignedVariablePart:
        channel_id = self.voucher_channel_id or self.channel.channel_id
        data = voucher_data(channel_id, self.voucher_amount, self.voucher_signer)
        outcome = payment(DEPOSIT - 30, 30, self.asset) if self.outcome is None else self.outcome
        return self.channel.signed(state(outcome, self.turn, data, self.is_final), self.signers)


def payment(payer: int, payee: int, asset: str = NATIVE) -> Outcome:
    return outcome_of(simple(ALICE.destination, payer), simple(BOB.destination, payee), asset=asset)


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


def changed(**fields: object) -> Callable[[Redemption], Redemption]:
    return lambda redemption: replace(redemption, **fields)  # type: ignore[arg-type]


def shares(*allocations: tuple[bytes, int, int, bytes]) -> Outcome:
    return [(NATIVE, (0, b""), list(allocations))]


ALICE_970 = simple(ALICE.destination, 970)
BOB_30 = simple(BOB.destination, 30)
TWO_ASSETS = payment(970, 30) + payment(970, 30)
STOLEN_CHANGE = shares(simple(MALLORY.destination, 970), BOB_30)
ALICE_AS_GUARANTEE = (ALICE.destination, 970, GUARANTEE, b"")

REFUSED: dict[str, tuple[Callable[[Redemption], Redemption], str]] = {
    "the payer's destination replaced (the published theft)": (
        changed(outcome=STOLEN_CHANGE),
        "destination changed",
    ),
    "the payee's destination replaced": (
        changed(outcome=shares(ALICE_970, simple(MALLORY.destination, 30))),
        "destination changed",
    ),
    "the two shares in the other order": (
        changed(outcome=shares(BOB_30, ALICE_970)),
        "destination changed",
    ),
    "a third share": (
        changed(outcome=shares(ALICE_970, BOB_30, simple(MALLORY.destination, 0))),
        "only two allocations allowed",
    ),
    "one share": (changed(outcome=shares(ALICE_970)), "only two allocations allowed"),
    "a third share from the start": (
        changed(
            opening=shares(*payment(1_000, 0)[0][2], simple(MALLORY.destination, 5)),
            outcome=shares(ALICE_970, BOB_30, simple(MALLORY.destination, 5)),
        ),
        "only two allocations allowed",
    ),
    "no asset": (changed(outcome=[]), "only one asset allowed"),
    "no shares from the start": (changed(opening=shares()), "only two allocations allowed"),
    "another asset": (changed(outcome=payment(970, 30, "0x" + "11" * 20)), "asset changed"),
    "another asset type": (
        changed(outcome=[(NATIVE, (1, b""), [ALICE_970, BOB_30])]),
        "asset changed",
    ),
    "other asset metadata": (
        changed(outcome=[(NATIVE, (0, b"x"), [ALICE_970, BOB_30])]),
        "asset changed",
    ),
    "a second asset": (changed(outcome=TWO_ASSETS), "only one asset allowed"),
    "two assets from the start": (
        changed(opening=payment(1_000, 0) * 2, outcome=TWO_ASSETS),
        "only one asset allowed",
    ),
    "other metadata of the payer's share": (
        changed(outcome=shares(simple(ALICE.destination, 970, b"x"), BOB_30)),
        "metadata changed",
    ),
    "other metadata of the payee's share": (
        changed(outcome=shares(ALICE_970, simple(BOB.destination, 30, b"x"))),
        "metadata changed",
    ),
    "a share turned into a guarantee": (
        changed(outcome=shares(ALICE_AS_GUARANTEE, BOB_30)),
        "only simple allocations allowed",
    ),
    "a guarantee from the start": (
        changed(
            opening=shares((ALICE.destination, 1_000, GUARANTEE, b""), simple(BOB.destination, 0)),
            outcome=shares(ALICE_AS_GUARANTEE, BOB_30),
        ),
        "only simple allocations allowed",
    ),
    "a final state": (changed(is_final=True), "redemption must not be final"),
    "a payee who opened with money": (
        changed(opening=payment(970, 30), outcome=payment(940, 30)),
        "Bob not adjusted correctly",
    ),
    "more for the payee than the voucher says": (
        changed(outcome=payment(970, 31)),
        "Bob not adjusted correctly",
    ),
    "less for the payee than the voucher says": (
        changed(outcome=payment(970, 29)),
        "Bob not adjusted correctly",
    ),
    "more for the payer than is left": (
        changed(outcome=payment(971, 30)),
        "Alice not adjusted correctly",
    ),
    "less for the payer than is left": (
        changed(outcome=payment(969, 30)),
        "Alice not adjusted correctly",
    ),
    "a voucher above the deposit": (
        changed(voucher_amount=1_001, outcome=payment(0, 1_001)),
        "Alice not adjusted correctly",
    ),
    "a voucher the payee signed": (
        changed(voucher_signer=BOB),
        "invalid signature for voucher",
    ),
    "a voucher of another channel": (
        changed(voucher_channel_id=b"\x01" * 32),
        "invalid signature for voucher",
    ),
    "a postfund that not all signed": (
        changed(postfund_signers=(ALICE, BOB)),
        r"postfund !unanimous; \|proof\|=1",
    ),
    "a prefund as the proof": (
        changed(postfund_turn=0),
        r"bad proof\[0\].turnNum; \|proof\|=1",
    ),
    "turn 3": (changed(turn=3), r"bad candidate turnNum; \|proof\|=1"),
    "turn 1": (changed(turn=1), r"bad candidate turnNum; \|proof\|=1"),
    "no payee's signature": (
        changed(signers=(ALICE, HUB)),
        "redemption not signed by Bob",
    ),
    "two states as proof": (changed(proof_copies=2), "bad proof length"),
}


def of_token(redemption: Redemption, token: str) -> Redemption:
    """The same in a token: wherever it says native, the token."""

    def put(outcome: Outcome | None) -> Outcome | None:
        if outcome is None:
            return None
        return [(token if asset == NATIVE else asset, *rest) for asset, *rest in outcome]

    return replace(
        redemption,
        asset=token,
        opening=put(redemption.opening),
        outcome=put(redemption.outcome),
    )


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
