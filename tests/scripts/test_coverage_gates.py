"""The coverage floors: what they add up, what they let pass and what they stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import coverage_gates


def entry(covered: int, total: int, branches: int = 0, total_branches: int = 0) -> dict[str, Any]:
    reached = covered + branches
    whole = total + total_branches
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": total,
            "missing_lines": total - covered,
            "covered_branches": branches,
            "num_branches": total_branches,
            "missing_branches": total_branches - branches,
            "percent_covered": 100.0 * reached / whole,
        }
    }


def report(**files: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("__", "/") + ".py": value for name, value in files.items()}
    return {"meta": {"branch_coverage": True}, "files": named}


def test_a_file_counts_for_the_first_room_that_fits_it() -> None:
    measured = coverage_gates.rooms(report(node__store__log=entry(9, 10), node__engine=entry(4, 5)))
    assert [(room.prefix, room.percent) for room in measured] == [
        ("node/store/", 90.0),
        ("node/", 80.0),
    ]


def test_branches_count_like_lines() -> None:
    (room,) = coverage_gates.rooms(report(protocols__state=entry(10, 10, 5, 10)))
    assert room.percent == 75.0
    assert not room.passes


def test_a_report_without_branches_is_refused() -> None:
    with pytest.raises(ValueError, match="without branch coverage"):
        coverage_gates.rooms({"meta": {"branch_coverage": False}, "files": {}})


@pytest.mark.parametrize(
    ("covered", "expected_code"), [(89, 1), (90, 0)], ids=["below the floor", "at the floor"]
)
def test_the_exit_code_says_whether_the_floor_holds(
    covered: int, expected_code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(report(protocols__channel=entry(covered, 100))))
    assert coverage_gates.main([str(path)]) == expected_code
    named = "protocols/channel.py" in capsys.readouterr().out
    assert named == (expected_code == 1)


def test_a_report_of_other_files_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(report(elsewhere__thing=entry(1, 1))))
    assert coverage_gates.main([str(path)]) == 1
