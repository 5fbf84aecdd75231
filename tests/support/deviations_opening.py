"""Deviations while a virtual channel opens: proposals, postfunds, renunciations, rejections."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from protocols import commands, messages
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, destination_of
from protocols.state import State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from protocols.virtual_paths import is_agreed
from tests.support.builders import CONSENSUS_APP
from tests.support.deviations import (
    DEPOSIT,
    MALLORY,
    Corpus,
    Said,
    Scene,
    closed,
    half_open,
    half_open_over_two,
    idle,
    offered,
    opened,
    prefund_of,
    prefunded,
)
from tests.support.web import WebNode

OPENINGS = Corpus()
refused = OPENINGS.refused


# --- proposals ---


def proposes(scene: Scene, state: State, **changes: Any) -> Said:
    """The payer proposes that prefund to the hub."""
    return Said(scene.alice, scene.ivan, replace(scene.proposal(state), **changes))


def prefund(scene: Scene, *amounts: int, **changes: Any) -> State:
    """A prefund over the whole row; `changes` are of its fixed part."""
    return prefund_of(replace(scene.fixed(), **changes), *amounts)


def path(*nodes: WebNode) -> tuple[bytes, ...]:
    return tuple(node.actor.address for node in nodes)


@refused(idle, "PATH_REFUSED")
def a_path_that_comes_back_to_the_payer(scene: Scene) -> Said:
    circle = path(scene.alice, scene.ivan, scene.alice)
    return proposes(scene, prefund(scene, participants=circle))


@refused(idle, "PATH_REFUSED")
def a_path_over_one_hub_twice(scene: Scene) -> Said:
    fees = (amount_to_bytes(1),) * 3
    circle = path(scene.alice, scene.ivan, scene.mallory, scene.ivan, scene.bob)
    return proposes(scene, prefund(scene, participants=circle), fees=fees)


@refused(idle, "PATH_REFUSED")
def a_path_to_nobody(scene: Scene) -> Said:
    dead_end = (*path(scene.alice, scene.ivan), ZERO_ADDRESS)
    return proposes(scene, prefund(scene, participants=dead_end))


@refused(idle, "PATH_REFUSED")
def a_path_of_two_hundred_hubs(scene: Scene) -> Said:
    others = tuple(bytes((number,)) * 20 for number in range(1, 200))
    long = (*path(scene.alice, scene.ivan), *others, *path(scene.bob))
    fees = (bytes(32),) * (len(long) - 2)
    return proposes(scene, prefund(scene, participants=long), fees=fees)


@refused(idle, "UNEXPECTED_MESSAGE")
def a_path_longer_than_any(scene: Scene) -> Said:
    endless = (scene.alice.actor.address,) * 300
    body = replace(scene.proposal(prefund(scene)), participants=endless)
    return Said(scene.alice, scene.ivan, messages.encode_body(body))


@refused(idle, "UNEXPECTED_MESSAGE")
def fees_without_end(scene: Scene) -> Said:
    body = replace(scene.proposal(prefund(scene)), fees=(bytes(32),) * 20_000)
    return Said(scene.alice, scene.ivan, messages.encode_body(body))


@refused(idle, "UNEXPECTED_MESSAGE")
def signatures_without_end(scene: Scene) -> Said:
    body = replace(scene.proposal(prefund(scene)), signatures=(bytes(65),) * 10_000)
    return Said(scene.alice, scene.ivan, messages.encode_body(body))


@refused(idle, "WRONG_SIGNER")
def more_signatures_than_participants(scene: Scene) -> Said:
    honest = scene.proposal(prefund(scene)).signatures
    return proposes(scene, prefund(scene), signatures=honest + (bytes(65),) * 200)


@refused(idle, "PATH_REFUSED")
def a_fee_for_nobody(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), fees=(amount_to_bytes(1),) * 2)


@refused(idle, "INVALID_WIDTH")
def fees_of_more_than_there_is(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), fees=(amount_to_bytes(2**256 - 1),))


@refused(idle, "PARTICIPANTS_REFUSED")
def a_channel_of_others(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, participants=path(scene.alice, scene.mallory, scene.bob)))


@refused(idle, "UNKNOWN_CHANNEL")
def a_proposal_from_a_stranger_in_the_payers_name(scene: Scene) -> Said:
    return Said(scene.mallory, scene.ivan, scene.proposal(prefund(scene)))


@refused(idle, "UNKNOWN_CHANNEL")
def a_proposal_from_the_right(scene: Scene) -> Said:
    return Said(scene.bob, scene.ivan, scene.proposal(prefund(scene)))


@refused(idle, "UNKNOWN_CHANNEL")
def a_proposal_that_makes_the_listener_pay(scene: Scene) -> Said:
    state = prefund(scene, participants=path(scene.ivan, scene.alice, scene.bob))
    return proposes(scene, state)


@refused(idle, "NONCE_PREFIX_MISMATCH")
def a_channel_of_another_deployment(scene: Scene) -> Said:
    nonce = scene.fixed().channel_nonce ^ (1 << 40)
    return proposes(scene, prefund(scene, channel_nonce=nonce))


@refused(idle, "APP_NOT_SUPPORTED")
def a_channel_of_another_app(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, app_definition=b"\x09" * 20))


@refused(idle, "CHALLENGE_DURATION_TOO_SHORT")
def a_channel_that_cannot_be_defended(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, challenge_duration=1))


@refused(idle, "CHALLENGE_DURATION_TOO_LONG")
def a_channel_that_can_never_be_left(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, challenge_duration=2**48 - 1))


@refused(idle, "STATE_REFUSED")
def a_proposal_that_is_a_postfund(scene: Scene) -> Said:
    return proposes(scene, replace(prefund(scene), turn_num=1))


@refused(idle, "STATE_REFUSED")
def a_proposal_that_is_final(scene: Scene) -> Said:
    return proposes(scene, replace(prefund(scene), is_final=True))


@refused(idle, "STATE_REFUSED")
def a_proposal_with_app_data(scene: Scene) -> Said:
    return proposes(scene, replace(prefund(scene), app_data=b"x"))


@refused(idle, "PAYEE_MUST_OPEN_WITH_ZERO")
def a_payee_that_opens_with_something(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, DEPOSIT, 1))


@refused(idle, "OUTCOME_NOT_SUPPORTED")
def a_payer_that_opens_with_nothing(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, 0, 0))


@refused(idle, "OUTCOME_NOT_SUPPORTED")
def two_assets_in_one_channel(scene: Scene) -> Said:
    state = prefund(scene)
    return proposes(scene, replace(state, outcome=state.outcome * 2))


@refused(idle, "OUTCOME_NOT_SUPPORTED")
def a_channel_that_is_a_guarantee(scene: Scene) -> Said:
    state = prefund(scene)
    payer, payee = state.outcome[0].allocations
    disguised = replace(payer, allocation_type=GUARANTEE)
    outcome = (SingleAssetExit(ZERO_ADDRESS, (disguised, payee)),)
    return proposes(scene, replace(state, outcome=outcome))


@refused(idle, "OUTCOME_NOT_SUPPORTED")
def a_channel_that_pays_a_stranger(scene: Scene) -> Said:
    state = prefund(scene)
    payer, _ = state.outcome[0].allocations
    thief = Allocation(destination_of(MALLORY.address), 0)
    return proposes(scene, replace(state, outcome=(SingleAssetExit(ZERO_ADDRESS, (payer, thief)),)))


@refused(idle, "WRONG_SIGNER")
def a_proposal_that_its_payer_did_not_sign(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), signatures=(b"",) * 3)


@refused(idle, "WRONG_SIGNER")
def a_proposal_signed_by_another(scene: Scene) -> Said:
    return Said(scene.alice, scene.ivan, scene.proposal(prefund(scene), by=MALLORY))


@refused(idle, "WRONG_SIGNER")
def a_payee_whose_consent_is_forged(scene: Scene) -> Said:
    honest = scene.proposal(prefund(scene)).signatures[0]
    return proposes(scene, prefund(scene), signatures=(honest, b"", honest))


@refused(idle, "INVALID_ENCODING")
def a_proposal_whose_state_is_noise(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), encoded_state=b"\xff" * 700)


@refused(idle, "FEE_TOO_LOW")
def a_fee_below_what_the_hub_takes(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), fees=(bytes(32),))


@refused(idle, "ASSET_NOT_SUPPORTED")
def a_channel_of_made_up_money(scene: Scene) -> Said:
    return proposes(scene, prefund_of(scene.fixed(), asset=b"\x70" * 20))


@refused(idle, "HOP_WITHOUT_LEDGER")
def a_ledger_that_does_not_exist(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), ledger_id=b"\xee" * 32)


@refused(idle, "HOP_WITHOUT_LEDGER")
def a_ledger_of_somebody_else(scene: Scene) -> Said:
    return proposes(scene, prefund(scene), ledger_id=scene.web.ledgers[1])


@refused(idle, "HOP_WITHOUT_FUNDS")
def a_channel_of_more_than_the_payer_has(scene: Scene) -> Said:
    return proposes(scene, prefund(scene, 10**6, 0))


@refused(prefunded, "STATE_REFUSED")
def a_second_prefund_of_one_channel(scene: Scene) -> Said:
    fixed = scene.channel(scene.alice).fixed
    return proposes(scene, prefund_of(fixed, DEPOSIT - 1, 0))


@refused(prefunded, "STATE_REFUSED")
def other_fees_than_were_agreed(scene: Scene) -> Said:
    known = scene.channel(scene.alice)
    return proposes(scene, known.state(known.turns[0]), fees=(amount_to_bytes(9),))


@refused(prefunded, "STATE_REFUSED")
def another_ledger_than_was_chosen(scene: Scene) -> Said:
    known = scene.channel(scene.alice)
    return proposes(scene, known.state(known.turns[0]), ledger_id=b"\xee" * 32)


@refused(prefunded, "UNKNOWN_CHANNEL")
def a_known_prefund_from_a_stranger(scene: Scene) -> Said:
    known = scene.channel(scene.alice)
    body = scene.proposal(known.state(known.turns[0]))
    return Said(scene.mallory, scene.ivan, body)


# --- postfunds ---


@refused(prefunded, "STATE_REFUSED")
def a_postfund_before_the_whole_prefund(scene: Scene) -> Said:
    return Said(scene.bob, scene.ivan, scene.signed(scene.postfund(), scene.bob))


@refused(half_open, "STATE_REFUSED")
def a_postfund_with_another_outcome(scene: Scene) -> Said:
    poorer = replace(scene.postfund(), outcome=scene.final(1).outcome)
    return Said(scene.alice, scene.ivan, scene.signed(poorer, scene.alice))


@refused(half_open, "STATE_REFUSED")
def a_running_state_of_a_payment_channel(scene: Scene) -> Said:
    """Turn 2 is the redemption's alone (M7)."""
    state = replace(scene.postfund(), turn_num=2)
    return Said(scene.alice, scene.ivan, scene.signed(state, scene.alice))


