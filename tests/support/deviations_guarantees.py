"""Deviations in ledgers that a leader truly signs, and answers that take answers back (M8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from protocols import commands, messages
from protocols.ledger import MOVE, NO_TARGET, REMOVE, Change, after, ledger_state
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.virtual_paths import addition, removal_by_final, removal_by_unwinding
from tests.support.deviations import (
    DEPOSIT,
    PAID,
    Corpus,
    Imposed,
    Said,
    Scene,
    before_the_left_guarantee,
    closed,
    half_open,
    offered,
    opened,
    opened_led_from_the_right,
    prefunded,
)
from tests.support.deviations_ledger import add, ends

GUARANTEES = Corpus()
refused = GUARANTEES.refused


def imposed(scene: Scene, change: Change, place: int = 0) -> Imposed:
    """The ledger's leader signs it against all rules."""
    ledger_id = scene.web.ledgers[place]
    pair = scene.web.row[place : place + 2]
    leader, follower = pair if pair[0].channel(ledger_id).my_index == 0 else pair[::-1]
    return Imposed(leader, follower, ledger_id, change)


@refused(opened, "LEDGER_BALANCE_FALLS")
def a_move_that_the_follower_did_not_ask_for(scene: Scene) -> Imposed:
    payer, hub = ends(scene)
    return imposed(scene, Change(MOVE, NO_TARGET, 10, hub, payer))


@refused(opened, "LEDGER_BALANCE_FALLS")
def a_move_under_a_request_that_was_never_made(scene: Scene) -> Imposed:
    payer, hub = ends(scene)
    return imposed(scene, Change(MOVE, NO_TARGET, 10, hub, payer, request_id="rent"))


