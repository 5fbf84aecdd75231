"""Redemptions of vouchers, in order and not, and the openings before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.support.contract_tables import Case, Change, Key, Row, Rows, status_of, token_of
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    GUARANTEE,
    NATIVE,
    Actor,
    Channel,
    Outcome,
    SignedVariablePart,
    outcome_of,
    simple,
    state,
    voucher_data,
)
from tests.support.rows_force_move import NO_STATE, challenged, checkpoint_proved

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
    surplus: bytes = b""
    """Behind the voucher, in the app data."""

    @property
    def proof(self) -> list[SignedVariablePart]:
        opening = payment(DEPOSIT, 0, self.asset) if self.opening is None else self.opening
        postfund = state(opening, self.postfund_turn)
        return [self.channel.signed(postfund, self.postfund_signers)] * self.proof_copies

    @property
    def candidate(self) -> SignedVariablePart:
        channel_id = self.voucher_channel_id or self.channel.channel_id
        data = voucher_data(channel_id, self.voucher_amount, self.voucher_signer) + self.surplus
        outcome = payment(DEPOSIT - 30, 30, self.asset) if self.outcome is None else self.outcome
        return self.channel.signed(state(outcome, self.turn, data, self.is_final), self.signers)


def payment(payer: int, payee: int, asset: str = NATIVE) -> Outcome:
    return outcome_of(simple(ALICE.destination, payer), simple(BOB.destination, payee), asset=asset)


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
    "something behind the voucher": (changed(surplus=bytes(32)), "bad voucher length"),
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


def redemption(kind: str, amount: int = 30, **fields: object) -> Row:
    """A redemption that is in order."""

    def build(nitro: Nitro) -> Case:
        asset = token_of(nitro, kind)
        channel = nitro.payment_channel(ALICE, HUB, BOB)
        moved = payment(DEPOSIT - amount, amount, asset)
        made = Redemption(channel, asset, outcome=moved, voucher_amount=amount)
        made = replace(made, **fields)  # type: ignore[arg-type]
        return challenged(nitro, channel, made.candidate, BOB, made.proof)

    return build


def refused(spoil: Callable[[Redemption], Redemption], reason: str) -> Row:
    def build(nitro: Nitro) -> Case:
        made = spoil(Redemption(nitro.payment_channel(ALICE, HUB, BOB)))
        plain = reason.replace("\\", "")
        return challenged(nitro, made.channel, made.candidate, BOB, made.proof, plain)

    return build


def opening(
    turn_num: int, signers: Sequence[Actor] | None = None, reason: str | None = None
) -> Row:
    """A state without a proof."""

    def build(nitro: Nitro) -> Case:
        channel = nitro.payment_channel(ALICE, HUB, BOB)
        signed = channel.signed(state(payment(DEPOSIT, 0), turn_num), signers)
        return challenged(nitro, channel, signed, ALICE, reason=reason)

    return build


def after_a_smaller_one(nitro: Nitro) -> Case:
    channel = nitro.payment_channel(ALICE, HUB, BOB)
    first = Redemption(channel)
    nitro.challenge(channel, first.candidate, first.proof, BOB)
    larger = replace(first, voucher_amount=40, outcome=payment(960, 40))
    reason = "turnNumRecord not increased."
    return challenged(nitro, channel, larger.candidate, BOB, larger.proof, reason)


def checkpointed(situation: str = "unseen") -> Row:
    """A checkpoint with a redemption, which tells all of it (ADR 0069)."""

    def build(nitro: Nitro) -> Case:
        made = Redemption(nitro.payment_channel(ALICE, HUB, BOB))
        channel = made.channel
        if situation == "challenged":
            nitro.challenge(channel, *made.proof)
        call = ("checkpoint", channel.fixed_part, made.proof, made.candidate)
        name = "ChallengeCleared" if situation == "challenged" else "Checkpointed"
        told = {"channelId": channel.channel_id, "newTurnNumRecord": 2}
        proved = checkpoint_proved(channel, made.proof, made.candidate)
        changes: dict[Key, Change] = {status_of(channel): (2, 0, NO_STATE)}
        return Case(call, 0, None, [(name, told), ("CheckpointProved", proved)], changes)

    return build


def checkpointed_redemption(nitro: Nitro) -> Redemption:
    made = Redemption(nitro.payment_channel(ALICE, HUB, BOB))
    nitro.adjudicator.send("checkpoint", made.channel.fixed_part, made.proof, made.candidate)
    return made


def after_a_checkpoint(challenger: Actor) -> Row:
    """A challenge with the redemption that was checkpointed."""

    def build(nitro: Nitro) -> Case:
        made = checkpointed_redemption(nitro)
        return challenged(nitro, made.channel, made.candidate, challenger, made.proof)

    return build


def postfund_after_a_checkpoint(nitro: Nitro) -> Case:
    made = checkpointed_redemption(nitro)
    return challenged(nitro, made.channel, *made.proof, ALICE, reason="turnNumRecord decreased.")


def second_checkpoint(nitro: Nitro) -> Case:
    """A redemption clears once: no turn of the app is above its own."""
    made = checkpointed_redemption(nitro)
    nitro.challenge(made.channel, made.candidate, made.proof, ALICE)
    larger = replace(made, voucher_amount=40, outcome=payment(960, 40))
    call = ("checkpoint", made.channel.fixed_part, larger.proof, larger.candidate)
    reason = "turnNumRecord not increased."
    return Case(call, reason=reason, channels=(made.channel.channel_id,))


NO_PROOF = "bad candidate turnNum; |proof|=0"
ROWS: Rows = {
    "the prefund, signed by all": opening(0),
    "the postfund, signed by all": opening(1),
    "the prefund, not signed by all": opening(0, [ALICE, BOB], "!unanimous; |proof|=0"),
    "the postfund, not signed by all": opening(1, [BOB], "!unanimous; |proof|=0"),
    "turn 2 without a proof": opening(2, None, NO_PROOF),
    "turn 3 without a proof": opening(3, None, NO_PROOF),
    "a redemption": redemption("native"),
    "a redemption of nothing": redemption("native", 0),
    "a redemption of everything": redemption("native", DEPOSIT),
    "a redemption signed by all": redemption("native", signers=(ALICE, HUB, BOB)),
    "a redemption of a token": redemption("token"),
    "a larger voucher after a redemption": after_a_smaller_one,
    "a checkpoint with a redemption": checkpointed(),
    "a checkpoint with a redemption, of the challenged postfund": checkpointed("challenged"),
    "by the payer, a redemption after its checkpoint": after_a_checkpoint(ALICE),
    "by a hub, a redemption after its checkpoint": after_a_checkpoint(HUB),
    "the postfund after the redemption's checkpoint": postfund_after_a_checkpoint,
    "a second checkpoint with a redemption": second_checkpoint,
    **{name: refused(*row) for name, row in REFUSED.items()},
}
