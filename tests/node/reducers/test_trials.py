"""A trial finds what is not as it was expected, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.reducers.message_file import read_message_file
from node.reducers.trials import Trial, outcome, run_trial
from node.views.encoding import uint256
from node.views.module import ReducerModule
from tests.support import reducers

ALICE = '{"hex": "0a"}'


def run(folder: Path, *lines: str, module: ReducerModule | None = None) -> Trial:
    path = folder / "messages.jsonl"
    path.write_text("\n".join(lines))
    return run_trial(module or reducers.scores(), read_message_file(path))


def findings(trial: Trial) -> list[tuple[int, str, Any, Any]]:
    return [(found.line, found.name, found.expected, found.found) for found in trial.findings]


def test_what_is_as_expected_is_no_finding(tmp_path: Path) -> None:
    trial = run(
        tmp_path,
        f"[0, {ALICE}, 5]",
        f'{{"message": [1, {ALICE}, 9], "refused": 9}}',
        f'{{"message": [2, {ALICE}, 9], "failed": "trap-unreachable"}}',
        f'{{"table": "scores", "rows": [[{ALICE}, 5]]}}',
        '{"table": "notes", "rows": []}',
    )
    assert trial.findings == []
    verdicts = [result.verdict for result in trial.results]
    assert [outcome(one.code, one.failure) for one in verdicts] == [
        *("ok", "refused 9", "trap-unreachable")
    ]
    assert trial.tables == {"notes": [], "scores": [(b"\x0a", 5)]}
    assert trial.columns["scores"] == ("player", "points")
    again = run(tmp_path, f"[0, {ALICE}, 5]", f'{{"digest": "{trial.digest.hex()}"}}')
    assert again.findings == []


def test_what_is_otherwise_is_found_with_its_line(tmp_path: Path) -> None:
    trial = run(
        tmp_path,
        f"[1, {ALICE}, 9]",
        f"[2, {ALICE}, 9]",
        f'{{"message": [0, {ALICE}, 1], "refused": 3}}',
        f'{{"message": [1, {ALICE}, 4], "refused": 3}}',
        '{"table": "scores", "rows": []}',
        '{"table": "none", "rows": []}',
        f'{{"digest": "{"00" * 32}"}}',
    )
    assert findings(trial) == [
        (1, "unexpected-refusal", "ok", "refused 9"),
        (2, "unexpected-failure", "ok", "trap-unreachable"),
        (3, "not-refused", "refused 3", "ok"),
        (4, "unexpected-refusal", "refused 3", "refused 4"),
        (5, "other-table", [], [[{"hex": "0a"}, 1]]),
        (6, "other-table", [], None),
        (7, "other-digest", "00" * 32, trial.digest.hex()),
    ]


PAYOUTS = (
    "CREATE TABLE payouts (participant INTEGER PRIMARY KEY, amount BLOB) STRICT, WITHOUT ROWID"
)
INSERT = "INSERT OR REPLACE INTO payouts VALUES (?, ?)"


@pytest.mark.parametrize(
    ("rows", "is_whole"),
    [
        ([[0, uint256(60)], [1, uint256(40)]], True),
        ([[0, uint256(100)], [1, uint256(0)]], True),
        ([[0, uint256(61)], [1, uint256(40)]], False),
        ([[0, uint256(100)]], False),
        ([[0, uint256(60)], [2, uint256(40)]], False),
        ([[0, uint256(50)], [1, uint256(50)], [2, uint256(0)]], False),
        ([[0, None], [1, uint256(100)]], False),
        ([], False),
    ],
)
def test_payouts_that_do_not_sum_to_the_deposits_are_found(
    tmp_path: Path, rows: list[list[Any]], is_whole: bool
) -> None:
    paying = reducers.answering(reducers.writes((INSERT, rows)), PAYOUTS)
    trial = run(
        tmp_path,
        '{"app": {"deposits": ["60", "40"]}}',
        '{"from": 0, "payload": 1}',
        module=reducers.module(paying),
    )
    # After the opening, which this reducer takes for a message, and after the message.
    found = [(found.line, found.name, found.found) for found in trial.findings]
    unbalanced = [(line, "unexpected-failure", "payouts-unbalanced") for line in (1, 2)]
    assert found == ([] if is_whole else unbalanced)


def test_payouts_in_another_form_are_found(tmp_path: Path) -> None:
    table = "CREATE TABLE payouts (participant INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID"
    paying = reducers.answering(
        reducers.writes(("INSERT OR REPLACE INTO payouts VALUES (?)", [[0], [1]])), table
    )
    lines = ('{"app": {"deposits": ["60", "40"]}}', '{"from": 0, "payload": 1}')
    trial = run(tmp_path, *lines, module=reducers.module(paying))
    assert [found.found for found in trial.findings] == ["payouts-unbalanced"] * 2