@refused(half_open, "WRONG_SIGNER")
def a_postfund_signed_by_a_stranger(scene: Scene) -> Said:
    body = scene.signed(scene.postfund(), scene.alice)
    forged = MALLORY.signer(scene.postfund().state_hash())
    return Said(scene.alice, scene.ivan, replace(body, signatures=(forged, b"", b"")))


@refused(half_open, "STATE_REFUSED")
def a_postfund_with_signatures_of_too_many(scene: Scene) -> Said:
    body = scene.signed(scene.postfund(), scene.alice)
    return Said(scene.alice, scene.ivan, replace(body, signatures=body.signatures * 80))


@refused(half_open, "UNKNOWN_CHANNEL")
def a_postfund_from_a_stranger(scene: Scene) -> Said:
    return Said(scene.mallory, scene.ivan, scene.signed(scene.postfund(), scene.alice))


@refused(half_open, "UNEXPECTED_MESSAGE")
def a_virtual_channels_state_told_as_a_direct_ones(scene: Scene) -> Said:
    state = scene.postfund()
    signature = scene.bob.actor.signer(state.state_hash())
    body = messages.SignedState(scene.channel_id, state.encode(), signature)
    return Said(scene.bob, scene.ivan, body)


@refused(half_open, "UNKNOWN_CHANNEL")
def a_ledgers_state_told_as_a_virtual_channels(scene: Scene) -> Said:
    body = replace(scene.signed(scene.postfund(), scene.alice), channel_id=scene.web.ledgers[0])
    return Said(scene.alice, scene.ivan, body)


