"""Bars for a person, silence for a program."""

import pytest

from node.cli.demo_progress import demo_progress


def play(quiet: bool) -> None:
    with demo_progress(quiet) as progress:
        progress.step("First")
        progress.count(1, 2)
        progress.step("Second")


def test_a_person_sees_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    play(quiet=False)
    out = capsys.readouterr().out
    assert "First" in out
    assert "1 of 2" in out
    assert "Second" in out


def test_a_program_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    play(quiet=True)
    assert capsys.readouterr() == ("", "")


def failing() -> None:
    with demo_progress(quiet=False) as progress:
        progress.step("First")
        raise ZeroDivisionError


def test_bars_stop_when_the_run_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        failing()
    assert "First" in capsys.readouterr().out
