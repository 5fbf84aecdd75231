"""Deviations in ledgers: proposals that no leader makes, answers that no follower gives."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from protocols import commands, messages
from protocols.draft import Draft
from protocols.ledger import ADD, MOVE, NO_TARGET, REMOVE, Change, after, ledger_state
from protocols.ledger_payments import pay
from protocols.outcome import destination_of
from protocols.types import amount_to_bytes
from tests.support.deviations import (
    DEPOSIT,
    MALLORY,
    Corpus,
    Said,
    Scene,
    idle,
    opened,
)
from tests.support.web import WebNode

LEDGERS = Corpus()
refused = LEDGERS.refused

STRANGE_TARGET = b"\xee" * 32


def ends(scene: Scene, place: int = 0) -> tuple[bytes, bytes]:
    """The destinations of the ledger's left and right party."""
    left, right = scene.web.row[place : place + 2]
    return destination_of(left.actor.address), destination_of(right.actor.address)


def move(scene: Scene, amount: int, place: int = 0) -> Change:
    """Left pays right."""
    return Change(MOVE, NO_TARGET, amount, *ends(scene, place))


def add(scene: Scene, **changes: Any) -> Change:
    """A guarantee from the payer to the hub, of nothing that anybody knows."""
    return replace(Change(ADD, STRANGE_TARGET, 10, *ends(scene), left_amount=10), **changes)


def proposal(scene: Scene, change: Change, **changes: Any) -> messages.LedgerProposal:
    """The payer's proposal to the hub, as if its amounts allowed it."""
    honest = scene.web.proposal_of(scene.ivan, scene.web.ledgers[0], move(scene, 1))
    body = replace(
        honest,
        kind=change.kind,
        target=change.target,
        amount=amount_to_bytes(change.amount),
        left=change.left,
        right=change.right,
        left_amount=amount_to_bytes(change.left_amount),
        fee=amount_to_bytes(change.fee),
    )
    return replace(body, **changes)


def to_hub(scene: Scene, body: messages.Body) -> Said:
    return Said(scene.alice, scene.ivan, body)


# --- proposals that are dropped at once ---


@refused(opened, "LEDGER_TURN_WRONG")
def a_proposal_beyond_the_next_turn(scene: Scene) -> Said:
    body = proposal(scene, move(scene, 1))
    return to_hub(scene, replace(body, turn_num=body.turn_num + 1))


@refused(opened, "LEDGER_TURN_WRONG")
def a_proposal_at_the_last_turn_there_is(scene: Scene) -> Said:
    return to_hub(scene, replace(proposal(scene, move(scene, 1)), turn_num=2**48 - 1))


@refused(opened, "PROPOSAL_SIGNATURE_WRONG")
def a_proposal_signed_by_a_stranger(scene: Scene) -> Said:
    channel, ledger = (
        scene.ivan.channel(scene.web.ledgers[0]),
        scene.ivan.ledger(scene.web.ledgers[0]),
    )
    vars_ = after(ledger.proposed, move(scene, 1), channel.fixed)
    state = ledger_state(channel.fixed, ledger.asset, vars_, ledger.proposed_turn + 1)
    signature = MALLORY.signer(state.state_hash())
    return to_hub(scene, replace(proposal(scene, move(scene, 1)), signature=signature))


@refused(opened, "PROPOSAL_SIGNATURE_WRONG")
def a_proposal_that_says_more_than_was_signed(scene: Scene) -> Said:
    """The signature is over a state in which the hub gets 1."""
    return to_hub(scene, proposal(scene, move(scene, 2)))


@refused(opened, "PROPOSAL_SIGNATURE_WRONG")
def a_proposal_with_a_signature_of_nothing(scene: Scene) -> Said:
    return to_hub(scene, replace(proposal(scene, move(scene, 1)), signature=bytes(65)))


@refused(opened, "LEDGER_FUNDS_INSUFFICIENT")
def a_move_of_more_than_the_leader_has(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, move(scene, 2**256 - 1)))


@refused(opened, "LEDGER_FUNDS_INSUFFICIENT")
def a_guarantee_of_more_than_the_leader_has(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, amount=10**6, left_amount=10**6)))


