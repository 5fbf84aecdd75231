"""Objectives of leaving are begun once at a time, approved, under a number each."""

from __future__ import annotations

from protocols.draft import Draft
from protocols.objectives.base import ObjectiveType, newest_round
from protocols.objectives.leaving import begin, complete, under_way
from tests.support.builders import CHANNEL
from tests.support.network import opened

KIND = ObjectiveType.DEFEND


def test_one_is_under_way_at_a_time_and_the_next_gets_another_id() -> None:
    alice = opened().alice
    draft = Draft(alice.state, alice.context())
    channel = alice.channel()
    first = begin(draft, KIND, channel)
    assert begin(draft, KIND, channel) == first
    found = under_way(draft, KIND, CHANNEL)
    assert found is not None
    assert (found.objective_id, found.initiator) == (first, alice.actor.address)
    complete(draft, found, success=False)
    assert under_way(draft, KIND, CHANNEL) is None
    second = begin(draft, KIND, channel, "r1", b"\x01" * 32)
    assert second != first
    number, newest = newest_round(draft.state.objectives, KIND, CHANNEL)
    assert number == 1
    assert newest is not None
    assert newest.request_id == "r1"