# --- giving up ---


def renounces(scene: Scene, by: WebNode, to: WebNode) -> Said:
    return Said(by, to, messages.PostfundRenunciation(scene.channel_id, "GIVEN_UP", "sorry"))


@refused(half_open, "UNEXPECTED_MESSAGE")
def a_renunciation_from_the_left(scene: Scene) -> Said:
    return renounces(scene, scene.alice, scene.ivan)


@refused(half_open_over_two, "UNEXPECTED_MESSAGE")
def a_renunciation_by_the_payee_to_the_payer(scene: Scene) -> Said:
    """They speak with each other, but a hub stands between them."""
    return renounces(scene, scene.bob, scene.alice)


@refused(half_open, "UNKNOWN_CHANNEL")
def a_renunciation_from_a_stranger(scene: Scene) -> Said:
    return renounces(scene, scene.mallory, scene.ivan)


@refused(opened, "STATE_REFUSED")
def a_renunciation_of_an_open_channel(scene: Scene) -> Said:
    return renounces(scene, scene.bob, scene.ivan)


@refused(closed, "STATE_REFUSED")
def a_renunciation_of_a_closed_channel(scene: Scene) -> Said:
    return renounces(scene, scene.bob, scene.ivan)


def with_a_hubs_postfund() -> Scene:
    """Over two hubs: the second signed the postfund, and the first knows."""
    scene = Scene(2)
    scene.channel_id = scene.web.open(DEPOSIT)
    scene.web.until(lambda: _knows_postfund(scene, scene.ivan, 2))
    return scene


