"""Deviations while a virtual channel closes: final states, wishes to close, refusals."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import messages
from protocols.outcome import SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from protocols.voucher import sign_voucher
from tests.support.actors import Actor
from tests.support.deviations import (
    DEPOSIT,
    MALLORY,
    PAID,
    Corpus,
    Said,
    Scene,
    closed,
    half_open,
    offered,
    opened,
    proposed,
)
from tests.support.web import WebNode

CLOSINGS = Corpus()
refused = CLOSINGS.refused


# --- final states ---


def offers(scene: Scene, state: State, *signers: WebNode) -> Said:
    """The payer sends the payee that final state."""
    return Said(scene.alice, scene.bob, scene.signed(state, *(signers or (scene.alice,))))


@refused(opened, "FINAL_STATE_REFUSED")
def a_final_state_below_what_was_accepted(scene: Scene) -> Said:
    return offers(scene, scene.final(PAID - 1))


@refused(opened, "STATE_REFUSED")
def a_final_state_of_more_than_the_deposit(scene: Scene) -> Said:
    state = scene.final(PAID)
    payer, payee = state.outcome[0].allocations
    shares = (replace(payer, amount=payer.amount + 1), payee)
    return offers(scene, replace(state, outcome=(SingleAssetExit(ZERO_ADDRESS, shares),)))


@refused(opened, "STATE_REFUSED")
def a_final_state_that_pays_a_stranger(scene: Scene) -> Said:
    state = scene.final(PAID)
    payer, payee = state.outcome[0].allocations
    shares = (payer, replace(payee, destination=destination_of(MALLORY.address)))
    return offers(scene, replace(state, outcome=(SingleAssetExit(ZERO_ADDRESS, shares),)))


@refused(opened, "STATE_REFUSED")
def a_final_state_with_app_data(scene: Scene) -> Said:
    return offers(scene, replace(scene.final(PAID), app_data=b"x"))


@refused(opened, "STATE_REFUSED")
def a_final_state_without_shares(scene: Scene) -> Said:
    return offers(scene, replace(scene.final(PAID), outcome=()))


@refused(opened, "STATE_REFUSED")
def a_final_state_at_the_redemptions_turn(scene: Scene) -> Said:
    return offers(scene, scene.final(PAID, turn_num=2))


@refused(opened, "WRONG_SIGNER")
def a_final_state_signed_by_a_stranger(scene: Scene) -> Said:
    state = scene.final(PAID)
    body = scene.signed(state)
    forged = (MALLORY.signer(state.state_hash()), b"", b"")
    return Said(scene.alice, scene.bob, replace(body, signatures=forged))


@refused(opened, "STATE_REFUSED")
def a_final_state_with_signatures_of_too_many(scene: Scene) -> Said:
    body = scene.signed(scene.final(PAID), scene.alice)
    return Said(scene.alice, scene.bob, replace(body, signatures=body.signatures * 80))


@refused(offered, "STATE_REFUSED")
def a_second_final_state_at_the_next_turn(scene: Scene) -> Said:
    return offers(scene, scene.final(PAID + 1, turn_num=4))


@refused(offered, "STATE_REFUSED")
def two_final_states_of_one_turn(scene: Scene) -> Said:
    return offers(scene, scene.final(PAID + 1))


@refused(opened, "STATE_REFUSED")
def a_final_state_that_the_payee_signs_first(scene: Scene) -> Said:
    return Said(scene.bob, scene.alice, scene.signed(scene.final(PAID), scene.bob))


@refused(opened, "STATE_REFUSED")
def a_final_state_to_a_hub_before_the_ends_signed(scene: Scene) -> Said:
    body = scene.signed(scene.final(PAID), scene.alice)
    return Said(scene.alice, scene.ivan, body)


@refused(opened, "STATE_REFUSED")
def a_final_state_to_a_hub_of_more_than_the_deposit(scene: Scene) -> Said:
    state = scene.final(PAID)
    payer, payee = state.outcome[0].allocations
    shares = (payer, replace(payee, amount=payee.amount + 1))
    state = replace(state, outcome=(SingleAssetExit(ZERO_ADDRESS, shares),))
    return Said(scene.alice, scene.ivan, scene.signed(state, scene.alice, scene.bob))


@refused(opened, "WRONG_SIGNER")
def a_final_state_to_a_hub_with_a_forged_consent(scene: Scene) -> Said:
    state = scene.final(0)
    mine = scene.alice.actor.signer(state.state_hash())
    body = replace(scene.signed(state), signatures=(mine, b"", mine))
    return Said(scene.alice, scene.ivan, body)


def finally_signed_by_the_hub() -> Scene:
    """The hub signed the final state."""
    scene = offered()
    scene.web.hand_over(scene.alice, scene.bob.actor.address)
    scene.web.hand_over(scene.bob, scene.ivan.actor.address)
    return scene


@refused(finally_signed_by_the_hub, "STATE_REFUSED")
def two_final_states_to_a_hub(scene: Scene) -> Said:
    """The ends agree on another split, after the hub's ledgers were settled by the first."""
    state = scene.final(DEPOSIT, turn_num=4)
    return Said(scene.alice, scene.ivan, scene.signed(state, scene.alice, scene.bob))


