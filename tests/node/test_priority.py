"""Who goes after others does so as a session, ends with who started it, and naps."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.priority import BRIEF_S, NAP_INTERVAL_S, GivingWay
from node.processes import our_environment

GIVES_WAY = """
import json, os
from pathlib import Path
from node.priority import give_way
give_way(10)
group = Path("/proc/self/autogroup")
print(json.dumps([os.nice(0), os.sched_getscheduler(0), group.exists() and group.read_text()]))
"""
APART = """
import os, sys, time
from node.priority import go_on_apart
go_on_apart()
{first}
print(os.getpid(), os.getsid(0), flush=True)
{rest}
"""


def run(code: str, *, leads: bool) -> Any:
    """What a process of that code prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=our_environment(),
        start_new_session=leads,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


@contextmanager
def apart(rest: str, first: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that went on apart, and the id of the one it is now."""
    process = subprocess.Popen(
        [sys.executable, "-c", APART.format(rest=rest, first=first)],
        env=our_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None, "a pipe"
        now, session = map(int, process.stdout.readline().split())
        assert (now != process.pid) == (session == now), "a new process leads its session"
        yield process, now
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def is_gone(process_id: int) -> bool:
    for _ in range(400):
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_session_of_its_own_gives_way_as_a_whole() -> None:
    niceness, policy, group = run(GIVES_WAY, leads=True)
    assert (niceness, policy) == (min(19, os.nice(0) + 10), os.SCHED_BATCH)
    assert not group or group.split()[-1] == "10"


def test_nobody_elses_session_gives_way() -> None:
    before = Path("/proc/self/autogroup")
    expected = before.exists() and before.read_text()
    niceness, policy, group = run(GIVES_WAY, leads=False)
    assert (niceness, policy, group) == (min(19, os.nice(0) + 10), os.SCHED_BATCH, expected)


@pytest.mark.parametrize("end", ["sys.exit(3)", "os.kill(os.getpid(), 9)"])
def test_it_ends_as_who_went_on_apart_ends(end: str) -> None:
    with apart(end) as (process, now):
        assert now != process.pid
        assert process.wait(20) == (3 if "exit" in end else -9)


def test_signals_reach_who_went_on_apart() -> None:
    first = "import signal; signal.signal(signal.SIGINT, lambda *_: sys.exit(7))"
    with apart("time.sleep(60)", first) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 7
    with apart("time.sleep(60)") as (process, now):
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM
        assert is_gone(now)


def test_who_went_on_apart_does_not_outlive_who_started_it() -> None:
    with apart("time.sleep(60)") as (process, now):
        process.kill()
        process.wait()
        assert is_gone(now)


def test_both_stop_and_go_on_together() -> None:
    def state(process_id: int) -> str:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def both_are(process_ids: tuple[int, int], wanted: bool) -> bool:
        for _ in range(400):
            if all((state(one) == "T") == wanted for one in process_ids):
                return True
            time.sleep(0.05)
        return False

    with apart("time.sleep(60)") as (process, now):
        process.send_signal(signal.SIGTSTP)
        assert both_are((process.pid, now), True)
        process.send_signal(signal.SIGCONT)
        assert both_are((process.pid, now), False)


def test_one_that_computes_lets_go_of_its_core_every_few_milliseconds() -> None:
    now_s, naps = time.monotonic(), GivingWay()
    let_go = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    for _ in range(1_000):
        naps.at(now_s)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw == let_go
    for _ in range(10):
        naps.at(time.monotonic() + NAP_INTERVAL_S)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - let_go >= 10


GIVES_WAY_LATER = """
import json, os, time
from node.priority import BRIEF_S, GivingWay
giving_way, began_s, found = GivingWay(7), time.monotonic(), []
for after_s in (BRIEF_S / 2, BRIEF_S * 1.1):
    giving_way.at(began_s + after_s)
    found.append(os.nice(0))
print(json.dumps(found))
"""


def test_only_what_takes_long_goes_after_others() -> None:
    before = os.nice(0)
    assert run(GIVES_WAY_LATER, leads=True) == [before, min(19, before + 7)]
    late = GivingWay()
    late.at(time.monotonic() + 2 * BRIEF_S)
    assert os.nice(0) == before, "a process that does more stays as it is"


def test_the_first_nap_is_not_before_its_time() -> None:
    naps = GivingWay()
    let_go = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    for _ in range(1_000):
        naps.at(naps._last_s + NAP_INTERVAL_S / 2)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - let_go <= 5
