"""Compare a coverage report with the floors of each room.

Reads the JSON that coverage.py writes (branch coverage on). A floor is a share of lines and
branches together, over all files of the room: `protocols/` and `node/store/` hold the money and
the log, so they have the highest one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOORS: tuple[tuple[str, float], ...] = (
    ("protocols/", 90.0),
    ("node/store/", 90.0),
    ("node/", 80.0),
    ("contracts/", 80.0),
)
"""Path prefix and least percentage; a file counts for the first prefix that fits it."""


@dataclass(frozen=True)
class Room:
    """What was reached of one room: statements and branches, summed over its files."""

    prefix: str
    floor_percent: float
    covered_count: int
    total_count: int

    @property
    def percent(self) -> float:
        """Share reached, 100 for a room without a line of code."""
        return 100.0 * self.covered_count / self.total_count if self.total_count else 100.0

    @property
    def passes(self) -> bool:
        """True if the room is at its floor or above."""
        return self.percent >= self.floor_percent


def rooms(report: Mapping[str, Any]) -> list[Room]:
    """Sum a coverage.py JSON report by room; a room no file belongs to is left out."""
    if not report["meta"]["branch_coverage"]:
        raise ValueError("the report was made without branch coverage")
    counts = {prefix: [0, 0] for prefix, _ in FLOORS}
    for path, entry in report["files"].items():
        prefix = next((prefix for prefix, _ in FLOORS if path.startswith(prefix)), None)
        if prefix is None:
            continue
        summary = entry["summary"]
        counts[prefix][0] += summary["covered_lines"] + summary["covered_branches"]
        counts[prefix][1] += summary["num_statements"] + summary["num_branches"]
    return [
        Room(prefix, floor, *counts[prefix]) for prefix, floor in FLOORS if counts[prefix][1] > 0
    ]


def worst_files(report: Mapping[str, Any], prefix: str, count: int = 8) -> list[str]:
    """The files of a room with the most unreached lines and branches, worst first."""
    gaps: list[tuple[int, str]] = []
    for path, entry in report["files"].items():
        summary = entry["summary"]
        gap = summary["missing_lines"] + summary["missing_branches"]
        if path.startswith(prefix) and gap:
            gaps.append((gap, f"{path}: {summary['percent_covered']:.1f} %"))
    return [text for _, text in sorted(gaps, reverse=True)[:count]]


def main(arguments: list[str]) -> int:
    """Print every room beside its floor; 0 when all pass, 1 when one does not."""
    if len(arguments) != 1:
        print("usage: coverage_gates.py COVERAGE_JSON", file=sys.stderr)
        return 2
    report = json.loads(Path(arguments[0]).read_text())
    measured = rooms(report)
    if not measured:
        print("the report holds none of the project's files", file=sys.stderr)
        return 1
    for room in measured:
        verdict = "ok" if room.passes else "TOO LOW"
        print(f"{room.prefix:<14} {room.percent:5.1f} % (floor {room.floor_percent:.0f}) {verdict}")
        if not room.passes:
            for line in worst_files(report, room.prefix):
                print(f"    {line}")
    return 0 if all(room.passes for room in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
