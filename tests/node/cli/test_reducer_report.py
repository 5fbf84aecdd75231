"""What `tally reducer` prints: what it is given, in the right columns. More is in test_reducer."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.cli.reducer_report import print_profile, print_trial, totals_of, trial_document
from node.reducers.message_file import read_message_file
from node.reducers.trials import run_trial
from tests.support import reducers


def test_a_message_that_steers_a_terminal_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text('{"message": ["\x7f\x9b2J", {"hex": ""}, 1], "failed": "trap-unreachable"}\n')
    file = read_message_file(path)
    trial = run_trial(reducers.scores(), file)
    print_trial(file, trial)
    printed = capsys.readouterr().out
    assert "\x9b" not in printed
    assert "\\x9b2J" in printed
    assert len(trial_document(file, trial)["messages"]) == 1


def test_totals_are_of_medians(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"min": 1.0, "median": 2.0, "max": 30.0}
    rows = [
        {"line": line, "fuel": fuel, "steps": 0, "message": "1", "time_us": times}
        for line, fuel in ((1, 100), (2, 300))
    ]
    assert totals_of(rows) == {
        "fuel": {"min": 100, "median": 200.0, "max": 300},
        "time_us": {"min": 2.0, "median": 2.0, "max": 2.0},
    }
    print_profile("title", rows, 1_000)
    assert "100 / 200 / 300 of 1,000" in capsys.readouterr().out
