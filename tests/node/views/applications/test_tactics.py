"""The tactics game against a model in Python: random actions, most of them against the rules."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from node.views.errors import Failure
from tests.support.applications import Application

NAME = "tactics"
(
    NOT_YOUR_TURN,
    NO_SUCH_ACTION,
    OUTSIDE,
    OCCUPIED,
    NOT_YOUR_UNIT,
    TOO_FAR,
    OUT_OF_RANGE,
    NOT_AN_ENEMY,
    NOT_NOW,
    IS_OVER,
    UNEQUAL_STAKES,
) = range(1, 12)


@dataclass
class Unit:
    owner: int
    x: int
    y: int
    points: int = 100

    def distance(self, x: int, y: int) -> int:
        return abs(self.x - x) + abs(self.y - y)


@dataclass
class Model:
    """The rules once more, as the README says them."""

    units: dict[int, Unit] = field(default_factory=dict)
    action_count: int = 0
    winner: int | None = None

    def act(self, player: int, action: list[Any]) -> int:
        if self.winner is not None:
            return IS_OVER
        if player != self.action_count % 2:
            return NOT_YOUR_TURN
        code = self._act(player, *action)
        self.action_count += code == 0
        return code

    def _act(self, player: int, name: str, *values: int) -> int:
        if name == "resign":
            self.winner = 1 - player
            return 0
        is_setup = self.action_count < 6
        if is_setup != (name == "spawn"):
            return NOT_NOW
        if name == "pass":
            return 0
        action = {"spawn": self._spawn, "move": self._move, "attack": self._attack}[name]
        return action(player, *values)

    def _is_occupied(self, x: int, y: int) -> bool:
        return any((unit.x, unit.y) == (x, y) for unit in self.units.values())

    def _spawn(self, player: int, x: int, y: int) -> int:
        if not 0 <= x < 8 or y not in ((0, 1) if player == 0 else (6, 7)):
            return OUTSIDE
        if self._is_occupied(x, y):
            return OCCUPIED
        self.units[self.action_count] = Unit(player, x, y)
        return 0

    def _move(self, player: int, number: int, x: int, y: int) -> int:
        unit = self.units.get(number)
        if unit is None or unit.owner != player:
            return NOT_YOUR_UNIT
        if not (0 <= x < 8 and 0 <= y < 8):
            return OUTSIDE
        if not 1 <= unit.distance(x, y) <= 3:
            return TOO_FAR
        if self._is_occupied(x, y):
            return OCCUPIED
        unit.x, unit.y = x, y
        return 0

    def _attack(self, player: int, number: int, target_number: int) -> int:
        unit, target = self.units.get(number), self.units.get(target_number)
        if unit is None or unit.owner != player:
            return NOT_YOUR_UNIT
        if target is None or target.owner == player:
            return NOT_AN_ENEMY
        if unit.distance(target.x, target.y) > 2:
            return OUT_OF_RANGE
        target.points -= 20
        if target.points == 0:
            del self.units[target_number]
        if not any(other.owner != player for other in self.units.values()):
            self.winner = player
        return 0


def random_action(draw: random.Random, model: Model) -> list[Any]:
    """Mostly near a unit, so that something happens; sometimes anything."""
    number = draw.choice([*model.units, 7])
    unit = model.units.get(number, Unit(0, draw.randrange(-1, 9), draw.randrange(-1, 9)))
    if model.action_count < 6 and draw.random() < 0.7:
        y = draw.choice([0, 1, 6, 7, 3, -1])
        return ["spawn", draw.randrange(-1, 9), y]
    kind = draw.random()
    if kind < 0.45:
        # Towards the middle, where the others are.
        return ["move", number, unit.x + draw.randint(-2, 2), unit.y + draw.randint(-2, 2)]
    if kind < 0.97:
        return ["attack", number, draw.choice([*model.units, 7])]
    return ["pass"]


def rows(model: Model) -> list[tuple[int, ...]]:
    return [
        (number, unit.owner, unit.x, unit.y, unit.points)
        for number, unit in sorted(model.units.items())
    ]


@pytest.mark.parametrize("seed", range(6))
def test_random_games_follow_the_model(seed: int) -> None:
    draw, model = random.Random(seed), Model()
    seen = set()
    with Application(NAME) as game:
        for _ in range(900):
            player = model.action_count % 2 if draw.random() < 0.95 else draw.randrange(2)
            action = random_action(draw, model)
            verdict = game.say(player, action)
            assert verdict.failure is None
            assert verdict.code == model.act(player, action), action
            seen.add(verdict.code)
            if verdict.is_applied:
                assert game.rows("units") == rows(model)
                assert game.rows("game") == [(0, model.action_count, model.winner)]
            if model.winner is not None:
                break
        expected = {0: (200, 0), 1: (0, 200), None: (100, 100)}[model.winner]
        assert game.payouts() == expected
    assert {0, NOT_YOUR_TURN, NOT_NOW, OUTSIDE, NOT_YOUR_UNIT, OUT_OF_RANGE} <= seen


def test_a_random_game_that_is_played_on_ends_with_a_victory() -> None:
    draw, model = random.Random(1), Model()
    with Application(NAME) as game:
        while model.winner is None:
            player, action = model.action_count % 2, random_action(draw, model)
            # What the model refuses was compared above: only what happens is played here.
            if model.act(player, action) == 0:
                assert game.say(player, action).is_applied
        assert model.action_count < 1_000
        assert {unit.owner for unit in model.units.values()} == {model.winner}
        assert game.rows("units") == rows(model)
        assert game.payouts() == ((200, 0) if model.winner == 0 else (0, 200))
        assert game.say(model.winner, ["pass"]).code == IS_OVER


def test_whoever_resigns_has_lost_also_before_units_are_there() -> None:
    with Application(NAME) as game:
        assert game.say(0, ["resign"]).is_applied
        assert game.payouts() == (0, 200)
        assert game.say(1, ["resign"]).code == IS_OVER


def test_different_stakes_are_refused() -> None:
    with Application(NAME, (100, 99)) as game:
        assert game.opened.code == UNEQUAL_STAKES
        assert game.rows("payouts") == []


@pytest.mark.parametrize(
    "payload", [None, [7], [["spawn"]], ["move", 1, 2, "x"], ["spawn", None, 0]]
)
def test_a_message_of_another_form_is_a_failure(payload: Any) -> None:
    with Application(NAME) as game:
        for number in range(6):
            game.say(number % 2, ["spawn", number, 0 if number % 2 == 0 else 7])
        verdict = game.say(0, payload)
        assert verdict.failure is Failure.TRAP_UNREACHABLE or verdict.code == NOT_NOW


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**64 - 1])
def test_numbers_at_the_end_of_their_range_are_far_away(number: int) -> None:
    with Application(NAME) as game:
        for place in range(6):
            game.say(place % 2, ["spawn", place, 0 if place % 2 == 0 else 7])
        for action in (["move", 0, number, 0], ["move", number, 1, 1], ["attack", 0, number]):
            assert not game.say(0, action).is_applied
