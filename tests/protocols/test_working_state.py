"""A crank's own state: reads fall through, writes stay, and nothing is kept that nobody reads."""

from __future__ import annotations

import pytest

from protocols import events, inputs
from protocols.crank import crank
from protocols.node_state import apply
from protocols.objectives.base import Objective
from protocols.working_state import Overlay, WorkingState
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL
from tests.support.network import opened
from tests.support.web import Web

OBJECTIVE = b"\x0b" * 32


def test_an_overlay_reads_through_and_keeps_its_writes() -> None:
    base = {"a": 1, "b": 2}
    overlay: Overlay[str, int] = Overlay(base)
    overlay["b"] = 20
    overlay["c"] = 30
    assert [overlay.get(key) for key in "abcd"] == [1, 20, 30, None]
    assert (overlay["a"], overlay["c"]) == (1, 30)
    assert list(overlay) == ["a", "b", "c"]
    assert len(overlay) == 3
    assert base == {"a": 1, "b": 2}
    with pytest.raises(KeyError):
        overlay["d"]


def test_an_overlay_forgets_what_it_deletes_and_its_base_does_not() -> None:
    base = {"a": 1, "b": 2}
    overlay: Overlay[str, int] = Overlay(base)
    overlay["c"] = 3
    for key in ("a", "c"):
        del overlay[key]
        assert overlay.get(key) is None
        with pytest.raises(KeyError):
            overlay[key]
    assert list(overlay) == ["b"]
    overlay["a"] = 10
    assert (overlay["a"], base) == (10, {"a": 1, "b": 2})


def test_it_has_views_of_its_own_that_begin_empty() -> None:
    bob = opened().bob
    bob.state.unreceipted.add(CHANNEL)
    state = WorkingState(bob.state)
    assert (state.unreceipted, state.unapproved) == (set(), {})
    assert (state.agenda.active, state.carried.shares) == ({}, {})
    state.unreceipted.add(OBJECTIVE)
    assert state.unreceipted == {OBJECTIVE}
    assert bob.state.unreceipted == {CHANNEL}
    with pytest.raises(AttributeError):
        getattr(state, "misspelt")  # noqa: B009  mypy knows that there is none


def test_the_node_is_that_of_the_state_below_until_the_crank_changes_it() -> None:
    bob = opened().bob
    state = WorkingState(bob.state)
    assert state.node is bob.state.node
    apply(state, events.LogTailCut(1, 2, "x"), 0)
    assert (state.node.tail_cut_count, bob.state.node.tail_cut_count) == (1, 0)


def test_an_agenda_holds_what_the_crank_began() -> None:
    agenda = WorkingState(opened().bob.state).agenda
    begun = Objective(OBJECTIVE, "VirtualFund", CHANNEL, (), status="approved", initiator=b"x" * 20)
    agenda.update(begun, ALICE.address)
    assert list(agenda.active) == [OBJECTIVE]
    ended = Objective(OBJECTIVE, "VirtualFund", CHANNEL, (), status="rejected")
    agenda.update(ended, ALICE.address)
    assert not agenda.active


def test_what_nobody_reads_is_not_kept_and_leaves_no_trace_in_the_next_crank() -> None:
    web = Web(1)
    channel_id = web.opened()
    hub = web.row[1]
    channel, (objective,) = hub.channel(channel_id), hub.state.objectives_of(channel_id)
    state = WorkingState(hub.state)
    state.carried.take(channel)
    state.carried.opened(channel)
    state.carried.release(channel_id)
    state.rejected.add(objective, channel, ALICE.address)
    state.rejected.keep(objective.objective_id)
    state.rejected.prune(objective.objective_id)
    state.rejected.keep_all()
    rejections = state.agenda.rejections
    rejections.refuse(ALICE.address, OBJECTIVE, 1)
    rejections.add(ALICE.address, ALICE.address, 1)
    rejections.hear(ALICE.address, OBJECTIVE)
    assert not rejections.may_cross(ALICE.address, OBJECTIVE)
    after = WorkingState(hub.state)
    assert (after.carried.shares, after.carried.count, after.carried.fees_earned) == ({}, {}, {})
    assert after.rejected.pruned == set()
    assert list(hub.state.carried.shares) == [channel_id]
    assert crank(hub.state, inputs.Tick(), hub.context()).events == ()
