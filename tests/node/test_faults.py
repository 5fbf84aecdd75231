"""Fault points: armed only when both the configuration and the environment say so."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from node.faults import FAULT_POINTS, FAULT_VARIABLE, Faults, faults_from

PROGRAM = """
import sys
from node.faults import faults_from
faults = faults_from({"TALLY_FAULT": sys.argv[1]}, allowed=True)
for number in range(1, 6):
    for name in ("before-write", "after-sync", "before-send", "after-send"):
        print(number, name, flush=True)
        faults.hit(name)
print("alive", flush=True)
"""


@pytest.mark.parametrize("name", FAULT_POINTS)
def test_the_process_kills_itself_at_the_hit_that_was_named(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"{name}:3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.splitlines()[-1] == f"3 {name}"


def test_a_point_that_is_passed_less_often_does_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "after-sync:6"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "alive")


def test_unarmed_points_may_be_passed_for_ever() -> None:
    faults = Faults()
    for name in FAULT_POINTS:
        for _ in range(1_000):
            faults.hit(name)


def test_nothing_is_armed_without_the_variable() -> None:
    for allowed in (True, False):
        faults = faults_from({"OTHER": "before-write:1"}, allowed=allowed)
        faults.hit("before-write")


def test_the_variable_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="fault_points is not true"):
        faults_from({FAULT_VARIABLE: "before-write:1"}, allowed=False)


@pytest.mark.parametrize(
    "text",
    [
        "before-write",
        "before-write:",
        "before-write:0",
        "before-write:-1",
        "before-write:one",
        "before-write:1:2",
        "before-write:1.5",
        "before write:1",
        "somewhere:1",
        ":1",
        ":",
        " ",
    ],
)
def test_what_names_no_point_or_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME:K"):
        faults_from({FAULT_VARIABLE: text}, allowed=True)
