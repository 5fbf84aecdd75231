"""Make a failing plan smaller: leave out steps and faults as long as the same rule is broken."""

from __future__ import annotations

from tests.simulation.simulator.plan import Plan
from tests.simulation.simulator.run import Result, run_plan


def minimise(plan: Plan, planted: str = "") -> tuple[frozenset[int], Result]:
    """The numbers of what can be left out of the plan, and what then happens.

    The plan itself must fail. First halves, then quarters, and so on down to single ones.
    """
    result = run_plan(plan, planted)
    assert result.checker, "a plan that breaks no rule cannot be made smaller"
    count = len(plan.steps) + len(plan.faults)
    left_out: frozenset[int] = frozenset()
    size = max(1, count // 2)
    while True:
        shrank = False
        for start in range(0, count, size):
            more = left_out | frozenset(range(start, min(count, start + size)))
            if more == left_out:
                continue
            tried = run_plan(plan.without(more), planted)
            if tried.checker == result.checker:
                left_out, result, shrank = more, tried, True
        if size > 1:
            size //= 2
        elif not shrank:
            return left_out, result