@refused(opened, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_for_a_channel_nobody_knows(scene: Scene) -> Imposed:
    return imposed(scene, add(scene))


@refused(opened, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_for_the_ledger_itself(scene: Scene) -> Imposed:
    return imposed(scene, add(scene, target=scene.web.ledgers[0]))


def with_a_second_left_ledger() -> Scene:
    """Payer and hub have two ledgers; one was chosen for the channel."""
    scene = before_the_left_guarantee()
    scene.web.ledgers.append(scene.web.add_ledger(0, b"2nd."))
    return scene


@refused(with_a_second_left_ledger, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_in_another_ledger_of_the_pair(scene: Scene) -> Imposed:
    change = addition(scene.channel(scene.alice), 0)
    return Imposed(scene.alice, scene.ivan, scene.web.ledgers[2], change)


@refused(closed, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_for_a_channel_that_is_over(scene: Scene) -> Imposed:
    return imposed(scene, addition(scene.channel(scene.alice), 0))


# --- removals ---


@refused(opened, "REMOVAL_NOT_ALLOWED")
def a_removal_without_a_final_state(scene: Scene) -> Imposed:
    added = addition(scene.channel(scene.alice), 0)
    return imposed(scene, replace(added, kind=REMOVE, left_amount=DEPOSIT, fee=0))


@refused(opened, "REMOVAL_NOT_ALLOWED")
def a_removal_with_the_fee_after_the_channel_opened(scene: Scene) -> Imposed:
    """Unwinding: the payer would take back what it pays."""
    return imposed(scene, removal_by_unwinding(scene.channel(scene.alice), 0))


@refused(offered, "REMOVAL_NOT_ALLOWED")
def a_removal_by_a_final_state_that_only_the_payer_signed(scene: Scene) -> Imposed:
    channel = scene.channel(scene.alice)
    (final,) = [turn for turn in channel.turns if turn.is_final]
    return imposed(scene, removal_by_final(channel, 0, final))


@refused(opened_led_from_the_right, "REMOVAL_NOT_ALLOWED")
def a_removal_that_gives_right_all_of_an_open_channel(scene: Scene) -> Imposed:
    added = addition(scene.channel(scene.alice), 0)
    return imposed(scene, replace(added, kind=REMOVE, left_amount=0, fee=0))


def finally_signed() -> Scene:
    """All signed the final state and know it; the guarantees still stand."""
    scene = offered()
    alice, ivan = scene.alice, scene.ivan
    scene.web.hand_over(alice, scene.bob.actor.address)
    scene.web.hand_over(scene.bob, ivan.actor.address)
    return scene


@refused(finally_signed, "REMOVAL_NOT_ALLOWED")
def a_removal_by_another_split_than_the_final_states(scene: Scene) -> Imposed:
    added = addition(scene.channel(scene.alice), 0)
    split = DEPOSIT - PAID + 1
    return imposed(scene, replace(added, kind=REMOVE, left_amount=split, fee=0))


@refused(half_open, "REMOVAL_NOT_ALLOWED")
def an_unwinding_before_the_hub_renounced(scene: Scene) -> Imposed:
    return imposed(scene, removal_by_unwinding(scene.channel(scene.alice), 0))


# --- guarantees that are not what was agreed ---


def guarantee_with(**changes: Any) -> Callable[[Scene], Imposed]:
    """The left guarantee of a channel that is being opened, with something else in it."""

    def crime(scene: Scene) -> Imposed:
        return imposed(scene, replace(addition(scene.channel(scene.alice), 0), **changes))

    return crime


WRONG_GUARANTEES: dict[str, dict[str, Any]] = {
    "a_guarantee_that_is_too_small": {"amount": DEPOSIT - 1, "left_amount": DEPOSIT - 1},
    "a_guarantee_that_is_too_large": {"amount": DEPOSIT + 1, "left_amount": DEPOSIT + 1},
    "a_guarantee_that_right_pays_a_part_of": {"left_amount": DEPOSIT - 1},
    "a_guarantee_with_less_of_a_fee": {"fee": 0},
    "a_guarantee_with_more_of_a_fee": {"fee": 2},
    "a_guarantee_under_a_request": {"request_id": "rent"},
}
"""What a leader may write into a guarantee that was agreed otherwise."""

for _name, _changes in WRONG_GUARANTEES.items():
    _crime = guarantee_with(**_changes)
    _crime.__name__ = _name
    refused(before_the_left_guarantee, "PROPOSAL_NOT_EXPECTED")(_crime)


@refused(before_the_left_guarantee, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_the_other_way_round(scene: Scene) -> Imposed:
    added = addition(scene.channel(scene.alice), 0)
    swapped = replace(added, left=added.right, right=added.left, left_amount=0, fee=0)
    return imposed(scene, swapped)


@refused(prefunded, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_before_the_whole_prefund(scene: Scene) -> Imposed:
    return imposed(scene, addition(scene.channel(scene.ivan), 1), 1)


@refused(before_the_left_guarantee, "GUARANTEE_MISSING")
def a_right_guarantee_before_the_left(scene: Scene) -> Imposed:
    return imposed(scene, addition(scene.channel(scene.bob), 1), 1)


def given_up() -> Scene:
    """The hub's owner gave the channel up; its right ledger is led by the payee."""
    scene = before_the_left_guarantee()
    channel_id = scene.channel_id
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
    scene.ivan.feed(commands.RejectObjective(identity))
    return scene


@refused(given_up, "PROPOSAL_NOT_EXPECTED")
def a_guarantee_for_a_channel_that_was_given_up(scene: Scene) -> Imposed:
    return imposed(scene, addition(scene.channel(scene.alice), 0))


# --- answers that take an answer back ---


def with_a_refused_proposal() -> Scene:
    """The hub refused a guarantee, which the payer takes back behind it."""
    scene = opened()
    scene.utter(imposed(scene, add(scene)))
    scene.web.hand_over(scene.ivan, scene.alice.actor.address)
    return scene


@refused(with_a_refused_proposal, "PROPOSAL_QUEUE_EXHAUSTED")
def a_countersignature_of_a_turn_that_was_refused(scene: Scene) -> Said:
    ledger_id = scene.web.ledgers[0]
    ledger, fixed = scene.alice.ledger(ledger_id), scene.alice.channel(ledger_id).fixed
    proposal = ledger.queue[0]
    vars_ = after(ledger.current, proposal.change, fixed)
    state = ledger_state(fixed, ledger.asset, vars_, proposal.turn_num)
    assert state.state_hash() == proposal.state_hash
    signature = scene.ivan.actor.signer(proposal.state_hash)
    body = messages.LedgerCountersignature(ledger_id, proposal.turn_num, signature)
    return Said(scene.ivan, scene.alice, body)


@refused(with_a_refused_proposal, "PROPOSAL_QUEUE_EXHAUSTED")
def a_refusal_of_the_inverse(scene: Scene) -> Said:
    """It would bind nobody: what is undone must be undone."""
    ledger_id = scene.web.ledgers[0]
    turn_num = scene.alice.ledger(ledger_id).proposed_turn
    body = messages.LedgerRefusal(ledger_id, turn_num, "FEE_TOO_LOW", "no")
    return Said(scene.ivan, scene.alice, body)