@refused(opened, "LEDGER_FUNDS_INSUFFICIENT")
def a_fee_that_nobody_can_pay(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, fee=2**256 - 1)))


@refused(opened, "LEDGER_FUNDS_INSUFFICIENT")
def a_guarantee_paid_by_the_follower(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, amount=10**6, left_amount=0)))


@refused(opened, "INVALID_GUARANTEE_AMOUNT")
def a_guarantee_of_which_left_gives_more_than_all(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, left_amount=11)))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_change_of_no_known_kind(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, kind="steal")))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_guarantee_between_strangers(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, right=destination_of(MALLORY.address))))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_guarantee_from_a_party_to_itself(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, right=ends(scene)[0])))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_guarantee_for_nothing(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, target=NO_TARGET)))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_move_with_a_fee(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, replace(move(scene, 1), fee=1)))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_move_with_a_target(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, replace(move(scene, 1), target=scene.channel_id)))


@refused(opened, "DUPLICATE_GUARANTEE")
def a_second_guarantee_for_one_channel(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, target=scene.channel_id)))


@refused(opened, "GUARANTEE_NOT_FOUND")
def a_removal_of_no_guarantee(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, add(scene, kind=REMOVE)))


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_removal_of_a_part_of_a_guarantee(scene: Scene) -> Said:
    change = add(scene, kind=REMOVE, target=scene.channel_id, amount=DEPOSIT - 1)
    return to_hub(scene, proposal(scene, change))


@refused(opened, "UNEXPECTED_MESSAGE")
def a_proposal_by_the_follower(scene: Scene) -> Said:
    return Said(scene.ivan, scene.alice, proposal(scene, move(scene, 1)))


@refused(opened, "UNKNOWN_CHANNEL")
def a_proposal_by_a_stranger(scene: Scene) -> Said:
    return Said(scene.mallory, scene.ivan, proposal(scene, move(scene, 1)))


@refused(opened, "UNKNOWN_CHANNEL")
def a_proposal_by_the_leader_of_another_ledger(scene: Scene) -> Said:
    return Said(scene.bob, scene.ivan, proposal(scene, move(scene, 1)))


@refused(opened, "UNKNOWN_CHANNEL")
def a_proposal_for_an_unknown_ledger(scene: Scene) -> Said:
    return to_hub(scene, replace(proposal(scene, move(scene, 1)), channel_id=STRANGE_TARGET))


@refused(opened, "NOT_A_LEDGER")
def a_proposal_for_a_payment_channel(scene: Scene) -> Said:
    body = replace(proposal(scene, move(scene, 1)), channel_id=scene.channel_id)
    return Said(scene.alice, scene.bob, body)


def with_an_unheard_answer() -> Scene:
    """The payer moved 1 in the left ledger; the hub has it and has not answered."""
    scene = opened()
    scene.alice.feed(commands.PayLedger(scene.web.ledgers[0], 1, "rent"))
    scene.web.deliver(scene.alice, scene.ivan.actor.address)
    scene.web.acknowledge(scene.ivan, scene.alice.actor.address)
    return scene


@refused(with_an_unheard_answer, "EQUIVOCATION_REFUSED")
def two_proposals_for_one_turn(scene: Scene) -> Said:
    """The hub sees the second before it answers the first; its answer to that one stands."""
    ledger_id, change = scene.web.ledgers[0], move(scene, 2)
    channel, ledger = scene.ivan.channel(ledger_id), scene.ivan.ledger(ledger_id)
    vars_ = after(ledger.current, change, channel.fixed)
    state = ledger_state(channel.fixed, ledger.asset, vars_, ledger.turn_num + 1)
    signature = scene.alice.actor.signer(state.state_hash())
    body = proposal(scene, change, turn_num=ledger.turn_num + 1, signature=signature)
    return to_hub(scene, body)


def ledger_that_closes() -> Scene:
    """The payer closes its ledger with the hub; another one takes its place on the path."""
    scene = idle()
    scene.alice.feed(commands.CloseChannel(scene.web.ledgers[0]))
    scene.web.settle()
    scene.web.ledgers.append(scene.web.add_ledger(0, b"2nd."))
    return scene


@refused(ledger_that_closes, "LEDGER_NOT_RUNNING")
def a_proposal_after_the_final_state(scene: Scene) -> Said:
    return to_hub(scene, proposal(scene, move(scene, 1)))


