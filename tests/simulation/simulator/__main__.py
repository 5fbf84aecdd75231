"""Run the simulator: `make simulate`, or `python -m tests.simulation.simulator --help`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.simulator.checkers.all import CHECKERS, NO_BUGS
from tests.simulation.simulator.minimise import minimise
from tests.simulation.simulator.plan import Plan, plan_of
from tests.simulation.simulator.planted import PLANTED
from tests.simulation.simulator.run import Result, Summary, run_plan, run_seeds

NAMES = (*(kind.name for kind in CHECKERS), NO_BUGS)
COMMAND = "python -m tests.simulation.simulator"
FAILURE_SHOWN_COUNT = 20


def main(arguments: list[str] | None = None) -> int:
    """0 if no rule was broken, 1 if one was, 2 for bad usage."""
    given = parser().parse_args(arguments)
    if given.seeds < 1 or given.first < 0:
        sys.stderr.write("--seeds must be at least 1, --from at least 0\n")
        return 2
    if given.without or given.minimise:
        return _one(given)
    started, summary = time.monotonic(), Summary()
    for result in run_seeds(range(given.first, given.first + given.seeds), given.planted):
        is_counted = not given.only or result.checker in ("", given.only)
        summary.add(result if is_counted else Result(result.seed))
        if result.checker and is_counted and len(summary.failures) <= FAILURE_SHOWN_COUNT:
            _tell(result, given.planted)
    _sum_up(summary, time.monotonic() - started)
    return 1 if summary.failures else 0


def parser() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    made = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    made.add_argument("--seeds", type=int, default=200, help="how many (default 200)")
    made.add_argument("--from", type=int, default=0, dest="first", help="the first (default 0)")
    made.add_argument(
        "--only",
        choices=("", *NAMES),
        default="",
        metavar="RULE",
        help="count this rule's breaches alone",
    )
    made.add_argument(
        "--planted", choices=sorted(PLANTED), default="", help="with this bug in the node"
    )
    made.add_argument(
        "--without", default="", help="one seed, with these of its steps and faults left out: 0,3,4"
    )
    made.add_argument(
        "--minimise",
        action="store_true",
        help="one seed that fails: leave out what it can do without",
    )
    return made


def _one(given: argparse.Namespace) -> int:
    plan = plan_of(given.first)
    left_out = frozenset(int(number) for number in given.without.split(",") if number)
    plan = plan.without(left_out)
    result = run_plan(plan, given.planted)
    if result.checker and given.minimise:
        more, result = minimise(plan_of(given.first), given.planted)
        left_out = more
        plan = plan_of(given.first).without(more)
    _show(plan)
    if not result.checker:
        sys.stdout.write(f"seed {given.first} breaks no rule; trace {result.trace}\n")
        return 0
    sys.stdout.write(result.log)
    _tell(result, given.planted, left_out)
    return 1


def _show(plan: Plan) -> None:
    sys.stdout.write(f"{plan.people_count} nodes, {plan.weather}, liar {plan.hostile}\n")
    for what in (*plan.steps, *plan.faults):
        sys.stdout.write(f"  {what}\n")


def _tell(result: Result, planted: str, left_out: frozenset[int] = frozenset()) -> None:
    """What was broken, and the one command that shows it again."""
    command = f"{COMMAND} --from {result.seed} --seeds 1"
    if planted:
        command += f" --planted '{planted}'"
    if left_out:
        command += f" --without {','.join(map(str, sorted(left_out)))}"
    sys.stdout.write(f"seed {result.seed} broke '{result.checker}': {result.what}\n  {command}\n")
    if not left_out:
        sys.stdout.write(f"  {command} --minimise\n")


def _sum_up(summary: Summary, took_s: float) -> None:
    sys.stdout.write("met:\n")
    for what, count in sorted(summary.met.items()):
        sys.stdout.write(f"  {count:>12,}  {what}\n")
    sys.stdout.write("checked:\n")
    for name, count in sorted(summary.checked.items()):
        sys.stdout.write(f"  {count:>12,}  {name}\n")
    failed = len(summary.failures)
    sys.stdout.write(f"{summary.seed_count:,} seeds in {took_s:.0f} s, {failed} broke a rule\n")


if __name__ == "__main__":
    sys.exit(main())
