"""Virtual channels that came to nothing leave the state; their ids stay used (M10, ADR 0044)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages, rejected
from protocols.channel import Channel, Virtual
from protocols.errors import ChannelAlreadySeen
from protocols.messages import ObjectiveRejection
from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType, objective_id
from protocols.rejected import RejectedChannels, may_be_pruned
from protocols.types import ChannelId, ObjectiveId
from tests.support.actors import ALICE, BOB
from tests.support.builders import fixed_part
from tests.support.web import Web

FUND = ObjectiveType.VIRTUAL_FUND
PRUNED = "virtual-channel-pruned"


# --- the view ---


def channel(number: int = 1) -> Channel:
    return Channel(number.to_bytes(32, "big"), fixed_part(), 0, virtual=Virtual(b"", b"l" * 32, ()))


def objective(number: int, by: bytes = ALICE.address) -> Objective:
    target = number.to_bytes(32, "big")
    return Objective(objective_id(FUND, target), FUND, target, (), initiator=by)


def many(count: int) -> RejectedChannels:
    found = RejectedChannels()
    for number in range(count):
        found.add(objective(number), channel(number), BOB.address)
    return found


def test_the_newest_are_kept_of_ours_and_of_our_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "KEPT_COUNT_MAX", 3)
    found = many(5)
    for number in range(10, 13):
        found.add(objective(number, BOB.address), channel(number), BOB.address)
    assert found.surplus() == [number.to_bytes(32, "big") for number in (0, 1)]
    found.prune(objective(0).objective_id)
    assert found.surplus() == [(1).to_bytes(32, "big")]
    assert found.pruned == {objective(0).objective_id}


def test_a_tick_prunes_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "KEPT_COUNT_MAX", 1)
    monkeypatch.setattr(rejected, "PRUNED_COUNT_MAX", 2)
    assert len(many(9).surplus()) == 2


def test_what_something_follows_from_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "KEPT_COUNT_MAX", 0)
    found = many(3)
    found.keep(objective(1).objective_id)
    assert len(found.surplus()) == 2
    found.keep_all()
    assert found.surplus() == []


@pytest.mark.parametrize(
    "other",
    [
        replace(channel(), virtual=None),
        replace(channel(), virtual=Virtual(b"", b"", (), unwinding=True)),
        replace(channel(), close_only=True),
        replace(channel(), unread=True),
    ],
    ids=["on chain", "unwound", "close-only", "told again"],
)
def test_a_channel_that_may_be_needed_is_not_pruned(
    other: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "KEPT_COUNT_MAX", 0)
    assert may_be_pruned(channel())
    assert not may_be_pruned(other)
    found = RejectedChannels()
    found.add(objective(1), other, ALICE.address)
    assert found.surplus() == []


# --- in a life ---


@pytest.fixture
def keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "KEPT_COUNT_MAX", 0)


def refused_web() -> tuple[Web, ChannelId]:
    """A channel that the payee denied: nobody guaranteed anything."""
    web = Web(1)
    web.payee.decision = type(web.payee.decision)("deny", "house rules")
    channel_id = web.open(100)
    web.settle()
    for node in web.row:
        assert web.fund_status(node, channel_id) == ObjectiveStatus.REJECTED
    return web, channel_id


def pruned_web() -> tuple[Web, ChannelId, ObjectiveId]:
    """The same, after a tick."""
    web, channel_id = refused_web()
    web.wait(1)
    return web, channel_id, objective_id(FUND, channel_id)


def proposal(web: Web) -> messages.VirtualProposal:
    """What the payer told her hub at first."""
    other = Web(1)
    other.open(100)
    body = messages.decode_body(other.payer.outbox[web.row[1].actor.address][0].body)
    assert isinstance(body, messages.VirtualProposal)
    return body


@pytest.mark.usefixtures("keeps_nothing")
def test_a_tick_takes_it_out_of_the_state_and_a_replay_does_too() -> None:
    web, channel_id, identity = pruned_web()
    for node in web.row:
        assert len(node.events_of(PRUNED)) == 1
        for state in (node.state, node.fold()):
            assert state.channels.get(channel_id) is state.objectives.get(identity) is None
            assert identity in state.rejected.pruned
        assert node.fold().digest() == node.state.digest()
    web.wait(1)
    assert len(web.payer.events_of(PRUNED)) == 1


def test_what_is_kept_is_not_pruned() -> None:
    web, channel_id, _ = pruned_web()
    assert all(node.state.channels.get(channel_id) for node in web.row)


@pytest.mark.usefixtures("keeps_nothing")
def test_its_id_is_used_once_and_who_tells_of_it_again_hears_so() -> None:
    web, channel_id, identity = pruned_web()
    hub = web.row[1]
    assert web.hears(hub, web.payer, proposal(web)) == ""
    told = messages.decode_body(hub.outbox[ALICE.address][-1].body)
    assert isinstance(told, ObjectiveRejection)
    assert (told.objective_id, told.error_code) == (identity, "CHANNEL_ALREADY_SEEN")
    assert hub.state.channels.get(channel_id) is None
    with pytest.raises(ChannelAlreadySeen):
        web.payer.feed(web.open_command(100))


@pytest.mark.usefixtures("keeps_nothing")
def test_words_about_it_that_crossed_ours_are_heard_and_change_nothing() -> None:
    web, channel_id, identity = pruned_web()
    hub, prefund = web.row[1], proposal(web)
    count = len(hub.state.channels)
    bodies = (
        ObjectiveRejection(identity, "GIVEN_UP", ""),
        messages.UnwindingRequest(channel_id, "GIVEN_UP", ""),
        messages.PostfundRenunciation(channel_id, "GIVEN_UP", ""),
        messages.VirtualState(channel_id, prefund.encoded_state, prefund.signatures),
    )
    for heard, body in enumerate(bodies, 1):
        assert web.hears(hub, web.payer, body) == ""
        assert hub.peer(ALICE.address).repeat_count == heard
    assert len(hub.state.channels) == count
    assert hub.peer(ALICE.address).fault_count == 0


@pytest.mark.usefixtures("keeps_nothing")
def test_what_was_guaranteed_stays() -> None:
    web = Web(1)
    channel_id = web.open(100)
    web.until(lambda: bool(web.row[1].events_of("ledger-update-signed")))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    web.wait(1)
    for node in web.row[:2]:
        assert web.fund_status(node, channel_id) == ObjectiveStatus.REJECTED
        assert node.state.channels.get(channel_id) is not None


@pytest.mark.usefixtures("keeps_nothing")
def test_a_cut_tail_keeps_what_was_not_pruned_yet() -> None:
    web, channel_id = refused_web()
    hub = web.row[1]
    hub.lose_tail()
    hub.feed(inputs.Tick())
    assert hub.state.channels.get(channel_id) is not None
