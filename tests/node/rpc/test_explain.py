"""Explanations: whole stories in pages, with where things stand."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest

from node.explain.casting import cast_of_story
from node.explain.runs import joined
from node.rpc import explain
from node.rpc.errors import InvalidParams
from node.rpc.explain import (
    ChannelExplainParams,
    ChannelStory,
    ObjectiveExplainParams,
)
from node.rpc.interface import NodeApi
from protocols import events
from protocols.draft import Decision
from protocols.errors import UnknownChannel, UnknownObjective
from protocols.types import amount_to_bytes, to_hex
from tests.support.recorded_nodes import World, demo
from tests.support.story_nodes import StoryNode, closed_path, of_core, recorded
from tests.support.web import Web

NOTHING = "0x" + "ee" * 32


async def story_of(node: NodeApi, channel_id: bytes, **asked: int) -> ChannelStory:
    return await explain.channel_explain(node, ChannelExplainParams(to_hex(channel_id), **asked))


async def test_a_channels_story_goes_from_the_command_to_the_payout(tmp_path: Path) -> None:
    world = demo(tmp_path, 5)
    (channel_id,) = world.alice.state.channels
    story = await story_of(recorded(world.alice), channel_id)
    world.stop()
    assert (story.kind, story.deposits, story.next_seq) == ("direct", [str(10**18), "0"], None)
    assert story.standing.status == "closed"
    names = [step.name for step in story.steps]
    assert names[0] == "objective-created"
    assert names[-1] == "transaction-mined"
    by_seq = {step.seq: step for step in story.steps}
    mined = story.steps[-1]
    path = []
    step = mined
    while step.because is not None:
        step = by_seq[step.because]
        path.append(step.name)
    assert path == ["transaction-submitted", "transaction-requested", "message-received"]
    assert step.began_by == "message"
    assert [s.what for s in story.steps if s.record_count > 1] == [
        "5 payments: 60 wei from us to payee 0xBBB6…1D94 in all, records 31 to 46; 5 receipted."
    ]
    (proposal,) = [s for s in story.steps if s.label == "proposal: prefund (turn 0)"]
    assert [link.what for link in proposal.links] == ["on the peer's disk 5 ms later"]


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_are_the_story_in_pieces(tmp_path: Path, limit: int) -> None:
    world = demo(tmp_path, 4)
    (channel_id,) = world.bob.state.channels
    node = recorded(world.bob)
    whole = await story_of(node, channel_id)
    found, from_seq = [], 0
    while True:
        page = await story_of(node, channel_id, from_seq=from_seq, limit=limit)
        assert len(page.steps) <= limit
        found += page.steps
        if page.next_seq is None:
            break
        assert page.next_seq > from_seq
        from_seq = page.next_seq
    world.stop()
    assert [(step.seq, step.last_seq) for step in found] == [
        (step.seq, step.last_seq) for step in whole.steps
    ]
    mined = [step.because for step in found if step.name == "transaction-mined"]
    assert None not in mined


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 5, 8, 50])
async def test_a_run_that_is_too_long_for_a_page_is_whole_again_when_pages_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    world = demo(tmp_path, 30)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    whole = await story_of(node, channel_id)
    monkeypatch.setattr(explain, "STORY_RECORD_COUNT_MAX", count)
    page = await story_of(node, channel_id)
    steps = list(page.steps)
    while page.next_seq is not None:
        page = await story_of(node, channel_id, from_seq=page.next_seq)
        steps += page.steps
    world.stop()
    told = joined(steps, cast_of_story(msgspec.to_builtins(page)))
    assert [(step.seq, step.last_seq, step.what) for step in told if step.run] == [
        (step.seq, step.last_seq, step.what) for step in whole.steps if step.run
    ]
    assert [step.seq for step in told] == [step.seq for step in whole.steps]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_virtual_channels_story_holds_its_guarantees(place: int) -> None:
    nodes, channel_id = closed_path()
    story = await story_of(cast(NodeApi, nodes[place]), channel_id)
    guarantees = [step for step in story.steps if "guarantee" in step.what]
    assert len(guarantees) == (4 if place == 1 else 2)
    for step in guarantees:
        (link,) = step.links
        assert link.what.startswith("countersigned")
    assert (story.kind, story.standing.status) == ("virtual", "closed")


async def test_a_ledgers_story_holds_its_updates_and_no_other_channels_messages() -> None:
    nodes, channel_id = closed_path()
    payer = nodes[0]
    (ledger_id,) = {found for found in payer.state.channels if found != channel_id}
    story = await story_of(cast(NodeApi, payer), ledger_id)
    assert story.kind == "ledger"
    assert [s.name for s in story.steps if s.name.startswith("ledger-")] == [
        "ledger-update-proposed",
        "ledger-update-confirmed",
    ] * 2
    assert story.standing.next_steps[0].startswith("tally ledger pay 0x")


async def test_an_objectives_story_ends_with_it(tmp_path: Path) -> None:
    world = demo(tmp_path, 4)
    opening, closing = world.bob.state.objectives
    node = recorded(world.bob)
    opened = await explain.objective_explain(node, ObjectiveExplainParams(to_hex(opening)))
    closed = await explain.objective_explain(node, ObjectiveExplainParams(to_hex(closing)))
    world.stop()
    assert opened.steps[0].name == "message-received"
    assert opened.steps[-1].name == "objective-cranked"
    assert not [step for step in opened.steps if step.name.startswith(("voucher", "channel-con"))]
    assert opened.steps[-1].seq < closed.steps[0].seq
    assert closed.steps[0].what.endswith("came a signed state: final state (turn 3).")
    assert "withdraw-completed" in [step.name for step in closed.steps]
    assert opened.objective_id == to_hex(opening)


async def test_a_refused_proposal_says_by_which_name_and_what_to_do() -> None:
    web = Web(1)
    web.payee.decision = Decision("deny", "house rules")
    channel_id = web.open(1_000)
    web.settle()
    node = cast(NodeApi, of_core(web.payer))
    story = await story_of(node, channel_id)
    assert story.standing.status == "rejected"
    assert story.standing.failures[0].name == "POLICY_DENIED"
    assert "house rules" in story.standing.failures[0].reason
    assert story.standing.failures[0].seq is not None


async def test_what_was_never_a_channel_still_has_the_story_of_its_refusal(tmp_path: Path) -> None:
    world = World(tmp_path)
    received = events.MessageReceived(
        bytes(32), "0x" + "bb" * 20, b"\x77" * 32, 9, "ChannelProposal"
    )
    world.alice.record(received)
    found = await explain.objective_explain(
        recorded(world.alice), ObjectiveExplainParams("0x" + "77" * 32)
    )
    world.stop()
    assert (found.channel_id, found.kind, len(found.steps)) == (None, "unknown", 1)


async def test_a_story_is_told_as_of_any_moment(tmp_path: Path) -> None:
    world = demo(tmp_path, 5)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    story = await story_of(node, channel_id, at=35)
    assert (story.standing.status, story.at.seq) == ("open", 35)
    assert story.steps[-1].last_seq <= 35
    world.stop()


async def test_ids_of_nothing_are_refused() -> None:
    node = cast(NodeApi, closed_path()[0][0])
    with pytest.raises(UnknownChannel):
        await explain.channel_explain(node, ChannelExplainParams(NOTHING))
    with pytest.raises(UnknownObjective):
        await explain.objective_explain(node, ObjectiveExplainParams(NOTHING))
    objective_id, *_ = node.state.objectives
    with pytest.raises(UnknownChannel):
        await explain.channel_explain(node, ChannelExplainParams(to_hex(objective_id)))
    payment_id = to_hex(amount_to_bytes(3))
    with pytest.raises(UnknownObjective):
        await explain.objective_explain(node, ObjectiveExplainParams(payment_id))


async def test_a_story_may_begin_at_a_moment(tmp_path: Path) -> None:
    world = demo(tmp_path, 4)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    by_seq = await story_of(node, channel_id, from_seq=12)
    by_moment = await explain.channel_explain(
        node, ChannelExplainParams(to_hex(channel_id), from_at="12")
    )
    assert by_moment.steps == by_seq.steps
    with pytest.raises(InvalidParams):
        await explain.channel_explain(
            node, ChannelExplainParams(to_hex(channel_id), from_seq=12, from_at="12")
        )
    world.stop()


async def test_many_records_are_read_in_slices(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    for number in range(60):
        world.pay(channel_id, 1, number)
    node = StoryNode(world.alice.log, world.alice.state)
    story = await story_of(cast(NodeApi, node), channel_id)
    world.stop()
    (run,) = [step for step in story.steps if step.record_count > 1]
    assert run.record_count == 120
