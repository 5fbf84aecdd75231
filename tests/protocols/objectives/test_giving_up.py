"""Giving up a virtual channel that is not open: who may, who hears of it, what stays."""

from __future__ import annotations

import pytest

from protocols import commands, messages
from protocols.draft import Draft
from protocols.errors import ObjectiveNotWaitingForApproval
from protocols.messages import ObjectiveRejection, UnwindingRequest, decode_body
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.objectives.giving_up import fund_id, may_abandon, may_give_up, with_hop
from protocols.types import ChannelId
from protocols.virtual_paths import is_agreed, virtual_of
from tests.support.web import Web, WebNode


def rejection(channel_id: ChannelId, reason: str = "no") -> ObjectiveRejection:
    return ObjectiveRejection(objective_id(ObjectiveType.VIRTUAL_FUND, channel_id), "ANY", reason)


def reject_command(channel_id: ChannelId) -> commands.RejectObjective:
    return commands.RejectObjective(objective_id(ObjectiveType.VIRTUAL_FUND, channel_id), "changed")


def draft(node: WebNode) -> Draft:
    return Draft(node.state, node.context())


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_any_owner_may_give_up_before_its_postfund_and_all_hear_why(place: int) -> None:
    web = Web(2)
    channel_id = web.open()
    web.until(lambda: all(channel_id in node.state.channels for node in web.row))
    web.row[place].feed(reject_command(channel_id))
    web.settle()
    for node in web.row:
        assert web.fund_status(node, channel_id) == ObjectiveStatus.REJECTED
        assert web.fund_reason(node, channel_id) == f"hop {place}: changed"
    assert web.changes() == [0, 0, 0, 0]
    web.nothing_was_dropped()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nobody_gives_an_open_channel_up(place: int) -> None:
    web = Web(1)
    channel_id = web.opened()
    with pytest.raises(ObjectiveNotWaitingForApproval):
        web.row[place].feed(reject_command(channel_id))
    assert not may_give_up(draft(web.row[place]), web.row[place].channel(channel_id))


def test_a_rejection_after_the_guarantee_is_a_wish_and_no_end() -> None:
    web = Web(1)
    channel_id = web.open()
    hub = web.row[1]
    web.until(lambda: is_agreed(web.payer.state, web.ledgers[0], channel_id))
    assert not may_abandon(draft(web.payer), web.payer.channel(channel_id))
    assert web.hears(web.payer, hub, rejection(channel_id)) == ""
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.APPROVED
    assert virtual_of(web.payer.channel(channel_id)).unwinding
    assert is_agreed(web.payer.state, web.ledgers[0], channel_id)


def test_a_rejection_of_an_open_channel_is_dropped() -> None:
    web = Web(1)
    channel_id = web.opened()
    assert web.hears(web.payer, web.row[1], rejection(channel_id)) == "STATE_REFUSED"


def test_who_is_no_link_rejects_nothing() -> None:
    web = Web(2)
    channel_id = web.open()
    assert web.hears(web.payer, web.row[2], rejection(channel_id)) == "UNEXPECTED_MESSAGE"
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.APPROVED


def test_what_is_said_of_a_channel_that_was_rejected_changes_nothing() -> None:
    web = Web(1)
    channel_id = web.open()
    hub = web.row[1]
    web.until(lambda: channel_id in hub.state.channels)
    assert web.hears(hub, web.payer, rejection(channel_id)) == ""
    count = len(hub.outbox.get(web.payer.actor.address, []))
    assert web.hears(hub, web.payer, rejection(channel_id)) == ""
    assert web.hears(hub, web.payer, UnwindingRequest(channel_id, "X", "no")) == ""
    proposal = decode_body(web.payer.outbox[web.payee.actor.address][0].body)
    assert isinstance(proposal, messages.VirtualProposal)
    assert len(hub.outbox.get(web.payer.actor.address, [])) == count


def test_a_wish_is_told_to_all_but_who_had_it() -> None:
    web = Web(1)
    channel_id = web.open()
    hub = web.row[1]
    web.until(lambda: is_agreed(hub.state, web.ledgers[0], channel_id))
    before = {to: len(sent) for to, sent in hub.outbox.items()}
    web.hears(hub, web.payer, UnwindingRequest(channel_id, "X", "no"))
    told = {
        to: [type(decode_body(one.body)).__name__ for one in sent[before.get(to, 0) :]]
        for to, sent in hub.outbox.items()
    }
    assert "UnwindingRequest" in told[web.payee.actor.address]
    assert "UnwindingRequest" not in told[web.payer.actor.address]


def test_a_reason_names_the_hop_once() -> None:
    assert with_hop(2, "no funds") == "hop 2: no funds"
    assert with_hop(1, "hop 2: no funds") == "hop 2: no funds"


def test_the_objective_is_the_one_that_opens() -> None:
    web = Web(0)
    channel_id = web.open()
    expected = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
    assert fund_id(web.payer.channel(channel_id)) == expected
