"""Where a channel stands, and what its owner can type."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from node.explain.standing import _STATUSES, channel_standing, failure_of
from node.explain.story import Cast
from protocols import commands
from protocols.channel import ChannelStatus
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, chain_log
from tests.support.network import opened
from tests.support.recorded_nodes import RecordedNode, World
from tests.support.story_nodes import StoryNode


def standing(node: RecordedNode, channel_id: bytes) -> tuple[str, str, list[str]]:
    story = StoryNode(node.log, node.state)
    objectives = [
        (node.state.objectives[found], story.waiting_for(found)) for found in node.state.objectives
    ]
    channel = node.state.channels[channel_id]
    found = channel_standing(channel, story.cast(channel_id), objectives, [])
    return found.status, found.what, found.next_steps


def test_an_open_channel_can_be_paid_in_by_the_payer_and_closed_by_both(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    name = f"0x{channel_id.hex()[:4]}…{channel_id.hex()[-4:]}"
    assert standing(world.alice, channel_id) == (
        "open",
        "It is open.",
        [f"tally pay {name} AMOUNT", f"tally close {name}"],
    )
    world.pay(channel_id, 5, 1)
    assert standing(world.bob, channel_id) == (
        "open",
        "It is open; 5 wei of 1 ETH was paid.",
        [f"tally close {name}"],
    )
    world.close_channel(channel_id)
    assert standing(world.alice, channel_id)[2] == []
    world.stop()


def test_what_is_waited_for_is_said(tmp_path: Path) -> None:
    world = World(tmp_path)
    entropy = b"\x01\x02\x03\x04"
    command = commands.OpenChannel(BOB.address, ZERO_ADDRESS, 9, 0, 86_400, entropy)
    world.alice.take(command)
    (channel_id,) = world.alice.state.channels
    state, what, steps = standing(world.alice, channel_id)
    assert (state, steps) == ("proposed", [])
    assert "waits for the peer to agree" in what
    world.stop()


def test_a_proposal_that_asks_for_our_word_names_both_answers(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    node = StoryNode(world.bob.log, world.bob.state)
    (objective,) = (world.bob.state.objectives[found] for found in world.bob.state.objectives)
    asked = replace(objective, status="unapproved")
    channel = world.bob.state.channels[channel_id]
    found = channel_standing(channel, node.cast(channel_id), [(asked, "approval")], [])
    assert [step.split()[1] for step in found.next_steps[:2]] == ["approve", "reject"]
    assert found.waiting[0].what == "your approval: tally approve"
    world.stop()


def test_a_close_only_channel_is_not_paid_in(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    node = StoryNode(world.alice.log, world.alice.state)
    channel = replace(world.alice.state.channels[channel_id], close_only=True)
    found = channel_standing(channel, node.cast(channel_id), [], [])
    assert [step.split()[1] for step in found.next_steps] == ["close"]
    assert "only be closed" in found.what
    world.stop()


def test_a_forgotten_channel_stands_nowhere() -> None:
    found = channel_standing(None, Cast(BOB.address, bytes(32)), [], [])
    assert (found.status, found.next_steps) == ("forgotten", [])


def test_a_named_refusal_comes_with_what_to_do() -> None:
    known = failure_of("CHALLENGE_DURATION_TOO_SHORT", "10 s\x1b[2J", 7)
    assert (known.next_step, known.reason, known.seq) == (
        "use at least the minimum, or lower policy.challenge_duration_s_min on the node that "
        "refuses",
        "10 s [2J",
        7,
    )
    assert failure_of("OF_A_LATER_NODE", "", None).next_step == ""


def test_every_status_has_a_sentence() -> None:
    assert set(_STATUSES) == set(ChannelStatus)


def test_a_challenge_is_told_with_its_deadline_as_a_date_and_in_blocks() -> None:
    alice = opened().alice
    ends_s = 1_704_070_800
    alice.feed(chain_log("ChallengeRegistered", 5, confirmed=False, number=ends_s, turn_num=1))
    channel = alice.channel(CHANNEL)
    told = channel_standing(channel, Cast(BOB.address, bytes(32)), [], [], lambda time_s: 12)
    assert "ends 2024-01-01 01:00:00 UTC, in about 12 blocks" in told.what
    assert any(step.startswith("tally exit") for step in told.next_steps)
    past = channel_standing(channel, Cast(BOB.address, bytes(32)), [], [])
    assert "ends 2024-01-01 01:00:00 UTC" in past.what
    assert "blocks" not in past.what
