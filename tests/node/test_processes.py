"""Children: their output, their end, and that none is left when we are gone."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node import processes
from node.processes import Child, clean_environment, free_port, free_ports

READY_THEN_WAIT = "import signal,time; {setup}; print('ready', flush=True); time.sleep(60)"


def start(tmp_path: Path, setup: str = "0") -> Child:
    code = READY_THEN_WAIT.format(setup=setup)
    child = Child([sys.executable, "-c", code], stderr_path=tmp_path / "stderr")
    assert child.stdout.readline() == "ready\n"
    return child


def is_running(process_id: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_child_is_stopped_with_sigterm(tmp_path: Path) -> None:
    child = start(tmp_path)
    assert child.exit_code is None
    assert child.stop() == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = start(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert child.stop(timeout_s=0.2) == -signal.SIGKILL


def test_kill_is_at_once(tmp_path: Path) -> None:
    child = start(tmp_path)
    child.kill()
    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_ends_by_itself_shows_its_code_and_its_last_words(tmp_path: Path) -> None:
    code = "import sys; [print(i, file=sys.stderr) for i in range(30)]; sys.exit(7)"
    child = Child([sys.executable, "-c", code], stderr_path=tmp_path / "stderr")
    assert child.wait(20) == 7
    assert child.stderr_tail(2) == "28\n29"
    assert child.stop() == 7


def test_a_child_stands_in_its_own_session(tmp_path: Path) -> None:
    child = start(tmp_path)
    try:
        assert os.getsid(child.process_id) == child.process_id != os.getsid(0)
    finally:
        child.stop()


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys,time; from pathlib import Path; from node.processes import Child\n"
        f"child = Child(['sleep', '60'], stderr_path=Path({str(tmp_path / 'stderr')!r}))\n"
        "print(child.process_id, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child_id = int(parent.stdout.readline())
    assert is_running(child_id)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    give_up_at = time.monotonic() + 30
    while is_running(child_id) and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not is_running(child_id)


def test_a_missing_executable_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child([tmp_path / "none"], stderr_path=tmp_path / "stderr")


def test_the_callers_settings_do_not_reach_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLY_CHAIN_URLS", "ws://elsewhere:1")
    environment = clean_environment(TALLY_PASSWORD_FILE="x")
    assert "TALLY_CHAIN_URLS" not in environment
    assert environment["TALLY_PASSWORD_FILE"] == "x"
    assert environment["PATH"] == os.environ["PATH"]


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
    assert 20_000 <= port < 32_000
    with pytest.raises(OSError, match="free port"):
        free_port("192.0.2.1")


def test_free_ports_differ_from_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([20_001, 20_002, 20_001, 20_003])
    monkeypatch.setattr(processes, "free_port", lambda: next(drawn))
    assert free_ports(3) == [20_001, 20_002, 20_003]
