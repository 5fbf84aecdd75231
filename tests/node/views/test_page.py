"""docs/views.md says what the code does: its example runs, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node.views import limits
from node.views.errors import Failure
from node.views.limits import Budget
from node.views.module import EXPORTS, IMPORTS, OPTIONAL_EXPORTS
from node.views.statements import FUNCTIONS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "views.md").read_text()


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def section(title: str) -> str:
    (text,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python"), "docs/views.md", "exec"), {"text": block("wat")})
    rows, digest = capsys.readouterr().out.splitlines()
    assert f"# {rows}" in block("python")
    assert len(bytes.fromhex(digest)) == 32


def test_every_failure_is_told_once() -> None:
    told = re.findall(
        r"`([a-z0-9-]+)`", re.sub(r"\|[^|\n]*\|$", "", section("Failures"), flags=re.M)
    )
    names = [name for name in told if "-" in name]
    assert sorted(names) == sorted(failure.value for failure in Failure)


def test_the_budget_is_told_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", section("Limits"), re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == {
        name: getattr(Budget(), name) for name in Budget.__struct_fields__
    }
    for bound in (
        limits.MODULE_SIZE_BYTES_MAX,
        limits.MODULE_DATA_BYTES_MAX,
        limits.MODULE_FUNCTION_COUNT_MAX,
    ):
        assert f"{bound:,}" in section("Limits")
    assert f"more than {limits.TABLE_COUNT_MAX} tables, or {limits.COLUMN_COUNT_MAX}" in PAGE


def test_the_functions_are_told_as_they_are() -> None:
    (listed,) = re.findall(r"may be called: (.*?)\.", section("Tables"), re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == FUNCTIONS


def test_what_a_module_exports_and_imports_is_told() -> None:
    text = section("What crosses the border")
    for name in ("memory", *EXPORTS, *OPTIONAL_EXPORTS, *IMPORTS):
        assert f"`{name}" in text
