"""Objectives' names, records and reducers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import events
from protocols.crypto import keccak256
from protocols.objectives.base import (
    OBJECTIVE_REDUCERS,
    Objective,
    ObjectiveStatus,
    ObjectiveType,
    WaitingFor,
    cranked,
    created,
    newest,
    newest_round,
    objective_id,
)
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)
PEOPLE = (ALICE.address, BOB.address)
FRESH = created(events.ObjectiveCreated(FUND, "DirectFund", CHANNEL, PEOPLE), 77)


def after(objective: Objective, *facts: events.Event) -> Objective:
    for fact in facts:
        if isinstance(fact, events.ObjectiveCranked):
            objective = cranked(objective, fact, 99)
            continue
        objective = OBJECTIVE_REDUCERS[type(fact)](objective, fact)
    return objective


def test_an_objective_is_named_by_its_type_and_channel() -> None:
    assert keccak256(b"obj1|DirectFund|" + CHANNEL) == FUND
    assert objective_id(ObjectiveType.DIRECT_DEFUND, CHANNEL) != FUND
    assert objective_id(ObjectiveType.DIRECT_FUND, bytes(32)) != FUND


def test_a_new_objective_is_unapproved_and_knows_when_it_was_made() -> None:
    assert Objective(FUND, "DirectFund", CHANNEL, PEOPLE, created_ms=77, moved_ms=77) == FRESH
    assert FRESH.status == ObjectiveStatus.UNAPPROVED
    assert not FRESH.is_active


def test_only_an_approved_objective_is_active() -> None:
    approved = after(FRESH, events.ObjectiveApproved(FUND))
    assert approved.is_active
    assert not after(approved, events.ObjectiveCompleted(FUND, True)).is_active
    assert not after(approved, events.ObjectiveRejected(FUND, "no")).is_active


def test_cranks_are_counted_and_keep_the_last_wait() -> None:
    once = after(FRESH, events.ObjectiveCranked(FUND, 2, True))
    assert (once.crank_count, once.waiting) == (1, True)
    twice = after(once, events.ObjectiveCranked(FUND, 0, False))
    assert (twice.crank_count, twice.waiting) == (2, False)
    assert (FRESH.moved_ms, once.moved_ms) == (77, 99)


def test_completion_keeps_its_success_and_waits_for_nothing() -> None:
    waiting = after(FRESH, events.ObjectiveCranked(FUND, 0, True))
    done = after(waiting, events.ObjectiveCompleted(FUND, True, bytes(32)))
    assert (done.status, done.success, done.waiting) == (ObjectiveStatus.COMPLETED, True, False)


def test_a_rejection_keeps_its_reason() -> None:
    assert after(FRESH, events.ObjectiveRejected(FUND, "too dear", "X")).reason == "too dear"


def test_who_asked_and_under_which_request_is_kept() -> None:
    known = after(FRESH, events.ObjectiveParamsRecorded(FUND, ALICE.address, "r1", bytes(32)))
    assert (known.initiator, known.request_id) == (ALICE.address, "r1")


@pytest.mark.parametrize("status", [ObjectiveStatus.COMPLETED, ObjectiveStatus.REJECTED])
def test_a_crank_recorded_after_the_end_leaves_the_end(status: ObjectiveStatus) -> None:
    ended = {
        ObjectiveStatus.COMPLETED: events.ObjectiveCompleted(FUND, True),
        ObjectiveStatus.REJECTED: events.ObjectiveRejected(FUND, "no"),
    }[status]
    assert after(FRESH, ended, events.ObjectiveCranked(FUND, 1, False)).status == status


KINDS = ["DirectFund", "DirectDefund", "VirtualFund", "VirtualDefund"]
KINDS += ["Exit", "Challenge", "Defend", "Withdraw"]


def test_the_recorded_names_never_change() -> None:
    assert [kind.value for kind in ObjectiveType] == KINDS
    names = ["unapproved", "approved", "rejected", "completed"]
    assert [status.value for status in ObjectiveStatus] == names
    assert WaitingFor.NOTHING.value == "nothing"


def test_what_a_channel_needs_again_has_a_number_behind() -> None:
    kind = ObjectiveType.DEFEND
    ids = [objective_id(kind, CHANNEL, number) for number in range(3)]
    assert ids[0] == objective_id(kind, CHANNEL)
    assert ids[2] == keccak256(b"obj1|Defend|" + CHANNEL + bytes(3) + b"\x02")
    known = {found: replace(FRESH, objective_id=found) for found in ids[:2]}
    assert newest_round(known, kind, CHANNEL) == (1, known[ids[1]])
    assert newest(known, kind, CHANNEL) == known[ids[1]]
    assert newest_round({}, kind, CHANNEL) == (-1, None)


def test_an_opening_is_there_once() -> None:
    known = {FUND: FRESH, objective_id(ObjectiveType.DIRECT_FUND, CHANNEL, 1): FRESH}
    assert newest_round(known, ObjectiveType.DIRECT_FUND, CHANNEL) == (0, FRESH)
