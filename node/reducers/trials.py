"""Messages through a reducer, and whether what came of them is what was expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.reducers.message_file import DigestExpectation, Message, MessageFile, TableExpectation
from node.reducers.values import to_json
from node.views.module import ReducerModule
from node.views.view import Verdict, View


@dataclass(frozen=True)
class Result:
    """What became of one message."""

    message: Message
    verdict: Verdict


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was expected to be."""

    line: int
    name: str
    """unexpected-refusal, unexpected-failure, not-refused, other-table, other-digest."""
    expected: Any
    found: Any


@dataclass
class Trial:
    """What came of a file."""

    results: list[Result] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tables: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    digest: bytes = b""


def run_trial(module: ReducerModule, file: MessageFile, path: Path | str = ":memory:") -> Trial:
    """Apply all messages and look at each expectation where it stands.

    Raises `ViewError` if the view cannot be made.
    """
    trial = Trial()
    with View(path, module) as view:
        for step in file.steps:
            if isinstance(step, Message):
                verdict = view.apply(len(trial.results), step.data, check=file.check)
                trial.results.append(Result(step, verdict))
                _compare_verdict(trial, step, verdict)
            elif isinstance(step, TableExpectation):
                _compare_table(trial, view, step)
            else:
                _compare_digest(trial, view, step)
        trial.tables = {name: list(view.rows(name)) for name in view.tables}
        trial.columns = {name: table.columns for name, table in view.tables.items()}
        trial.digest = view.digest
    return trial


def outcome(code: int, failure: str | None) -> str:
    """A verdict in words: ok, refused 3, or a failure's name."""
    return failure or (f"refused {code}" if code else "ok")


def _compare_verdict(trial: Trial, step: Message, verdict: Verdict) -> None:
    expected = outcome(step.code, step.failure)
    found = outcome(verdict.code, verdict.failure)
    if found == expected:
        return
    name = "unexpected-refusal" if verdict.code else "unexpected-failure"
    trial.findings.append(
        Finding(step.line, "not-refused" if verdict.is_applied else name, expected, found)
    )


def _compare_table(trial: Trial, view: View, step: TableExpectation) -> None:
    found = list(view.rows(step.table)) if step.table in view.tables else None
    if found != list(step.rows):
        expected = to_json([list(row) for row in step.rows])
        trial.findings.append(Finding(step.line, "other-table", expected, to_json(found)))


def _compare_digest(trial: Trial, view: View, step: DigestExpectation) -> None:
    if view.digest != step.digest:
        found = view.digest.hex()
        trial.findings.append(Finding(step.line, "other-digest", step.digest.hex(), found))
