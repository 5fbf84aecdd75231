"""Stories of adversaries: whatever the others do, who is honest ends with what M22 says.

Both figures are worked out: `exit_value` of the signed material when the story began, and what the
chain paid out. Gas is in neither: the node's account pays it. All stories run the pure core against
a model of the chain; the main ones are told again with daemons in tests/e2e/test_adversaries.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from protocols import objectives
from protocols.objectives.base import ObjectiveType, WaitingFor
from tests.support.courses import moments
from tests.support.exit_rig import exit_value_of
from tests.support.soak import times
from tests.support.story_table import STORIES, Story
from tests.support.story_world import ROLES, StoryWorld
from tests.support.vanishing import ELSEWHERE, VANISHINGS, Vanishing, awaits

SEED_COUNT = times(1)
ROOT = Path(__file__).resolve().parents[2]


def _cases() -> list[tuple[Story, str, int]]:
    return [
        (story, role, seed)
        for story in STORIES
        for role in story.honest
        for seed in range(SEED_COUNT)
    ]


def _id(case: tuple[Story, str, int]) -> str:
    story, role, seed = case
    return f"{story.name}-{role}-{seed}"


def _world(story: Story, role: str, seed: int) -> StoryWorld:
    place = ROLES.index(role)
    leads = None
    if story.leads is not None:
        # Node k leads the ledger to its right unless told: ours on the left is led by us as well.
        leads = frozenset({place - 1})
    mixed = 1_000 * place + 7 * seed + len(story.name)
    return StoryWorld(mixed, right_leads=leads, chain_type=story.chain_type)


@pytest.mark.slow
@pytest.mark.parametrize("case", _cases(), ids=_id)
def test_the_honest_one_ends_with_what_was_signed(case: tuple[Story, str, int]) -> None:
    story, role, seed = case
    world = _world(story, role, seed)
    world.prepare()
    story.before(world)
    me = world.row[ROLES.index(role)]
    world.begin(me)
    story.deed(world, me)
    world.run_to_the_end()
    world.nobody_lost()
    assert world.sent_kinds(me) >= set(story.route)
    assert me.events_of("challenge-unanswerable") == [], "who lost nothing is told of no loss"


# --- everybody else vanishes ---


@pytest.mark.slow
@pytest.mark.parametrize("story", VANISHINGS, ids=lambda story: story.name)
def test_all_others_vanish_at_every_waiting_point(story: Vanishing) -> None:
    # Of each ledger, payer, second hub and second hub again are the leaders.
    world = StoryWorld(2, right_leads=frozenset({1}))
    world.prepare()
    me = world.row[ROLES.index(story.honest)]
    assert any(awaits(me, story) for _ in moments(world, *story.course)), "it never waits for that"
    world.begin(me)
    world.steps(world.chain.depth + 3)
    # What it put in meanwhile, a deposit that was on its way, is its own too.
    later = exit_value_of(me)
    world.run_to_the_end()
    world.worths = [max(*world.worths, later)]
    world.nobody_lost()


_MODULES = {
    ObjectiveType.DIRECT_FUND: ("directfund",),
    ObjectiveType.DIRECT_DEFUND: ("directdefund", "closing", "ledger_closing"),
    ObjectiveType.VIRTUAL_FUND: ("virtualfund", "unwinding"),
    ObjectiveType.VIRTUAL_DEFUND: ("virtualdefund", "closing"),
    ObjectiveType.CHALLENGE: ("challenge",),
    ObjectiveType.DEFEND: ("defend",),
    ObjectiveType.WITHDRAW: ("withdraw",),
    ObjectiveType.EXIT: ("exits",),
}
"""Where the crank of each objective says what it waits for."""


def _named_in(module: str) -> set[WaitingFor]:
    source = Path(objectives.__path__[0], f"{module}.py").read_text()
    return {
        WaitingFor[node.attr]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "WaitingFor"
        and node.attr != "NOTHING"
    }


def test_every_waiting_point_in_the_code_has_a_story() -> None:
    in_code = {
        (kind, awaited)
        for kind, modules in _MODULES.items()
        for module in modules
        for awaited in _named_in(module)
    }
    told = {(story.kind, story.awaited) for story in VANISHINGS}
    assert set(_MODULES) == set(ObjectiveType)
    assert told | set(ELSEWHERE) == in_code
    assert not told & set(ELSEWHERE)
    every_module = {path.stem for path in Path(objectives.__path__[0]).glob("*.py")}
    silent = every_module - {module for modules in _MODULES.values() for module in modules}
    # Who only looks at waiting points: their names, and a peer that keeps one waiting.
    assert {module for module in silent if _named_in(module)} <= {"base", "cranks", "silence"}


def test_there_are_at_least_forty_stories_each_with_a_name_of_its_own() -> None:
    names = [story.name for story in STORIES]
    assert len(names) == len(set(names)) >= 40


def _listed(heading: str) -> list[list[str]]:
    """The rows of the table under that heading of docs/adversaries.md."""
    page = (ROOT / "docs" / "adversaries.md").read_text()
    section = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


def _people(roles: Iterable[str]) -> str:
    known = [role for role in ROLES if role in set(roles)]
    return "every role" if known == list(ROLES) else ", ".join(known)


def test_the_page_lists_every_story_and_no_other() -> None:
    assert _listed("What others do") == [[s.name, _people(s.honest)] for s in STORIES]
    waiting: dict[tuple[str, str], set[str]] = {}
    for story in VANISHINGS:
        waiting.setdefault((story.kind, f"`{story.awaited}`"), set()).add(story.honest)
    expected = [[*place, _people(roles)] for place, roles in waiting.items()]
    assert _listed("Everybody else vanishes") == expected
