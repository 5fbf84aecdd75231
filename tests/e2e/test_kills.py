"""Daemons killed at any write, sync and send of a channel's life: right balances, nothing twice.

A seeded forty in the suite. With `TALLY_SOAK` above 1 every boundary: for each part of each kind of
life, each node and each point, the first time it is passed, the second, and so on until the part
ends before the node dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from pathlib import Path
from random import Random

import pytest

from node.faults import FAULT_POINTS
from tests.support.kill_rig import KINDS, PHASES, Kill, Mortals, mortals
from tests.support.soak import times

pytestmark = pytest.mark.e2e

PART_COUNT = 4
KILL_COUNT = 40
"""At least so many in all parts together."""
EARLY = (1, 2, 3)
"""How often a point is passed before the kill, in the suite's draws: no part has fewer for long."""
PASSED_COUNT_MAX = 200
"""Far above what any part of a life passes: a part that never ends unharmed is a fault."""
IS_SOAK = times(1) > 1


def places() -> list[tuple[str, str, str, str]]:
    """Kind of life, part of it, node, point: all there are."""
    return [
        (kind, phase, who, point)
        for kind, phase, point in product(KINDS, PHASES, FAULT_POINTS)
        for who in (("alice", "hub", "bob") if kind == "virtual" else ("alice", "bob"))
        # Payments pass between the ends alone.
        if (who, phase) != ("hub", "paying")
    ]


def drawn(part: int) -> Iterator[Kill]:
    """Kills by chance, for ever."""
    chance, found = Random(f"20241121 {part}"), places()
    while True:
        yield Kill(*chance.choice(found), chance.choice(EARLY))


def a_seeded_share(part: int, world: Mortals) -> None:
    """Its part of the forty."""
    for kill in drawn(part):
        if world.kill_count >= KILL_COUNT // PART_COUNT:
            break
        world.live(kill)


def every_time(place: tuple[str, str, str, str], world: Mortals) -> None:
    """Kill at the first time the point is passed there, at the second, and so on."""
    for passed in count(1):
        assert passed < PASSED_COUNT_MAX, "it never ends unharmed"
        if not world.live(Kill(*place, passed)):
            break
    assert world.kill_count >= 1, "nobody ever passes there"


SUITE = [partial(a_seeded_share, part) for part in range(PART_COUNT)]
SOAK = [partial(every_time, place) for place in places()]


@pytest.mark.parametrize("kills", SOAK if IS_SOAK else SUITE)
def test_whoever_dies_wherever_everybody_ends_with_what_is_theirs(
    kills: Callable[[Mortals], None], tmp_path: Path
) -> None:
    with mortals(tmp_path, PASSED_COUNT_MAX) as world:
        kills(world)
