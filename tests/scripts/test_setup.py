"""Setting up: each missing thing is named with what to do, and nothing runs after a failure."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from scripts import setup


def test_an_old_python_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    with pytest.raises(setup.SetupError, match=r"3\.10 is too old.*apt-get install python3"):
        setup.check_python()


def test_a_missing_venv_module_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(setup.SetupError, match="apt-get install python3-venv"):
        setup.check_python()


def test_a_failing_command_shows_its_last_lines_and_what_to_do() -> None:
    command = [sys.executable, "-c", "print('the cause'); raise SystemExit(1)"]
    with pytest.raises(setup.SetupError) as caught:
        setup.run(command, "Do this.")
    assert "the cause" in str(caught.value)
    assert "Do this." in str(caught.value)


def test_the_first_failure_ends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> str:
        raise setup.SetupError("the thing is missing")

    ran: list[str] = []
    steps = [("first", fails), ("second", lambda: ran.append("second") or "done")]
    monkeypatch.setattr(setup, "STEPS", steps)
    monkeypatch.setattr(setup, "DONE", tmp_path / "done")
    assert setup.main() == 1
    printed = capsys.readouterr()
    assert printed.out == "[1/2] first ... failed\n"
    assert "the thing is missing" in printed.err
    assert ran == []
    assert not (tmp_path / "done").exists()


def test_all_steps_done_leaves_the_mark_that_make_looks_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "STEPS", [("only", lambda: "made")])
    monkeypatch.setattr(setup, "DONE", tmp_path / "done")
    assert setup.main() == 0
    assert capsys.readouterr().out.startswith("[1/1] only ... made (")
    assert (tmp_path / "done").exists()


def test_anvil_that_is_there_is_not_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "anvil").write_text("")
    (tmp_path / "bin" / "anvil.version").write_text(setup.ANVIL_VERSION)
    monkeypatch.setattr(setup, "TOOLS", tmp_path)
    assert setup.install_anvil() == "already there"


def test_the_lock_names_versions_and_hashes_but_no_address() -> None:
    text = setup.LOCK.read_text()
    assert "://" not in text
    assert "--only-binary :all:" in text
    entries = text.replace("\\\n", "").splitlines()
    pins = [line for line in entries if line and not line.startswith(("#", "--"))]
    assert len(pins) > 80
    assert [line.split(" ")[0] for line in pins if "==" not in line or "--hash=" not in line] == []


def test_the_lock_holds_every_version_that_the_project_asks_for() -> None:
    project = tomllib.loads((setup.ROOT / "pyproject.toml").read_text())["project"]
    asked = {*project["dependencies"], *project["optional-dependencies"]["dev"]}
    pinned = set(re.findall(r"^([\w-]+==[\w.]+)", setup.LOCK.read_text(), re.MULTILINE))
    assert asked <= pinned
