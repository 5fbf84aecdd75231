"""The long tests: every count the suite samples, many times over, and what came of it.

    make soak                        all of it, about half an hour; the table goes to docs/soak.md
    scripts/soak.py --only NAME      one row, printed; with --write, put into the table

Each row is one command that anybody can repeat; seeds are fixed in the tests, and the factor
multiplies the counts that `make test` runs once.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "soak.md"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Run:
    """One row: what is repeated, how often, by which command."""

    name: str
    what: str
    factor: int
    command: tuple[str, ...]
    is_shown: bool = False
    """Whether the page shows all that the command printed, not its last line alone."""

    def line(self) -> str:
        """The command as a person types it, from the clone's root."""
        prefix = f"TALLY_SOAK={self.factor} " if self.factor > 1 else ""
        return prefix + shlex.join(self.command)


def pytest_run(name: str, what: str, factor: int, *arguments: str) -> Run:
    """A row whose command is pytest."""
    return Run(name, what, factor, ("python", "-m", "pytest", "-q", *arguments))


RUNS = (
    pytest_run(
        "encodings",
        "hand-packed encodings against eth_abi, 20,000 random states; decoder fuzz",
        10,
        "-n",
        "2",
        "tests/protocols/test_abi.py",
    ),
    pytest_run(
        "view replays",
        "one log derived into the node's views by 100 fresh processes: one digest",
        10,
        "tests/node/log_views/test_replays.py",
    ),
    pytest_run(
        "network",
        "two cores under loss, duplication, reordering and hostile messages, seeded",
        5,
        "tests/simulation/test_two_nodes.py",
        "tests/simulation/test_cut_tails.py",
        "tests/simulation/test_hostile_peer.py",
    ),
    pytest_run(
        "storm",
        "three to six engines, 30 % loss, duplicates, reordering, delays to 2 s: 2,016 seeds",
        84,
        "-n",
        "2",
        "tests/simulation/test_message_faults.py",
    ),
    pytest_run(
        "matrix",
        "hops x channels x payments x asset x closer x weather: all 288 combinations",
        2,
        "-n",
        "2",
        "tests/simulation/test_scenario_matrix.py",
    ),
    pytest_run(
        "machine",
        "any order of 37 commands and accidents over ledgers, virtual channels and payments",
        20,
        "tests/simulation/test_state_machine.py",
    ),
    pytest_run(
        "webs",
        "random webs of hubs with channels that cross, open and end as they like, seeded",
        10,
        "-n",
        "2",
        "tests/simulation/test_virtual_web.py",
        "tests/simulation/test_virtual_cuts.py",
    ),
    pytest_run(
        "restores",
        "logs cut or restored anywhere, honest and lying peers, once and again: 585 seeds",
        9,
        "-n",
        "2",
        "tests/simulation/test_restores.py",
    ),
    pytest_run(
        "orders",
        "owners of three engines who order anything at any time: 96 seeds of 250 commands",
        8,
        "-n",
        "2",
        "tests/simulation/test_any_orders.py",
    ),
    pytest_run(
        "reorgs",
        "random reorg trees above and below the confirmation depth: 1,000 of them",
        40,
        "-n",
        "2",
        "tests/simulation/test_reorg_trees.py",
    ),
    Run(
        "simulator",
        "whole nodes on failing disks, wires and chains in virtual time: 20,000 seeds",
        1,
        ("python", "-m", "tests.simulation.simulator", "--seeds", "20000"),
        is_shown=True,
    ),
    pytest_run(
        "flips",
        "5,100 flipped bytes in five megabytes of SST, WAL, CURRENT and MANIFEST, audit and daemon",
        17,
        "-n",
        "2",
        "tests/node/audit/test_directory.py",
    ),
    pytest_run(
        "truncations",
        "a write-ahead log cut at every write, two bytes around it, and at 500 random lengths",
        10,
        "-n",
        "2",
        "tests/simulation/test_truncated_logs.py",
    ),
    pytest_run(
        "kills",
        "SIGKILL at every write, sync and send of opening, paying and closing, each node and kind",
        2,
        "-n",
        "2",
        "-k",
        "not (answered or left)",
        "tests/e2e/test_kills.py",
    ),
    pytest_run(
        "kills on chain",
        "SIGKILL at every write, sync and send of answering a challenge, and of leaving alone",
        2,
        "-n",
        "2",
        "-k",
        "answered or left",
        "tests/e2e/test_kills.py",
    ),
    pytest_run(
        "full disk",
        "a disk of six megabytes that fills while payments are made",
        1,
        "tests/e2e/test_full_disk.py",
    ),
    pytest_run(
        "crashes",
        "SIGKILL at the named fault points of either daemon, over 100 payments",
        1,
        "-n",
        "2",
        "tests/e2e/test_crashes.py",
    ),
    pytest_run(
        "exits",
        "what leaving is worth, against the contracts: 2,100 seeded cases on anvil",
        20,
        "-n",
        "2",
        "tests/contracts/test_exit_value.py",
    ),
    pytest_run(
        "contracts",
        "the adjudicator against its model in Python: 2,500 random sequences of 40 calls",
        125,
        "-n",
        "2",
        "tests/contracts/test_random_calls.py",
    ),
    pytest_run(
        "mutants",
        "each of the 79 rules of the application contracts taken out: a row of the tables notices",
        4,
        "tests/contracts/test_app_mutants.py",
    ),
    pytest_run(
        "disputes",
        "application contracts against models: 10,000 claims; 250 random disputes a rule",
        10,
        "-n",
        "2",
        "tests/contracts/test_app_models.py",
        "tests/protocols/test_app_random_disputes.py",
    ),
    pytest_run(
        "hostile",
        "bad input, bad peers, bad calls and bad settings against live daemons",
        1,
        "-n",
        "2",
        "tests/e2e/test_hostile.py",
        "tests/e2e/test_hostile_money.py",
        "tests/e2e/test_hostile_ledgers.py",
        "tests/e2e/test_hostile_settings.py",
    ),
    pytest_run(
        "sinks",
        "views in PostgreSQL: 100 replays with equal digests; 50 kills of sinks, 120 of servers",
        10,
        "-n",
        "2",
        "tests/node/sinks/test_replays.py",
        "tests/node/sinks/test_worker.py",
        "tests/e2e/test_sink_kills.py",
    ),
    pytest_run(
        "any input",
        "100 random parameters to each method, 500 random documents; 100 logs damaged at random",
        10,
        "-n",
        "2",
        "tests/node/rpc/test_methods.py",
        "tests/node/audit/test_judge.py",
    ),
    pytest_run("chain", "endpoint cuts, forks and restarts", 1, "tests/node/chain"),
    pytest_run(
        "reducers",
        "the applications' messages in 100 fresh processes each; 400 games on chain and by reducer",
        10,
        "-n",
        "2",
        "tests/node/views/applications/test_all.py",
        "tests/contracts/test_game_and_reducer.py",
    ),
    Run("demo", "the demo with 10,000 payments", 1, ("tally", "demo", "--payments", "10000")),
)


