"""Daemons killed at any write, sync and send of a channel's life: right balances, nothing twice.

A seeded forty in the suite, in lives of every kind, one in each part of a life. With `TALLY_SOAK`
above 1 every boundary: for each part of each kind of life, each node and each point, the first time
it is passed, the second, and so on until the part ends before the node dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from random import Random

import pytest

from node.faults import FAULT_POINTS
from tests.support.kill_lives import LIVES, ON_CHAIN_ALONE, OWN_PARTS, Kill, live, names_in
from tests.support.kill_rig import Mortals, mortals
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


def drawn(part: int) -> Iterator[tuple[str, list[Kill]]]:
    """Lives, of each kind in turn, with a kill by chance in every part of them; for ever."""
    chance = Random(f"20241121 {part}")
    for kind in islice(cycle(LIVES), part, None, PART_COUNT):
        yield (
            kind,
            [
                Kill(
                    life_part,
                    chance.choice(names_in(kind, life_part)),
                    chance.choice(FAULT_POINTS),
                    chance.choice(EARLY),
                )
                for life_part in LIVES[kind]
            ],
        )


def a_seeded_share(part: int, world: Mortals) -> None:
    """Its part of the forty."""
    for kind, kills in drawn(part):
        if world.kill_count >= KILL_COUNT // PART_COUNT:
            break
        live(world, kind, kills)


def places() -> list[tuple[str, str, str, str]]:
    """Kind of life, part of it, node, point: all there are."""
    return [
        (kind, part, who, point)
        for kind, parts in OWN_PARTS.items()
        for part in parts
        for who in names_in(kind, part)
        for point in FAULT_POINTS
    ]


def every_time(place: tuple[str, str, str, str], world: Mortals) -> None:
    """Kill at the first time the point is passed there, at the second, and so on."""
    kind, part, who, point = place
    for passed in count(1):
        assert passed < PASSED_COUNT_MAX, "it never ends unharmed"
        if not live(world, kind, [Kill(part, who, point, passed)]):
            break
    may_be_silent = (kind, part) in ON_CHAIN_ALONE and point.endswith("-send")
    assert may_be_silent or world.kill_count >= 1, "nobody ever passes there"


SUITE = [pytest.param(partial(a_seeded_share, part), id=str(part)) for part in range(PART_COUNT)]
SOAK = [pytest.param(partial(every_time, place), id=", ".join(place)) for place in places()]


@pytest.mark.parametrize("kills", SOAK if IS_SOAK else SUITE)
def test_whoever_dies_wherever_everybody_ends_with_what_is_theirs(
    kills: Callable[[Mortals], None], tmp_path: Path
) -> None:
    with mortals(tmp_path, PASSED_COUNT_MAX) as world:
        kills(world)
