"""The soak's rows are commands anybody can repeat, and its page says what came of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import soak


def test_every_row_names_files_that_exist() -> None:
    for run in soak.RUNS:
        for word in run.command:
            if word.startswith("tests/"):
                assert (soak.REPOSITORY / word).exists(), (run.name, word)


def test_a_row_is_printed_as_a_person_types_it() -> None:
    run = soak.pytest_run("x", "what", 4, "tests/protocols/test_abi.py")
    assert run.line() == "TALLY_SOAK=4 python -m pytest -q tests/protocols/test_abi.py"
    assert soak.Run("y", "what", 1, ("tally", "demo")).line() == "tally demo"
    assert soak.Run("z", "what", 1, ("pytest", "-k", "a or b")).line() == "pytest -k 'a or b'"


def test_a_run_tells_whether_it_passed_and_what_it_printed() -> None:
    program = "import os, sys; print('factor', os.environ['TALLY_SOAK']); sys.exit({code})"
    for code in (0, 3):
        command = (sys.executable, "-c", program.format(code=code))
        ok, took_s, printed = soak.execute(soak.Run("x", "what", 7, command))
        assert (ok, printed) == (code == 0, "factor 7\n")
        assert took_s > 0


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert soak.last_line("one\n=== 3 passed in 2 s ===\n\n") == "3 passed in 2 s"
    assert soak.last_line("\n") == ""


def test_the_page_holds_every_row_and_the_whole_output_of_some() -> None:
    rows = {run.name: f"| {run.name} | b | c | d | 1 | 3 passed |" for run in soak.RUNS}
    page = soak.page(dict(reversed(rows.items())), {})
    assert page.startswith("# Soak\n")
    assert page.splitlines()[-len(rows) :] == list(rows.values())
    assert rows.items() <= soak.rows_of(page).items()
    printed = {"simulator": "met:\n  3  kill\n\n1 seed", "flips": "nothing"}
    page = soak.page(rows, {name: f"{text}\n" for name, text in printed.items()})
    assert soak.printed_of(page) == printed
    assert [run.name for run in soak.RUNS if run.is_shown] == ["simulator"]


def test_one_row_alone_writes_no_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = soak.Run("only", "what", 1, (sys.executable, "-c", "print('done')"))
    monkeypatch.setattr(soak, "RUNS", (row,))
    monkeypatch.setattr(sys, "argv", ["soak", "--only", "only"])
    before = soak.PAGE.read_bytes() if soak.PAGE.exists() else None
    assert soak.main() == 0
    assert (soak.PAGE.read_bytes() if soak.PAGE.exists() else None) == before
    assert "done" in capsys.readouterr().out


def test_one_row_run_again_takes_its_place_in_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, other = (soak.Run(name, "what", 1, (sys.executable, "-V")) for name in ("one", "other"))
    monkeypatch.setattr(soak, "RUNS", (one, other))
    monkeypatch.setattr(soak, "PAGE", tmp_path / "soak.md")
    kept, old = "| one | kept | x | c0ffee | 1 | passed |", "| other | old | x | c0ffee | 1 | x |"
    soak.PAGE.write_text(soak.page({"one": kept, "other": old}, {"one": "kept"}))
    monkeypatch.setattr(sys, "argv", ["soak", "--only", "other", "--write"])
    assert soak.main() == 0
    rows = soak.rows_of(soak.PAGE.read_text())
    assert rows["one"] == kept
    assert f"| {soak.commit()} |" in rows["other"]
    assert soak.printed_of(soak.PAGE.read_text()) == {"one": "kept"}
