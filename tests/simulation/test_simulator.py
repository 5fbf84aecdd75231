"""The simulator over its fixed seeds, what it catches, and that a seed means one run."""

from __future__ import annotations

import gc
import os
import shlex
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.faults import FAULT_POINTS
from tests.simulation.simulator.__main__ import main, parser
from tests.simulation.simulator.checkers.all import CHECKERS, NO_BUGS
from tests.simulation.simulator.disk import UNLOGGED_FAULTS, WRITE_FAULTS
from tests.simulation.simulator.minimise import minimise
from tests.simulation.simulator.plan import plan_of
from tests.simulation.simulator.planted import PLANTED
from tests.simulation.simulator.run import Summary, run_plan, run_seed
from tests.simulation.simulator.world import World

ROOT = Path(__file__).resolve().parent.parent.parent
SEED_COUNT = 200
PART_COUNT = 2
COMPARED = (19, 26, 48, 68, 77)
"""Seeds that are run in two processes, whose hashes differ: a seed means one run."""
WRITE_FAILS_AND_POWER_IS_CUT = 4
"""A seed that meets both."""
FAULTS = (
    "kill",
    "stop",
    "part",
    "hang-up",
    "endpoint",
    "flip",
    "cut",
    "start refused",
    "tail cut",
    "message lost",
    "message doubled",
    "message early",
    "message twisted",
    *(f"crash {point}" for point in FAULT_POINTS),
    *(f"write {fault}" for fault in WRITE_FAULTS),
    *(f"write unlogged {fault}" for fault in UNLOGGED_FAULTS),
    "write unlogged forgotten",
    "spoil",
    "snapshot taken",
    "snapshot cut short",
    "snapshot loaded",
    "snapshot refused",
    "fell back to a snapshot before",
    "fell back to the whole log",
    "snapshots swept",
    "vanish",
    "theft tried",
    "challenge ran out",
    "fork",
    "deep fork",
    "spike",
    "endpoint hides logs",
    "endpoint stalls",
    "endpoint swallows transactions",
    "application's state signed",
    "message refused by a reducer",
    "application halted",
    "application at rest",
)
"""What the fixed seeds meet, in each part of them."""
RARE = {"bids rise in time": 1}
"""Rules that few of the fixed seeds come to, and the part of them in which one does."""
FOUND = {
    595: "a payer loses its newest records while the channel opens",
    1463: "a follower that lost records challenges, and its leader would go on",
    1869: "a peer asks for a head that stands on a flipped byte",
    2192: "a ledger is left, and the application in it by its last end",
    3478: "a ledger closes across a guarantee that is on its way",
    3824: "a fork orders a reading again, and its batch holds the answer",
    3898: "a payee loses its newest records while the channel opens",
    6380: "a hub's ledger is left while a guarantee in it is on its way",
    7422: "a first end loses its newest records while a channel of two stakes opens",
    7561: "a ledger that is to close loses records while it carries a channel",
    11921: "a ledger is left while a guarantee in it is refused",
    13196: "a challenge waits for its half time while the world passes time over",
    13352: "a player's own reducer, which differs, refuses the move that was checkpointed",
    13889: "the same loop, in which its answers fail one after the other",
    18562: "a leader waits for what a follower forgot to offer again",
    19748: "a deep fork takes a challenge back while its node is down",
    43402: "a leader that lost nothing ended a ledger below its move that was on its way",
}
"""Seeds beyond the fixed ones that broke a rule once, and what they met."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PART_COUNT))
def test_no_seed_breaks_a_rule_and_every_fault_is_met(part: int) -> None:
    summary, traces = Summary(), {}
    for seed in range(part, SEED_COUNT, PART_COUNT):
        result = run_seed(seed)
        summary.add(result)
        if seed in COMPARED:
            traces[seed] = result.trace
    assert [(f.seed, f.checker, f.what) for f in summary.failures] == []
    assert [fault for fault in FAULTS if not summary.met[fault]] == []
    unchecked = {kind.name for kind in CHECKERS if not summary.checked[kind.name]}
    assert [name for name in unchecked if RARE.get(name, part) == part] == []
    # A seed means one run, in every process.
    assert traces_elsewhere([*traces]) == repr([*traces.values()])


def traces_elsewhere(seeds: list[int]) -> str:
    """The runs of these seeds in a process of their own, whose hashes have another seed."""
    program = (
        "from tests.simulation.simulator.run import run_seed;"
        f"print([run_seed(seed).trace for seed in {seeds}], end='')"
    )
    own_seed = os.environ.get("PYTHONHASHSEED", "random")
    other_seed = "2" if own_seed == "1" else "1"
    environment = dict(os.environ, PYTHONHASHSEED=other_seed, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", FOUND, ids=FOUND.get)
def test_what_a_seed_once_found_stays_mended(seed: int) -> None:
    result = run_seed(seed)
    assert (result.checker, result.what) == ("", "")


def first_caught(planted: str) -> tuple[int, str, str]:
    """The seed that the page names comes first: some are caught late among the fixed ones."""
    for seed in (named_seeds()[planted], *range(SEED_COUNT)):
        result = run_seed(seed, planted)
        if result.checker:
            return seed, result.checker, result.what
    raise AssertionError(f"{planted}: {SEED_COUNT} seeds did not notice")


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_bug_is_caught_by_its_checker(planted: str) -> None:
    _, checker, what = first_caught(planted)
    assert checker == PLANTED[planted].caught_by, what


def test_a_failing_plan_is_made_smaller_and_still_fails() -> None:
    planted = "fold differs from memory"
    seed, checker, _ = first_caught(planted)
    plan = plan_of(seed)
    left_out, result = minimise(plan, planted)
    smaller = plan.without(left_out)
    assert len(smaller.steps) + len(smaller.faults) < len(plan.steps) + len(plan.faults)
    assert result.checker == checker
    assert run_plan(smaller, planted).checker == checker


def test_a_failing_seed_prints_the_command_that_shows_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted = "effect before event"
    seed, checker, _ = first_caught(planted)
    only_this = ["--from", str(seed), "--seeds", "1", "--planted", planted]
    assert main(only_this) == 1
    command = f"--from {seed} --seeds 1 --planted '{planted}'"
    shown = capsys.readouterr().out
    assert f"seed {seed} broke '{checker}'" in shown
    assert command in shown
    assert main([*only_this, "--minimise"]) == 1
    smaller = capsys.readouterr().out
    assert f"{command} --without " in smaller
    assert "Violation" in smaller


def test_seeds_that_break_no_rule_say_what_they_met_and_what_was_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--seeds", "2"]) == 0
    shown = capsys.readouterr().out
    assert "2 seeds in" in shown
    assert all(kind.name in shown for kind in CHECKERS)
    assert "turn" in shown


def test_a_world_in_which_nodes_stopped_is_forgotten() -> None:
    with capture_logs():
        world = World(plan_of(WRITE_FAILS_AND_POWER_IS_CUT))
        world.run()
    assert world.met["stopped by LogWriteFailed"]
    assert world.met["stopped by PowerCut"]
    forgotten = weakref.ref(world)
    del world
    # Twice: what was suspended is ended first.
    gc.collect()
    gc.collect()
    assert forgotten() is None


def test_a_count_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


PAGE = ROOT / "docs" / "simulation.md"
COMMAND = "python -m tests.simulation.simulator "


def commands_of_the_page() -> list[list[str]]:
    """Arguments of every command that the page shows, `make simulate` in the tool's own words."""
    found = []
    for line in PAGE.read_text().splitlines():
        if line.startswith(COMMAND):
            found.append(shlex.split(line.removeprefix(COMMAND)))
        elif line.startswith("make simulate"):
            words = shlex.split(line, comments=True)[2:]
            names = {"SEEDS": "--seeds", "FROM": "--from", "ONLY": "--only"}
            pairs = [word.split("=", 1) for word in words]
            found.append([part for name, value in pairs for part in (names[name], value)])
    return found


