"""The compiler is found wherever it was installed, or what to install is said."""

from __future__ import annotations

import importlib.util
import re
import stat
from pathlib import Path

import pytest

from node.reducer_compiler import ZIG_VERSION
from node.reducers import zig
from node.reducers.errors import CompileFailed, CompilerMissing, SourceMissing
from node.reducers.folders import find_reducer
from node.reducers.zig import build, find_zig, is_up_to_date
from node.views.module import load_module
from scripts.reducers import fetch_zig

SOURCE = """\
#include "app.h"
static void begin(Reply *reply) { (void)reply; }
static u32 take(Reader *message, Reply *reply) { return (void)message, (void)reply, 7; }
REDUCER(begin, take)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "reducer.c"
    path.write_text(SOURCE)
    return path


def executable(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a compiler."""
    monkeypatch.delenv(zig.ZIG_VARIABLE, raising=False)
    monkeypatch.setattr(zig, "_ROOT", tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return tmp_path


def test_without_a_compiler_what_to_install_is_named(elsewhere: Path, source: Path) -> None:
    with pytest.raises(CompilerMissing, match=r"pip install 'tallystick\[reducers\]'"):
        build(source)
    assert is_up_to_date(find_reducer(elsewhere)) is None


def test_a_compiler_is_found_by_name_in_the_clone_or_as_a_package(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = executable(elsewhere / "site" / "ziglang" / "zig")
    kept = executable(elsewhere / zig.CLONE_PLACE)
    spec = importlib.util.spec_from_file_location("ziglang", package.parent / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setenv(zig.ZIG_VARIABLE, str(executable(elsewhere / "mine")))
    assert find_zig() == elsewhere / "mine"
    monkeypatch.setenv(zig.ZIG_VARIABLE, str(elsewhere))
    with pytest.raises(CompilerMissing, match="not an executable file"):
        find_zig()
    monkeypatch.delenv(zig.ZIG_VARIABLE)
    assert find_zig() == kept
    kept.unlink()
    assert find_zig() == package


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\necho 0.11.0\n", r"is zig 0\.11\.0: another one gives other bytes"),
        ("#!/bin/sh\nexit 1\n", "is zig of no version"),
        ("no program", "does not run"),
    ],
)
def test_another_version_and_what_is_no_compiler_are_refused(
    elsewhere: Path, source: Path, text: str, reason: str
) -> None:
    executable(elsewhere / zig.CLONE_PLACE, text)
    with pytest.raises(CompilerMissing, match=reason):
        build(source)


def test_a_compiler_that_does_not_answer_is_not_waited_for(
    elsewhere: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(elsewhere / zig.CLONE_PLACE, "#!/bin/sh\nexec sleep 5\n")
    monkeypatch.setattr(zig, "COMPILE_TIMEOUT_S", 0.1)
    with pytest.raises(CompilerMissing, match="does not run"):
        build(source)


def test_a_source_that_is_not_there_is_named(elsewhere: Path) -> None:
    with pytest.raises(SourceMissing, match=r"no reducer at .*/none\.c"):
        build(elsewhere / "none.c")


def test_the_extra_has_the_version_that_is_asked_for() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert re.findall(r'reducers = \["ziglang==([\d.]+)"\]', project) == [ZIG_VERSION]


@pytest.mark.slow
def test_a_source_is_built_and_a_change_to_it_is_noticed(source: Path) -> None:
    fetch_zig()
    reducer = find_reducer(source.parent)
    reducer.module.write_bytes(build(source))
    assert load_module(reducer.module.read_bytes()).has_init
    assert is_up_to_date(reducer) is True
    source.write_text(SOURCE.replace("7", "8"))
    assert is_up_to_date(reducer) is False
    source.write_text(SOURCE.replace("7", "seven"))
    assert is_up_to_date(reducer) is False
    with pytest.raises(CompileFailed, match=r"reducer\.c:3:\d+: error: .*'seven'"):
        build(source)
