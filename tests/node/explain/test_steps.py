"""Steps: what happened in order, each with its reason."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from node.explain.steps import Story, acknowledged_link, answered_link
from node.explain.story import Fact, Link, Step
from protocols import events, ledger_events
from tests.support.event_samples import sample
from tests.support.recorded_nodes import demo
from tests.support.story_nodes import StoryNode, closed_path


def told(node: StoryNode, channel_id: bytes) -> list[Step]:
    story = Story(node.cast(channel_id))
    for fact in node.facts((channel_id,), 0, node.seq + 1, 10_000):
        story.add(fact)
    return story.steps()


def test_twelve_payments_are_one_step_between_the_opening_and_the_closing(tmp_path: Path) -> None:
    world = demo(tmp_path, 12)
    (channel_id,) = world.alice.state.channels
    steps = told(StoryNode(world.alice.log, world.alice.state), channel_id)
    world.stop()
    (run,) = [step for step in steps if step.record_count > 1]
    assert run.what.startswith("12 payments: 186 wei from us")
    assert (run.record_count, run.began_by) == (24, "command")
    before = [step.name for step in steps if step.last_seq < run.seq]
    assert before[0] == "objective-created"
    assert "deposit-detected" in before
    assert steps[-1].what == "186 wei was paid out to payee 0xBBB6…1D94, block 102."


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_step_has_a_reason_that_comes_before_it(place: int) -> None:
    nodes, channel_id = closed_path()
    for step in told(nodes[place], channel_id):
        assert (step.because is None) != (step.began_by is None)
        assert step.because is None or step.because < step.seq


def test_a_message_says_which_states_it_carries() -> None:
    nodes, channel_id = closed_path()
    hub = nodes[1]
    facts = hub.facts((channel_id,), 0, hub.seq + 1, 10_000)
    root = next(f.cause_seq for f in facts if isinstance(f.event, events.StateReceived))
    assert root is not None
    story = Story(hub.cast(channel_id))
    for fact in hub.facts((channel_id, facts[0].event.objective_id), 0, hub.seq + 1, 10_000):  # type: ignore[attr-defined]
        story.add(fact)
    (step,) = [step for step in story.steps() if step.seq == root]
    assert step.what.endswith("came a virtual channel proposal: prefund (turn 0).")
    assert step.label == "proposal: prefund (turn 0)"


def test_links_stand_at_the_record_they_belong_to() -> None:
    nodes, channel_id = closed_path()
    node = nodes[0]
    story = Story(node.cast(channel_id))
    facts = node.facts((channel_id,), 0, node.seq + 1, 5)
    for fact in facts:
        story.add(fact)
    link = Link(99, "later")
    steps = story.steps({facts[2].seq: [link]})
    assert [step.links for step in steps] == [[], [], [link], [], []]


def test_a_goal_that_this_node_set_itself_is_no_command_of_its_owner(tmp_path: Path) -> None:
    world = demo(tmp_path, 1)
    (channel_id,) = world.alice.state.channels
    node = StoryNode(world.alice.log, world.alice.state)
    for has_hash in (True, False):
        story = Story(node.cast(channel_id))
        for fact in node.facts((channel_id, _closing(node)), 0, node.seq + 1, 10_000):
            event = fact.event
            if isinstance(event, events.ObjectiveParamsRecorded) and not has_hash:
                fact = replace(fact, event=replace(event, request_hash=None, request_id=""))
            story.add(fact)
        (created,) = [s for s in story.steps() if "close the channel" in s.what]
        (asked,) = [
            s for s in story.steps() if s.because == created.seq and s.seq < created.seq + 2
        ]
        assert created.began_by == ("command" if has_hash else "timer")
        assert asked.what.startswith("Our owner" if has_hash else "We began this ourselves")
    world.stop()


def _closing(node: StoryNode) -> bytes:
    *_, closing = node.state.objectives
    return closing


def test_links_say_how_long_it_took() -> None:
    sent = Fact(5, 1_000, None, sample(events.MessageSent))
    assert acknowledged_link(sent, Fact(9, 1_012, 8, sample(events.MessageAcked))) == Link(
        9, "on the peer's disk 12 ms later"
    )
    refused = Fact(9, 3_000, None, sample(ledger_events.LedgerRefusalReceived))
    assert answered_link(sent, refused) == Link(9, "refused 2.0 s later")
    agreed = Fact(9, 900, None, sample(ledger_events.LedgerUpdateConfirmed))
    assert answered_link(sent, agreed) == Link(9, "countersigned 0 ms later")