@refused(ledger_that_closes, "LEDGER_NOT_RUNNING")
def a_payment_request_after_the_final_state(scene: Scene) -> Said:
    return asks(scene, 1)


@refused(opened, "LEDGER_IN_USE")
def a_close_of_a_ledger_with_guarantees(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    return Said(scene.ivan, scene.alice, messages.FinalStateRequest(ledger_id, bytes(32), b""))


@refused(opened, "LEDGER_IN_USE")
def a_final_state_of_a_ledger_that_forgets_a_guarantee(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.ivan.ledger(ledger_id), scene.ivan.channel(ledger_id).fixed
    vars_ = replace(ledger.current, guarantees=())
    state = ledger_state(fixed, ledger.asset, vars_, ledger.turn_num + 1, is_final=True)
    signature = scene.alice.actor.signer(state.state_hash())
    return to_hub(scene, messages.SignedState(ledger_id, state.encode(), signature))


@refused(idle, "STATE_REFUSED")
def a_final_state_of_a_ledger_with_another_split(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.ivan.ledger(ledger_id), scene.ivan.channel(ledger_id).fixed
    vars_ = replace(
        ledger.current, leader=ledger.current.leader + 1, follower=ledger.current.follower - 1
    )
    state = ledger_state(fixed, ledger.asset, vars_, ledger.turn_num + 1, is_final=True)
    signature = scene.alice.actor.signer(state.state_hash())
    return to_hub(scene, messages.SignedState(ledger_id, state.encode(), signature))


@refused(idle, "STATE_REFUSED")
def a_final_state_of_a_ledger_at_a_turn_that_was_signed(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.ivan.ledger(ledger_id), scene.ivan.channel(ledger_id).fixed
    state = ledger_state(fixed, ledger.asset, ledger.current, ledger.turn_num, is_final=True)
    signature = scene.alice.actor.signer(state.state_hash())
    return to_hub(scene, messages.SignedState(ledger_id, state.encode(), signature))


@refused(idle, "WRONG_SIGNER")
def a_state_of_a_ledger_that_was_never_agreed(scene: Scene) -> Said:
    """Only with our own signature is it what we agreed to before a tail was cut."""
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.ivan.ledger(ledger_id), scene.ivan.channel(ledger_id).fixed
    vars_ = replace(
        ledger.current, leader=ledger.current.leader + 9, follower=ledger.current.follower - 9
    )
    state = ledger_state(fixed, ledger.asset, vars_, 90)
    signature = scene.alice.actor.signer(state.state_hash())
    body = messages.SignedState(ledger_id, state.encode(), signature, signature)
    return to_hub(scene, body)


@refused(opened, "EQUIVOCATION_REFUSED")
def another_state_of_an_agreed_turn_of_a_ledger(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.ivan.ledger(ledger_id), scene.ivan.channel(ledger_id).fixed
    vars_ = replace(
        ledger.current, leader=ledger.current.leader + 9, follower=ledger.current.follower - 9
    )
    state = ledger_state(fixed, ledger.asset, vars_, ledger.turn_num)
    signature = scene.alice.actor.signer(state.state_hash())
    body = messages.SignedState(ledger_id, state.encode(), signature, signature)
    return to_hub(scene, body)


# --- answers ---


def with_a_proposal() -> Scene:
    """The payer moved 1 to the hub, which has not heard of it."""
    scene = opened()
    scene.alice.feed(commands.PayLedger(scene.web.ledgers[0], 1, "rent"))
    return scene


def answer(scene: Scene, turn_num: int, by: WebNode, wrong: int = 0) -> Said:
    """The hub's countersignature on the payer's candidate, or on one with other balances."""
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.alice.ledger(ledger_id), scene.alice.channel(ledger_id).fixed
    vars_ = replace(ledger.proposed, leader=ledger.proposed.leader - wrong)
    state = ledger_state(fixed, ledger.asset, vars_, turn_num)
    signature = by.actor.signer(state.state_hash())
    body = messages.LedgerCountersignature(ledger_id, turn_num, signature)
    return Said(scene.ivan, scene.alice, body)


def next_turn(scene: Scene) -> int:
    """Of the payer's proposal that waits."""
    return scene.alice.ledger(scene.web.ledgers[0]).proposed_turn


@refused(with_a_proposal, "COUNTERSIGNATURE_WRONG")
def a_countersignature_of_a_stranger(scene: Scene) -> Said:
    return answer(scene, next_turn(scene), scene.mallory)


@refused(with_a_proposal, "COUNTERSIGNATURE_WRONG")
def a_countersignature_of_the_leader_itself(scene: Scene) -> Said:
    return answer(scene, next_turn(scene), scene.alice)


@refused(with_a_proposal, "COUNTERSIGNATURE_WRONG")
def a_countersignature_of_other_balances(scene: Scene) -> Said:
    return answer(scene, next_turn(scene), scene.ivan, wrong=1)


@refused(opened, "PROPOSAL_QUEUE_EXHAUSTED")
def a_countersignature_of_a_turn_never_proposed(scene: Scene) -> Said:
    return answer(scene, next_turn(scene) + 1, scene.ivan)


@refused(opened, "PROPOSAL_QUEUE_EXHAUSTED")
def a_refusal_of_a_turn_never_proposed(scene: Scene) -> Said:
    body = messages.LedgerRefusal(scene.web.ledgers[0], next_turn(scene) + 1, "FEE_TOO_LOW", "no")
    return Said(scene.ivan, scene.alice, body)


@refused(opened, "UNEXPECTED_MESSAGE")
def a_countersignature_by_the_leader(scene: Scene) -> Said:
    body = messages.LedgerCountersignature(scene.web.ledgers[0], 9, bytes(65))
    return to_hub(scene, body)


@refused(opened, "UNEXPECTED_MESSAGE")
def a_refusal_by_the_leader(scene: Scene) -> Said:
    return to_hub(scene, messages.LedgerRefusal(scene.web.ledgers[0], 9, "X", "no"))


@refused(with_a_proposal, "UNKNOWN_CHANNEL")
def a_refusal_by_a_stranger(scene: Scene) -> Said:
    body = messages.LedgerRefusal(scene.web.ledgers[0], next_turn(scene), "FEE_TOO_LOW", "no")
    return Said(scene.mallory, scene.alice, body)


# --- requests for payment ---


def asks(scene: Scene, amount: int, request_id: str = "rent") -> Said:
    """The hub asks the payer to take so much of the hub's balance."""
    wanted = amount_to_bytes(amount)
    body = messages.LedgerPaymentRequest(scene.web.ledgers[0], wanted, request_id)
    return Said(scene.ivan, scene.alice, body)


@refused(opened, "LEDGER_FUNDS_INSUFFICIENT")
def a_request_above_the_balance(scene: Scene) -> Said:
    return asks(scene, 10**6)


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_request_for_nothing(scene: Scene) -> Said:
    return asks(scene, 0)


@refused(opened, "INVALID_LEDGER_CHANGE")
def a_request_without_an_id(scene: Scene) -> Said:
    return asks(scene, 1, "")


@refused(opened, "UNEXPECTED_MESSAGE")
def a_request_with_an_id_without_end(scene: Scene) -> Said:
    honest = asks(scene, 1)
    assert not isinstance(honest.body, bytes)
    endless = messages.encode_body(replace(honest.body, request_id="x" * 70_000))
    return Said(honest.by, honest.to, endless)


@refused(opened, "UNEXPECTED_MESSAGE")
def a_request_by_the_leader(scene: Scene) -> Said:
    return to_hub(
        scene, messages.LedgerPaymentRequest(scene.web.ledgers[0], bytes(31) + b"\1", "r")
    )


def with_a_request() -> Scene:
    """The hub asked the payer to take 1, which it proposed; nobody answered."""
    scene = opened()
    draft = Draft(scene.ivan.state, scene.ivan.context())
    pay(draft, commands.PayLedger(scene.web.ledgers[0], 1, "rent"))
    scene.ivan.take(draft.result())
    scene.web.hand_over(scene.ivan, scene.alice.actor.address)
    return scene


@refused(with_a_request, "INVALID_LEDGER_CHANGE")
def a_request_under_the_id_of_another(scene: Scene) -> Said:
    return asks(scene, 2)
