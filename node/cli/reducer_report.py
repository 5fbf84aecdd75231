"""What `tally reducer` prints of trials and profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.cli.output import print_table, say

if TYPE_CHECKING:
    from node.reducers.message_file import MessageFile
    from node.reducers.profiles import MessageProfile
    from node.reducers.trials import Trial

MESSAGE_COLUMNS = ("line", "what became of it", "fuel", "steps", "rows", "message")
PROFILE_COLUMNS = ("line", "fuel", "steps", "us min", "median", "max", "message")
FINDING_COLUMNS = ("line", "finding", "expected", "found")
AMOUNT_SIZE_BYTES = 32
AMOUNT_SPARE_BYTES = 8
"""Zeros that an amount begins with, as a table shows it: no hash does."""
BRIEF_SIZE = 70
"""Characters of what was expected and of what was found."""


def trial_document(file: MessageFile, trial: Trial) -> dict[str, Any]:
    """A trial for programs."""
    from node.reducers.values import to_json

    messages = [
        {
            "line": result.message.line,
            "code": result.verdict.code,
            "failure": result.verdict.failure,
            "detail": result.verdict.detail,
            "fuel": result.verdict.fuel,
            "steps": result.verdict.steps,
            "change_count": result.verdict.change_count,
        }
        for result in trial.results
    ]
    tables = {
        name: {"columns": list(trial.columns[name]), "rows": to_json(rows)}
        for name, rows in trial.tables.items()
    }
    findings = [dict(finding.__dict__) for finding in trial.findings]
    return {
        "file": str(file.path),
        "messages": messages,
        "tables": tables,
        "digest": trial.digest.hex(),
        "findings": findings,
    }


def print_trial(file: MessageFile, trial: Trial) -> None:
    """A trial for people: what became of each message, the tables, what is not as expected."""
    from node.reducers.trials import outcome

    rows = [
        [
            result.message.line,
            outcome(result.verdict.code, result.verdict.failure),
            result.verdict.fuel,
            result.verdict.steps,
            result.verdict.change_count,
            result.message.text,
        ]
        for result in trial.results
    ]
    print_table(str(file.path), MESSAGE_COLUMNS, rows, "No messages.", cut_last=True)
    for name, table in trial.tables.items():
        say("")
        columns = trial.columns[name]
        numbers = [
            column
            for place, column in enumerate(columns)
            if all(type(row[place]) is int or _is_amount(row[place]) for row in table)
        ]
        shown = [[_cell(value) for value in row] for row in table]
        print_table(name, columns, shown, f"{name}: no rows.", right=numbers)
    say("")
    say(f"digest {trial.digest.hex()}")
    if trial.findings:
        say("")
        found = [
            [finding.line, finding.name, _brief(finding.expected), _brief(finding.found)]
            for finding in trial.findings
        ]
        print_table("Not as expected", FINDING_COLUMNS, found, "")
    say("")


def _brief(value: object) -> str:
    """As much as a table has room for: `--json` has all of it."""
    text = str(value)
    return text if len(text) <= BRIEF_SIZE else text[: BRIEF_SIZE - 1] + "…"


def _cell(value: object) -> object:
    """As a table shows it: 32 bytes as the amount or the hash that they are more likely to be."""
    if not isinstance(value, bytes):
        return value
    return f"{int.from_bytes(value, 'big'):,}" if _is_amount(value) else "0x" + value.hex()


def _is_amount(value: object) -> bool:
    if not isinstance(value, bytes) or len(value) != AMOUNT_SIZE_BYTES:
        return False
    return not any(value[:AMOUNT_SPARE_BYTES])


def profile_document(measured: MessageProfile) -> dict[str, Any]:
    """One message for programs."""
    from node.reducers.profiles import spread

    return {
        "line": measured.message.line,
        "message": measured.message.text,
        "code": measured.verdict.code,
        "failure": measured.verdict.failure,
        "fuel": measured.verdict.fuel,
        "steps": measured.verdict.steps,
        "time_us": spread(measured.times_us),
    }


def print_profile(title: str, rows: list[dict[str, Any]], fuel_budget: int) -> None:
    """A profile for people, of the documents of its messages."""
    table = [_profile_row(row) for row in rows]
    print_table(title, PROFILE_COLUMNS, table, "No messages.", cut_last=True)
    _say_totals(totals_of(rows), fuel_budget)


def _profile_row(row: dict[str, Any]) -> list[object]:
    times = row["time_us"]
    return [
        *(row["line"], row["fuel"], row["steps"]),
        *(times["min"], times["median"], times["max"], row["message"]),
    ]


def totals_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all messages: fuel, and the medians of their times."""
    from node.reducers.profiles import spread

    if not rows:
        return {"fuel": None, "time_us": None}
    times = spread([row["time_us"]["median"] for row in rows])
    return {"fuel": spread([row["fuel"] for row in rows]), "time_us": times}


def _say_totals(totals: dict[str, Any], fuel_budget: int) -> None:
    if totals["fuel"] is None:
        return
    fuel, times = totals["fuel"], totals["time_us"]
    say(f"fuel, min / median / max: {_three(fuel)} of {fuel_budget:,}")
    say(f"microseconds: {_three(times)}")
    say("")


def _three(found: dict[str, float]) -> str:
    return " / ".join(f"{found[name]:,.0f}" for name in ("min", "median", "max"))
