"""A story as a diagram: who there is, and what went from one to another."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from node.explain.diagram import Diagram, diagram_of
from node.rpc import explain
from node.rpc.explain import ChannelExplainParams
from node.rpc.interface import NodeApi
from protocols.types import to_hex
from tests.support.story_nodes import closed_path


async def story_of(place: int) -> dict[str, Any]:
    nodes, channel_id = closed_path()
    asked = ChannelExplainParams(to_hex(channel_id))
    story = await explain.channel_explain(cast(NodeApi, nodes[place]), asked)
    return cast(dict[str, Any], msgspec.to_builtins(story))


async def test_both_ends_of_an_application_are_players() -> None:
    drawn = diagram_of({**await story_of(0), "kind": "app"})
    assert [line.role for line in drawn.lifelines if line.role] == ["player", "hub", "player"]


async def test_everybody_on_the_path_has_a_lifeline_in_order() -> None:
    roles = []
    for place in range(3):
        drawn = diagram_of(await story_of(place))
        roles.append([(line.key == "us", line.role) for line in drawn.lifelines if line.role])
    assert [[role for _, role in row] for row in roles] == [["payer", "hub", "payee"]] * 3
    assert [[is_us for is_us, _ in row].index(True) for row in roles] == [0, 1, 2]


async def test_only_who_takes_part_is_drawn() -> None:
    payer, hub = diagram_of(await story_of(0)), diagram_of(await story_of(1))
    assert payer.lifelines[0].key == "owner"
    assert "owner" not in {line.key for line in hub.lifelines}
    assert "chain" not in {line.key for line in hub.lifelines}
    for drawn in (payer, hub):
        known = {line.key for line in drawn.lifelines}
        assert {row.source for row in drawn.rows} <= known
        assert {row.target for row in drawn.rows} - {None} <= known


async def test_a_run_of_payments_is_one_arrow() -> None:
    drawn = diagram_of(await story_of(0))
    (run,) = [row for row in drawn.rows if row.is_run]
    assert run.label == "8 payments, 21 wei"
    assert (run.source, run.target) == ("us", drawn.lifelines[-1].key)
    assert drawn.title.startswith("Virtual channel 0x")
    assert drawn.title.endswith(", 1000 wei")


@pytest.mark.parametrize("hidden", ["is_detail", "label"])
async def test_book_keeping_is_not_drawn(hidden: str) -> None:
    story = await story_of(0)
    for step in story["steps"]:
        step[hidden] = True if hidden == "is_detail" else ""
    drawn = diagram_of(story)
    assert isinstance(drawn, Diagram)
    assert drawn.rows == []
    assert [line.key for line in drawn.lifelines] == ["us"]


async def test_a_picture_says_where_the_story_goes_on_and_that_it_began_earlier() -> None:
    story = await story_of(0)
    whole = diagram_of(story)
    assert (whole.notes, whole.next_seq) == ([], None)
    cut = diagram_of({**story, "next_seq": 77}, is_late=True)
    begins, ends = cut.notes
    assert f"record {story['steps'][0]['seq']}" in begins
    assert "--from 77" in ends
    assert cut.next_seq == 77
    assert diagram_of({**story, "steps": []}, is_late=True).notes == []