def _knows_postfund(scene: Scene, node: WebNode, place: int) -> bool:
    channel = node.state.channels.get(scene.channel_id)
    turn = channel.turn(1) if channel is not None else None
    return turn is not None and bool(turn.signatures[place])


@refused(with_a_hubs_postfund, "STATE_REFUSED")
def a_renunciation_by_a_hub_that_signed(scene: Scene) -> Said:
    return renounces(scene, scene.web.row[2], scene.ivan)


def renounced() -> Scene:
    """The payer gave the channel up, the second of two hubs renounced, and the first knows."""
    scene = half_open_over_two()
    scene.web.until(lambda: is_agreed(scene.ivan.state, scene.web.ledgers[1], scene.channel_id))
    scene.alice.feed(commands.CloseChannel(scene.channel_id))
    scene.web.until(lambda: _has_renounced(scene))
    return scene


def _has_renounced(scene: Scene) -> bool:
    virtual = scene.channel(scene.ivan).virtual
    return virtual is not None and scene.web.row[2].actor.address in virtual.renounced


@refused(renounced, "STATE_REFUSED")
def a_postfund_by_who_renounced_it(scene: Scene) -> Said:
    second = scene.web.row[2]
    return Said(second, scene.ivan, scene.signed(scene.postfund(), second))


def gives_up(scene: Scene, by: WebNode, to: WebNode) -> Said:
    return Said(by, to, messages.UnwindingRequest(scene.channel_id, "GIVEN_UP", "sorry"))


@refused(opened, "STATE_REFUSED")
def an_unwinding_of_an_open_channel(scene: Scene) -> Said:
    return gives_up(scene, scene.alice, scene.ivan)


@refused(opened, "STATE_REFUSED")
def an_unwinding_asked_of_the_payee_after_payments(scene: Scene) -> Said:
    return gives_up(scene, scene.alice, scene.bob)


@refused(half_open, "UNKNOWN_CHANNEL")
def an_unwinding_asked_by_a_stranger(scene: Scene) -> Said:
    return gives_up(scene, scene.mallory, scene.ivan)