def execute(run: Run) -> tuple[bool, float, str]:
    """Run it; whether it passed, seconds, and what it printed."""
    environment = dict(os.environ, TALLY_SOAK=str(run.factor))
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    started = time.monotonic()
    done = subprocess.run(
        run.command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    took_s = time.monotonic() - started
    if done.returncode != 0:
        # All of it: hours of work may have found one seed, and named it anywhere.
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode == 0, took_s, done.stdout


def last_line(printed: str) -> str:
    """What a command said in the end."""
    lines = [line for line in printed.splitlines() if line.strip()]
    return lines[-1].strip("= ") if lines else ""


def commit() -> str:
    """The commit that is checked out, abbreviated."""
    return subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def page(rows: Mapping[str, str], printed: Mapping[str, str]) -> str:
    """docs/soak.md, of lines and whole outputs by the row's name; in the order they run in."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    head = [
        "# Soak",
        "",
        "What `make soak` ran last, and what came of it. Seeds are fixed in the tests;",
        "`TALLY_SOAK` multiplies the counts that `make test` runs once. A row that was run again",
        "alone names the commit it ran on.",
        "",
        f"{day}, CPython {platform.python_version()}, {os.cpu_count()} cores.",
        "",
        "| row | what | command | commit | seconds | result |",
        "|---|---|---|---|---|---|",
    ]
    table = [rows[run.name] for run in RUNS if run.name in rows]
    outputs = [
        line
        for run in RUNS
        if run.name in printed
        for line in ("", f"## {run.name}", "", "```text", printed[run.name].strip("\n"), "```")
    ]
    return "\n".join([*head, *table, *outputs]) + "\n"


def rows_of(text: str) -> dict[str, str]:
    """The lines of a page by the row's name."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return {line.split("|")[1].strip(): line for line in lines}


def printed_of(text: str) -> dict[str, str]:
    """The whole outputs that a page shows by the row's name."""
    return dict(re.findall(r"^## ([^\n]+)\n\n```text\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE))


def main() -> int:
    """Run the rows; exit 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[run.name for run in RUNS], help="one row, no page")
    parser.add_argument("--write", action="store_true", help="with --only: put it into the page")
    given = parser.parse_args()
    rows: dict[str, str] = {}
    shown: dict[str, str] = {}
    passed = True
    for run in RUNS:
        if given.only not in (None, run.name):
            continue
        sys.stdout.write(f"== {run.name}: {run.what}\n   {run.line()}\n")
        sys.stdout.flush()
        ok, took_s, printed = execute(run)
        passed, last = passed and ok, last_line(printed)
        verdict = last if ok else f"FAILED: {last}"
        sys.stdout.write(f"   {verdict} ({took_s:.0f} s)\n")
        cells = (run.name, run.what, f"`{run.line()}`", commit(), f"{took_s:.0f}", verdict)
        rows[run.name] = f"| {' | '.join(cells)} |"
        if run.is_shown:
            shown[run.name] = printed
    if passed and given.only is None:
        PAGE.write_text(page(rows, shown))
    elif passed and given.write:
        before = PAGE.read_text()
        outputs = {**printed_of(before), **shown}
        PAGE.write_text(page({**rows_of(before), **rows}, outputs))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
