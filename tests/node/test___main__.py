"""`python -m node` is `tally`."""

import json
import os
import signal
import subprocess
import time
from importlib.metadata import entry_points, version
from pathlib import Path

from node.cli import main
from node.log_views.limits import QUERY_NICENESS
from node.processes import our_environment, our_python
from tests.support.recorded_nodes import demo


def test_the_module_runs_the_command_line() -> None:
    done = subprocess.run(
        our_python("node", "version", "--json"),
        capture_output=True,
        check=True,
        env=our_environment(),
    )
    assert json.loads(done.stdout)["tallystick"] == version("tallystick")


def test_the_installed_command_is_the_same() -> None:
    (tally,) = entry_points(group="console_scripts", name="tally")
    assert tally.load() is main


def test_a_question_runs_in_a_session_of_its_own_that_goes_after_all_others(
    tmp_path: Path,
) -> None:
    """Beside a daemon it must cost payments nothing; it ends with who typed it."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    alice = demo(tmp_path).alice.path
    typed = subprocess.Popen(
        our_python("node", "sql", endless, "--dir", str(alice), "--timeout", "600"),
        env=our_environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        asking = _asking(typed.pid)
        assert os.sched_getscheduler(asking) == os.SCHED_BATCH
        assert os.getpriority(os.PRIO_PROCESS, asking) == QUERY_NICENESS
        group = Path(f"/proc/{asking}/autogroup")
        if asking != typed.pid:
            assert os.getsid(asking) == asking
            assert group.read_text().split()[-1] == str(QUERY_NICENESS)
    finally:
        typed.terminate()
    assert typed.wait(30) == -signal.SIGTERM


def _asking(typed: int) -> int:
    """The process that asks, once it is what it will be."""
    children = Path(f"/proc/{typed}/task/{typed}/children")
    for _ in range(600):
        (asking,) = map(int, children.read_text().split() or [typed])
        if os.getpriority(os.PRIO_PROCESS, asking) == QUERY_NICENESS:
            # What is written last.
            group = Path(f"/proc/{asking}/autogroup")
            if asking == typed or group.read_text().split()[-1] == str(QUERY_NICENESS):
                return asking
        time.sleep(0.05)
    raise AssertionError("nobody asks")