@refused(half_open, "UNKNOWN_CHANNEL")
def an_unwinding_of_a_ledger(scene: Scene) -> Said:
    body = messages.UnwindingRequest(scene.web.ledgers[0], "GIVEN_UP", "sorry")
    return Said(scene.alice, scene.ivan, body)


def rejects(scene: Scene, kind: ObjectiveType, by: WebNode, to: WebNode) -> Said:
    identity = objective_id(kind, scene.channel_id)
    return Said(by, to, messages.ObjectiveRejection(identity, "OWNER_REJECTED", "no"))


@refused(opened, "STATE_REFUSED")
def a_rejection_of_an_open_channel(scene: Scene) -> Said:
    return rejects(scene, ObjectiveType.VIRTUAL_FUND, scene.bob, scene.ivan)


@refused(closed, "STATE_REFUSED")
def a_rejection_of_a_channel_that_is_over(scene: Scene) -> Said:
    return rejects(scene, ObjectiveType.VIRTUAL_FUND, scene.ivan, scene.alice)


@refused(offered, "STATE_REFUSED")
def a_rejection_of_a_close(scene: Scene) -> Said:
    return rejects(scene, ObjectiveType.VIRTUAL_DEFUND, scene.bob, scene.alice)


@refused(opened, "UNKNOWN_OBJECTIVE")
def a_rejection_by_a_stranger(scene: Scene) -> Said:
    return rejects(scene, ObjectiveType.VIRTUAL_FUND, scene.mallory, scene.ivan)


@refused(opened, "UNKNOWN_OBJECTIVE")
def a_rejection_of_nothing(scene: Scene) -> Said:
    body = messages.ObjectiveRejection(b"\x01" * 32, "OWNER_REJECTED", "no")
    return Said(scene.bob, scene.ivan, body)


@refused(opened, "UNEXPECTED_MESSAGE")
def a_rejection_with_a_reason_without_end(scene: Scene) -> Said:
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, scene.channel_id)
    body = messages.ObjectiveRejection(identity, "X", "no " * 100_000)
    return Said(scene.bob, scene.ivan, messages.encode_body(body))


# --- ledgers ---


def proposes_ledger(
    scene: Scene, by: WebNode, *amounts: int, **changes: Any
) -> messages.ChannelProposal:
    """A ledger that the payer leads and the hub follows, signed by somebody."""
    fixed = replace(scene.fixed((scene.alice, scene.ivan)), app_definition=CONSENSUS_APP, **changes)
    state = prefund_of(fixed, *(amounts or (50, 50)))
    return messages.ChannelProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        state.encode(),
        by.actor.signer(state.state_hash()),
    )


@refused(idle, "NONCE_PREFIX_MISMATCH")
def a_ledger_of_another_deployment(scene: Scene) -> Said:
    nonce = scene.fixed().channel_nonce ^ (1 << 63)
    return Said(scene.alice, scene.ivan, proposes_ledger(scene, scene.alice, channel_nonce=nonce))


@refused(idle, "WRONG_SIGNER")
def a_ledger_that_its_leader_did_not_sign(scene: Scene) -> Said:
    return Said(scene.alice, scene.ivan, proposes_ledger(scene, scene.mallory))


@refused(idle, "PARTICIPANTS_REFUSED")
def a_ledger_that_a_stranger_proposes_for_others(scene: Scene) -> Said:
    return Said(scene.mallory, scene.ivan, proposes_ledger(scene, scene.alice))


@refused(idle, "PARTICIPANTS_REFUSED")
def a_ledger_of_three(scene: Scene) -> Said:
    three = path(scene.alice, scene.bob, scene.ivan)
    return Said(scene.alice, scene.ivan, proposes_ledger(scene, scene.alice, participants=three))


@refused(idle, "CHANNEL_ALREADY_SEEN")
def a_ledger_that_was_there_before_with_other_deposits(scene: Scene) -> Said:
    known = scene.ivan.channel(scene.web.ledgers[0]).fixed
    body = proposes_ledger(scene, scene.alice, 1, 0, channel_nonce=known.channel_nonce)
    return Said(scene.alice, scene.ivan, body)
