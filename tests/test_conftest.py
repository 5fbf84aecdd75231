"""A run that leaves a process behind fails; the shell it was started from changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEAVES = """
import pathlib
import subprocess

def test_passes_and_leaves_a_process():
    null = subprocess.DEVNULL
    child = subprocess.Popen(["sleep", "60"], stdout=null, stderr=null, start_new_session=True)
    # The environment it is found by is there a moment after it began.
    while not pathlib.Path(f"/proc/{child.pid}/environ").read_bytes():
        pass
    child.returncode = 0
"""
ENDS = """
import subprocess

def test_passes_and_waits_for_its_process():
    subprocess.run(["sleep", "0"], check=True)
"""

INTERRUPTS = """
import signal
import subprocess

def test_interrupts_a_process():
    with subprocess.Popen(["sleep", "60"]) as child:
        child.send_signal(signal.SIGINT)
        try:
            assert child.wait(10) == -signal.SIGINT
        finally:
            child.kill()
"""


@pytest.mark.parametrize(
    ("body", "expected_code"), [(LEAVES, 1), (ENDS, 0)], ids=["left", "waited for"]
)
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["plain", "xdist"])
@pytest.mark.slow
def test_a_process_left_behind_fails_the_run(
    body: str, expected_code: int, workers: list[str], tmp_path: Path
) -> None:
    text = (ROOT / "conftest.py").read_text()
    assert text.count("LEAVING_S = 10.0\n") == 1
    (tmp_path / "conftest.py").write_text(text.replace("LEAVING_S = 10.0\n", "LEAVING_S = 1.0\n"))
    (tmp_path / "test_planted.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *workers]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    left = [line for line in done.stdout.splitlines() if line.startswith("left running")]
    for line in left:
        os.kill(int(line.split(": ")[1].split()[0]), signal.SIGKILL)
    assert done.returncode == expected_code, done.stdout + done.stderr
    assert len(left) == expected_code
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_what_a_file_of_tests_leaves_behind_is_not_looked_at_again(tmp_path: Path) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    leaves = "import sys\n\ndef test_leaves():\n    sys.left = [[]]\n"
    looks = "import gc, sys\n\ndef test_looks():\n    assert {asked}\n"
    is_seen = "any(one is sys.left for one in gc.get_objects())"
    (tmp_path / "test_a.py").write_text(leaves + looks.format(asked=is_seen))
    (tmp_path / "test_b.py").write_text(looks.format(asked=f"not {is_seen}"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "3 passed" in done.stdout, done.stdout


@pytest.mark.slow
def test_what_was_compiled_is_kept_whatever_the_caller_set(tmp_path: Path) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text("def test_nothing():\n    assert True\n")
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert len(list((tmp_path / "__pycache__").glob("test_planted.*.pyc"))) == 1


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["plain", "xdist"])
@pytest.mark.slow
def test_a_run_in_the_background_of_a_shell_can_interrupt_programs(
    workers: list[str], tmp_path: Path
) -> None:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text(INTERRUPTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers]
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
