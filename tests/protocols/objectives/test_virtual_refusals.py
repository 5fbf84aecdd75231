"""Refusals of virtual channels: the payer hears them at once, and answering stays cheap."""

from __future__ import annotations

import pytest

from protocols import commands, messages, rejections
from protocols.objectives import refusals, virtual_rules
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from tests.support.web import Web


@pytest.mark.parametrize("hops", [1, 2, 4])
@pytest.mark.parametrize("place", [1, -1])
@pytest.mark.parametrize("code", ["TOO_MANY_PROPOSALS", "TOO_MANY_STRANGERS"])
def test_a_payer_hears_at_once_that_somebody_has_too_many_proposals(
    hops: int, place: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = Web(hops)
    node = web.row[place]
    bound = "OPENING_COUNT_MAX" if code == "TOO_MANY_PROPOSALS" else "STRANGERS_OPENING_COUNT_MAX"
    if code == "TOO_MANY_STRANGERS":
        for other in web.row:
            other.state.agenda.proven.clear()
        for other in web.row:
            if other is not node:
                other.state.agenda.proven.update(web.nodes)
    else:
        for other in web.row:
            if other is not node:
                monkeypatch.setattr(other.state.agenda, "opening_count_for", lambda *_: -1)
    monkeypatch.setattr(virtual_rules, bound, 0)
    channel_id = web.open(1_000)
    web.settle()
    (rejected,) = web.payer.events_of("objective-rejected")
    assert rejected.error_code == code
    assert rejected.reason.startswith(f"hop {web.row.index(node)}: ")
    for other in web.row:
        assert web.fund_status(other, channel_id) in (ObjectiveStatus.REJECTED, "")
    assert web.changes() == [0] * len(web.row)
    web.nothing_was_dropped()


def refuse_many(web: Web, count: int) -> None:
    """The payer opens so many channels that the second hub refuses for its fee."""
    web.row[2].fee = 1_000
    for number in range(count):
        web.open(10, b"r%03d" % number)
        web.settle()


def test_who_brings_what_another_proposed_badly_is_not_counted_as_repeating_itself() -> None:
    web = Web(2)
    refuse_many(web, 20)
    first = web.row[1].actor.address
    assert len(web.payer.events_of("objective-rejected")) == 20
    assert web.row[2].peer(first).repeat_count == 0
    assert web.row[2].peer(first).fault_count == 0


def test_who_proposes_badly_for_itself_repeats_itself() -> None:
    web = Web(1)
    web.row[1].fee = 1_000
    for number in range(3):
        web.open(10, b"r%03d" % number)
        web.settle()
    assert web.row[1].peer(web.payer.actor.address).repeat_count == 3


def test_a_neighbour_without_a_funded_channel_repeats_itself_for_whomever_it_speaks() -> None:
    web = Web(2)
    web.row[2].state.agenda.proven.clear()
    refuse_many(web, 3)
    assert web.row[2].peer(web.row[1].actor.address).repeat_count == 3


def test_answers_to_a_neighbour_are_bounded_and_a_replay_counts_them_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejections, "NEIGHBOUR_REJECTED_COUNT_MAX", 5)
    web = Web(2)
    lenient = web.row[1].state.agenda.rejections
    monkeypatch.setattr(lenient, "is_neighbour_full", lambda *_: False)
    refuse_many(web, 7)
    second, first = web.row[2], web.row[1].actor.address
    assert len(web.payer.events_of("objective-rejected")) == 5
    assert second.peer(first).fault_count == 2
    assert second.fold().agenda.rejections.is_neighbour_full(first, 0)


def test_who_leaves_answers_unacknowledged_gets_no_more_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "PENDING_ANSWER_COUNT_MAX", 2)
    web = Web(1)
    hub = web.row[1]
    hub.fee = 1_000
    for number in range(3):
        web.open(10, b"r%03d" % number)
    bodies = [messages.decode_body(sent.body) for sent in web.payer.outbox[hub.actor.address]]
    heard = [web.hears(hub, web.payer, body) for body in bodies]
    assert heard == ["", "", "FEE_TOO_LOW"]
    assert len(hub.outbox[web.payer.actor.address]) == 2


def crossed(web: Web) -> tuple[bytes, bytes]:
    """The payer gives up what the second hub has refused already; the first hub and the name."""
    web.row[2].fee = 1_000
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, web.open(1_000))
    first, second = (node.actor.address for node in web.row[1:3])
    web.hand_over(web.payer, first)
    web.deliver(web.row[1], second)
    web.payer.feed(commands.RejectObjective(identity, "changed my mind"))
    web.hand_over(web.payer, first)
    # On a new connection the hub first tells what it has of ours, then says again what it said.
    web.hand_over(web.row[2], first)
    return first, identity


def test_a_word_that_crosses_our_refusal_is_nobodys_fault() -> None:
    web = Web(2)
    first, _ = crossed(web)
    web.hand_over(web.row[1], web.row[2].actor.address)
    web.settle()
    web.nothing_was_dropped()
    assert web.row[2].peer(first).fault_count == 0
    assert web.changes() == [0] * len(web.row)


def test_it_crosses_once_and_after_a_replay_too() -> None:
    web = Web(2)
    first, identity = crossed(web)
    second = web.row[2]
    assert second.state.agenda.rejections.may_cross(first, identity)
    assert second.fold().agenda.rejections.may_cross(first, identity)
    assert not second.state.agenda.rejections.may_cross(web.payee.actor.address, identity)
    web.settle()
    body = messages.ObjectiveRejection(identity, "OWNER_REJECTED", "once more")
    assert web.hears(second, web.row[1], body).startswith("UNKNOWN_OBJECTIVE")
    assert second.peer(first).fault_count == 1
