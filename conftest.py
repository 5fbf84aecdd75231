"""What holds for every test run: steady hypothesis settings, and no process left behind."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

RUN_MARK = "PYTEST_TALLYSTICK_RUN"
"""Environment variable that every process started by this run inherits."""

LEAVING_S = 10.0
"""How long a process may take to be gone after the last test."""

# A shared machine has slow moments: a deadline per example would only find those.
# Examples come from the test's own text: a run fails for what was changed, never by the draw.
settings.register_profile("tallystick", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("tallystick")


def pytest_configure(config: pytest.Config) -> None:
    """Mark this run; a worker of pytest-xdist inherits the mark of its controller.

    What was compiled is kept whatever the caller's environment says: to compile each test's
    assertions again took every worker fifteen seconds, and every daemon one.

    A shell starts what runs in its background with Ctrl-C ignored, and a child inherits that:
    programs that tests interrupt would go on.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        os.environ[RUN_MARK] = uuid.uuid4().hex
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Take what was collected out of the garbage collector's way."""
    keep_out_of_the_way()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """The same with what a file of tests leaves behind: its own modules, histories it shares."""
    done = yield
    if nextitem is not None and nextitem.path != item.path:
        keep_out_of_the_way()
    return done


def keep_out_of_the_way() -> None:
    """Have the garbage collector look no more at what is there now, after a last look.

    Closing a log collects garbage, and many tests close one: among all the tests and libraries of a
    worker that took a quarter of a second each time, and a tenth among what tests left behind.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name what failed when it fails: a run that is cut off prints no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nfailed: {report.nodeid}", flush=True)


def processes_of_this_run() -> dict[int, str]:
    """Process id and command line of everything this run started that still runs."""
    mark = f"{RUN_MARK}={os.environ[RUN_MARK]}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) == os.getpid() or mark not in (entry / "environ").read_bytes():
                continue
            if "\nState:\tZ" in (entry / "status").read_text():
                continue
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # gone meanwhile, or another user's
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Fail the run that leaves a process behind, and name it."""
    yield
    if hasattr(session.config, "workerinput") or not Path("/proc").is_dir():
        return
    give_up_at = time.monotonic() + LEAVING_S
    while (left := processes_of_this_run()) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    for process_id, command in left.items():
        print(f"\nleft running by the tests: {process_id} {command}")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