@refused(proposed, "STATE_REFUSED")
def a_final_state_before_the_whole_prefund(scene: Scene) -> Said:
    return Said(scene.alice, scene.ivan, scene.signed(scene.final(0), scene.alice, scene.bob))


@refused(opened, "UNKNOWN_CHANNEL")
def a_final_state_from_a_stranger(scene: Scene) -> Said:
    return Said(scene.mallory, scene.bob, scene.signed(scene.final(PAID), scene.alice))


@refused(opened, "UNKNOWN_CHANNEL")
def a_final_state_of_another_channel(scene: Scene) -> Said:
    other = replace(scene.channel(scene.alice).fixed, channel_nonce=7)
    return offers(scene, replace(scene.final(PAID), fixed=other))


@refused(opened, "INVALID_ENCODING")
def a_final_state_under_the_name_of_another_channel(scene: Scene) -> Said:
    other = replace(scene.channel(scene.alice).fixed, channel_nonce=7)
    body = scene.signed(replace(scene.final(PAID), fixed=other), scene.alice)
    return Said(scene.alice, scene.bob, replace(body, channel_id=scene.channel_id))


# --- asking for the final state ---


def asks_to_close(
    scene: Scene, by: WebNode, to: WebNode, total: int, signer: Actor | None = None
) -> Said:
    """A wish to close that shows a voucher."""
    voucher = sign_voucher(scene.channel_id, total, signer.signer) if signer else b""
    body = messages.FinalStateRequest(scene.channel_id, amount_to_bytes(total), voucher)
    return Said(by, to, body)


@refused(opened, "STATE_REFUSED")
def a_wish_to_close_with_a_forged_voucher(scene: Scene) -> Said:
    return asks_to_close(scene, scene.bob, scene.alice, PAID + 10, scene.bob.actor)


@refused(opened, "STATE_REFUSED")
def a_wish_to_close_with_a_voucher_that_is_none(scene: Scene) -> Said:
    return asks_to_close(scene, scene.bob, scene.alice, PAID + 10)


@refused(opened, "STATE_REFUSED")
def a_wish_to_close_with_more_than_the_deposit(scene: Scene) -> Said:
    return asks_to_close(scene, scene.bob, scene.alice, DEPOSIT + 1, scene.alice.actor)


@refused(opened, "UNKNOWN_CHANNEL")
def a_wish_to_close_by_the_hub(scene: Scene) -> Said:
    return asks_to_close(scene, scene.ivan, scene.alice, 0)


@refused(opened, "STATE_REFUSED")
def a_wish_to_close_that_the_hub_is_to_fulfil(scene: Scene) -> Said:
    return asks_to_close(scene, scene.bob, scene.ivan, 0)


@refused(half_open, "CHANNEL_NOT_OPEN")
def a_wish_to_close_what_is_not_open(scene: Scene) -> Said:
    return asks_to_close(scene, scene.bob, scene.alice, 0)


def refuses(scene: Scene, turn_num: int, total: int, signer: Actor) -> Said:
    """The payee refuses a final state and shows a voucher."""
    voucher = sign_voucher(scene.channel_id, total, signer.signer)
    shown = amount_to_bytes(total)
    body = messages.FinalStateRefusal(scene.channel_id, turn_num, shown, voucher)
    return Said(scene.bob, scene.alice, body)


@refused(opened, "STATE_REFUSED")
def a_refusal_of_a_final_state_never_offered(scene: Scene) -> Said:
    return refuses(scene, 3, PAID, scene.alice.actor)


@refused(offered, "STATE_REFUSED")
def a_refusal_of_another_turn_than_was_offered(scene: Scene) -> Said:
    return refuses(scene, 4, PAID + 1, scene.alice.actor)


@refused(offered, "STATE_REFUSED")
def a_refusal_that_shows_no_more_than_was_offered(scene: Scene) -> Said:
    return refuses(scene, 3, PAID, scene.alice.actor)


@refused(offered, "STATE_REFUSED")
def a_refusal_with_a_forged_voucher(scene: Scene) -> Said:
    return refuses(scene, 3, PAID + 1, scene.bob.actor)


@refused(closed, "STATE_REFUSED")
def a_refusal_of_what_was_signed(scene: Scene) -> Said:
    return refuses(scene, 3, PAID + 1, scene.alice.actor)
