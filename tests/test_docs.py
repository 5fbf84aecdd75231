"""The documents: what they tell a reader to type works, and what they link to exists."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.benchmarks.report import AIMS, Aim
from scripts.reducers import fetch_zig
from tests.support import console_sessions, warm_tally
from tests.support.console_sessions import Command
from tests.support.warm_python import WarmPython

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SESSIONS = [page for page in PAGES if console_sessions.commands(page.read_text())]
SESSION_TIMEOUT_S = 300

LINK = re.compile(r"\]\(([^)\s]+)\)")
MAKE_TARGET = re.compile(r"`make ([a-z]+)")
POINTER = re.compile(r"`([\w./]+\.(?:py|sol))::(\w+)`")
DEFINITION = r"^\s*(?:(?:async )?def|class|function|modifier|event) {0}\b|^{0}\b.* = "
MONEY_RULE = re.compile(r"^## M(\d+)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run(
    session: list[Command], folder: Path, python: WarmPython | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the session; with an interpreter that forks, its `tally` is a fork of that."""
    (folder / "outputs").mkdir()
    (folder / "session").mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TALLY_")}
    places = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if python is not None:
        environment |= warm_tally.make_command(folder / "bin", python.door)
        places.insert(0, str(folder / "bin"))
    environment["PATH"] = os.pathsep.join(places)
    return subprocess.run(
        ["bash", "-c", console_sessions.script(session, folder / "outputs")],
        cwd=folder / "session",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SESSION_TIMEOUT_S,
    )


def session(*lines: str) -> list[Command]:
    return console_sessions.commands("```console\n" + "\n".join(lines) + "\n```\n")


@pytest.mark.e2e
@pytest.mark.parametrize("page", SESSIONS, ids=name)
def test_what_a_page_tells_to_type_works(page: Path, python: WarmPython, tmp_path: Path) -> None:
    # The first page is run as a newcomer does, each of its programs started from nothing.
    is_first = page == ROOT / "README.md"
    if "tally reducer build" in page.read_text():
        # A reader was told to install the compiler.
        fetch_zig()
    # Whoever else uses this machine may have the ports that the page chose.
    typed = console_sessions.with_free_ports(console_sessions.commands(page.read_text()))
    done = run(typed, tmp_path, None if is_first else python)
    outputs = "".join(path.read_text() for path in sorted((tmp_path / "outputs").iterdir()))
    assert done.returncode == 0, done.stdout + done.stderr + outputs


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_links_to_exists(page: Path) -> None:
    local = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [link for link in local if not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_and_tests_that_a_page_points_at_exist(page: Path) -> None:
    pointers = POINTER.findall(page.read_text())
    missing = [(file, what) for file, what in pointers if not defines(ROOT / file, what)]
    assert missing == []


def defines(file: Path, what: str) -> bool:
    found = file.exists() and re.search(DEFINITION.format(what), file.read_text(), re.MULTILINE)
    return bool(found)


def test_every_money_rule_names_its_tests_or_says_that_it_is_not_kept() -> None:
    rules = MONEY_RULE.findall((ROOT / "docs" / "money-rules.md").read_text())
    assert [int(number) for number, _ in rules] == list(range(1, 29))
    for number, text in rules:
        has_test = any(what.startswith("test_") for _, what in POINTER.findall(text))
        assert has_test != ("Not kept yet." in text), number


@pytest.mark.parametrize("aim", AIMS, ids=lambda aim: str(aim.name))
def test_every_figure_of_the_benchmark_has_a_row_with_its_aim(aim: Aim) -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    aims = dict(re.findall(r"^\| ([^|]+) \|(?:[^|]*\|){3} (at [^|]+) \|", page, re.MULTILINE))
    bound = "at most" if aim.less_is_better else "at least"
    ratio = f"{aim.ratio:.2f}" if aim.ratio < 1 else f"{aim.ratio:.1f}"
    assert aims[aim.label] == f"{bound} {ratio}"


def test_make_targets_that_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {target for page in PAGES for target in MAKE_TARGET.findall(page.read_text())}
    assert named <= targets


def test_only_console_blocks_and_prompt_lines_are_commands() -> None:
    page = "```sh\n$ no\n```\n\n```console\n$ one \\\n  two\nits output\n$ three &\n```\n$ no\n"
    assert console_sessions.commands(page) == [Command("one two", False), Command("three", True)]


def test_a_port_of_a_page_is_the_same_free_one_throughout() -> None:
    typed = session("$ tally init bob --p2p-listen 127.0.0.1:7412", "$ init alice 7411 $B=h:7412")
    bob, alice = console_sessions.with_free_ports(typed)
    _, _, port = bob.text.rpartition(":")
    assert alice.text.endswith(f"$B=h:{port}")
    assert "7411" not in alice.text
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", int(port)))


def test_a_session_shares_one_shell_and_directory(tmp_path: Path) -> None:
    done = run(session("$ export WORD=hello", "$ echo $WORD > file", "$ cat file"), tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "hello"
    assert (tmp_path / "session" / "file").read_text() == "hello\n"


def test_a_session_stops_at_the_first_command_that_fails(tmp_path: Path) -> None:
    done = run(session("$ (exit 3)", "$ touch after"), tmp_path)
    assert done.returncode == 1
    assert "FAILED, exit 3: (exit 3)" in done.stdout
    assert not (tmp_path / "session" / "after").exists()


@pytest.mark.parametrize(
    "service",
    ["(sleep 0.2; echo ready; sleep 100)", "(sleep 0.2; echo ready; sleep 100) > out.json"],
    ids=["printing", "redirected"],
)
def test_a_background_command_is_waited_for_and_stopped(service: str, tmp_path: Path) -> None:
    started = time.monotonic()
    done = run(session(f"$ {service} &", "$ cat out.json ../outputs/*.txt || true"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready" in done.stdout.splitlines()
    assert time.monotonic() - started < 50


def test_a_background_command_gets_the_signals_and_its_exit_code_is_its_own(tmp_path: Path) -> None:
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0));"
    service = f"python3 -c '{program} print(1, flush=True); time.sleep(100)'"
    done = run(session(f"$ {service} &", "$ kill %1 && wait %1", "$ (exit 7)"), tmp_path)
    assert "FAILED, exit 7: (exit 7)" in done.stdout, done.stdout + done.stderr


def test_what_a_page_leaves_running_is_ended_after_it(tmp_path: Path) -> None:
    done = run(session("$ (echo $BASHPID; exec sleep 100) > pid &"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "session" / "pid").read_text()), 0)


def test_a_background_command_that_dies_fails_the_session(tmp_path: Path) -> None:
    done = run(session("$ (sleep 0.1; exit 4) &", "$ echo on"), tmp_path)
    assert done.returncode == 1
    assert "FAILED, exit 4" in done.stdout
