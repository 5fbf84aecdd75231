"""A proposal waits for the owner's word as long as it may, and its proposer hears what became."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import approvals, commands, events, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.draft import Context, Decision, Draft
from protocols.effects import SendMessage
from protocols.errors import ObjectiveNotWaitingForApproval
from protocols.messages import decode_body
from protocols.node_state import NodeState
from protocols.nonce import channel_nonce
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.virtual_errors import CapacityExceeded
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CHANNEL,
    fixed_part,
    open_command,
    proposal,
    state,
)
from tests.support.carried_channels import PATH, Folded
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
TIMEOUT_MS = 86_400_000


def asked() -> CoreNode:
    """BOB's node, whose owner is asked about ALICE's channel."""
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    return bob


def test_what_nobody_answered_in_time_is_rejected_and_the_proposer_told() -> None:
    bob = asked()
    bob.now_ms += TIMEOUT_MS - 1
    assert Playbook(bob) >> inputs.Tick()
    bob.now_ms += 1
    assert (
        Playbook(bob)
        >> inputs.Tick()
        << "objective-rejected, message-sent, send ObjectiveRejection"
        >> inputs.Tick()
    )
    assert status(bob.channel()) == ChannelStatus.REJECTED
    assert "nobody approved it within 86400 s" in bob.objective(ObjectiveType.DIRECT_FUND).reason
    (sent,) = bob.outbox[ALICE.address]
    told = decode_body(sent.body)
    assert isinstance(told, messages.ObjectiveRejection)
    assert told.error_code == "APPROVAL_EXPIRED"


def test_the_proposers_objective_ends_when_ours_expired() -> None:
    network = Network(verdict="ask")
    network.alice.feed(open_command())
    network.settle()
    network.wait(TIMEOUT_MS)
    network.tick()
    network.settle()
    ended = network.alice.objective(ObjectiveType.DIRECT_FUND)
    assert ended.status == ObjectiveStatus.REJECTED
    assert "nobody approved it" in ended.reason


def test_an_approval_that_comes_too_late_is_refused() -> None:
    bob = asked()
    bob.now_ms += TIMEOUT_MS
    bob.feed(inputs.Tick())
    with pytest.raises(ObjectiveNotWaitingForApproval):
        bob.feed(commands.ApproveObjective(FUND))


def test_what_was_approved_or_rejected_never_expires() -> None:
    for word in (commands.ApproveObjective(FUND), commands.RejectObjective(FUND)):
        bob = asked()
        bob.feed(word)
        assert not bob.state.unapproved
        bob.now_ms += TIMEOUT_MS
        bob.feed(inputs.Tick())
        assert len(bob.events_of("objective-rejected")) <= 1
        reasons = [event.error_code for event in bob.events_of("objective-rejected")]
        assert "APPROVAL_EXPIRED" not in reasons


def test_what_waits_is_known_after_a_replay() -> None:
    bob = asked()
    assert bob.fold().unapproved == bob.state.unapproved == {FUND: bob.now_ms}


def test_one_tick_ends_a_bounded_number_and_the_next_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(approvals, "EXPIRED_COUNT_MAX", 2)
    bob = CoreNode(BOB, verdict="ask")
    for number in range(3):
        nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, number.to_bytes(4, "big"))
        bob.feed(Said(ALICE, proposal(replace(state(0), fixed=fixed_part(channel_nonce=nonce)))))
    bob.now_ms += TIMEOUT_MS
    counts = [len(bob.feed(inputs.Tick()).effects) for _ in range(3)]
    assert counts == [2, 1, 0]


def terms(now_ms: int) -> Context:
    return Context(now_ms, IVAN.signer, IVAN.address, 3_600, lambda proposal: Decision("ask"))


def expired(folded: Folded) -> list[SendMessage]:
    draft = Draft(folded.state, terms(TIMEOUT_MS))
    approvals.expire(draft)
    return [effect for effect in draft.effects if isinstance(effect, SendMessage)]


def test_an_intermediary_tells_the_neighbour_who_proposed() -> None:
    folded = Folded(IVAN.address)
    folded.propose(1, 100)
    (sent,) = expired(folded)
    assert sent.peer == PATH[0]


def test_a_virtual_channel_may_be_rejected_until_its_postfund_is_ours() -> None:
    folded = Folded(IVAN.address)
    identity = folded.propose(1, 100)
    draft = Draft(folded.state, terms(0))
    assert approvals.may_reject(draft, folded.state.objectives[identity])
    folded.apply(events.ObjectiveApproved(identity))
    objective = folded.state.objectives[identity]
    assert approvals.may_reject(draft, objective)
    postfund = (objective.channel_id, 1, bytes(32), IVAN.address, bytes(65), False)
    encoded = replace(folded.state.channels[objective.channel_id].turns[0], turn_num=1)
    known = folded.state.channels[objective.channel_id]
    folded.state.channels[objective.channel_id] = replace(known, turns=(*known.turns, encoded))
    folded.apply(events.StateSigned(*postfund))
    assert not approvals.may_reject(draft, objective)


def test_the_owner_cannot_approve_what_is_above_the_nodes_limits_by_now() -> None:
    folded = Folded(IVAN.address)
    objectives = [folded.state.objectives[folded.propose(number, 60)] for number in (1, 2)]
    limited = replace(terms(0), is_hub=True, capacity=lambda asset: 100)
    approvals.require_room(Draft(folded.state, limited), objectives[1])
    folded.apply(events.ObjectiveApproved(objectives[0].objective_id))
    with pytest.raises(CapacityExceeded):
        approvals.require_room(Draft(folded.state, limited), objectives[1])


def test_a_channel_that_the_chain_funds_needs_no_room() -> None:
    bob = asked()
    draft = Draft(bob.state, replace(terms(0), exposure_max=lambda asset: 0))
    approvals.require_room(draft, bob.objective(ObjectiveType.DIRECT_FUND))


def test_a_state_without_proposals_has_nothing_to_expire() -> None:
    draft = Draft(NodeState(), terms(TIMEOUT_MS))
    approvals.expire(draft)
    assert not draft.events
