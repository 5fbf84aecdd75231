"""One seed, or many of them over all cores: what they met, what was checked, what was broken."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context

from msgspec import Struct
from structlog.testing import capture_logs

from tests.simulation.simulator.checkers.all import NO_BUGS
from tests.simulation.simulator.plan import Plan, plan_of
from tests.simulation.simulator.planted import PLANTED
from tests.simulation.simulator.violation import Violation
from tests.simulation.simulator.world import World

CHUNK_COUNT = 10
"""Seeds that a process takes at once."""


class Result(Struct, frozen=True):
    """What came of one seed."""

    seed: int
    checker: str = ""
    """Whose rule was broken; empty if none was."""
    what: str = ""
    met: dict[str, int] = {}
    checked: dict[str, int] = {}
    trace: str = ""
    """Equal for equal runs."""
    log: str = ""
    """Where in the code the rule was broken."""


def run_plan(plan: Plan, planted: str = "") -> Result:
    """Run one plan, with a bug in the node if one is named."""
    with PLANTED[planted].plant() if planted else nullcontext(), capture_logs():
        world = World(plan)
        checker = what = log = ""
        try:
            world.run()
        except Violation as violation:
            checker, what, log = violation.checker, violation.what, traceback.format_exc()
        except Exception as error:  # noqa: BLE001  whatever a seed does is told with its number
            checker, what, log = NO_BUGS, repr(error), traceback.format_exc()
    checked = {kind.name: kind.check_count for kind in world.checkers}
    return Result(plan.seed, checker, what, dict(world.met), checked, world.trace, log)


def run_seed(seed: int, planted: str = "") -> Result:
    """Run the plan that the seed means."""
    return run_plan(plan_of(seed), planted)


def run_seeds(seeds: Sequence[int], planted: str = "") -> Iterator[Result]:
    """Run them in order; over all cores, if it is more than one takes at once."""
    if len(seeds) <= CHUNK_COUNT:
        yield from (run_seed(seed, planted) for seed in seeds)
        return
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(partial(run_seed, planted=planted), seeds, chunksize=CHUNK_COUNT)


class Summary:
    """What many seeds met."""

    def __init__(self) -> None:
        self.seed_count = 0
        self.met: Counter[str] = Counter()
        self.checked: Counter[str] = Counter()
        self.failures: list[Result] = []

    def add(self, result: Result) -> None:
        """Count one more."""
        self.seed_count += 1
        self.met.update(result.met)
        self.checked.update(result.checked)
        if result.checker:
            self.failures.append(result)