@pytest.mark.slow
def test_commands_that_the_page_shows_are_understood_and_single_seeds_do_as_it_says() -> None:
    shown = commands_of_the_page()
    assert len(shown) == 6
    for arguments in shown:
        given = parser().parse_args(arguments)
        if "--seeds" in arguments and given.seeds == 1:
            assert main(arguments) == (1 if given.planted else 0)


def rows_of_the_page() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named_seeds() -> dict[str, int]:
    """Of each planted bug the seed that the page names."""
    rows = [row for row in rows_of_the_page() if len(row) == 3 and row[2].isdigit()]
    return {row[0]: int(row[2]) for row in rows}


def test_the_page_lists_every_rule_and_every_planted_bug() -> None:
    rows = rows_of_the_page()
    assert set(named_seeds().values()) <= set(range(SEED_COUNT))
    bugs = {row[0]: row[1] for row in rows if len(row) == 3 and row[2].isdigit()}
    assert bugs == {name: bug.caught_by for name, bug in PLANTED.items()}
    rules = {row[0] for row in rows if len(row) == 2}
    assert {kind.name for kind in CHECKERS} | {NO_BUGS} <= rules


def test_every_checker_has_a_planted_bug_and_the_makefile_runs_the_tool() -> None:
    assert {kind.name for kind in CHECKERS} == {bug.caught_by for bug in PLANTED.values()}
    text = (ROOT / "Makefile").read_text()
    assert '-m tests.simulation.simulator --seeds $(SEEDS) --from $(FROM) --only "$(ONLY)"' in text
