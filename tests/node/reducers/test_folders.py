"""A reducer is found by what somebody names, and a new one has all that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.reducers.errors import MessageFileInvalid, ModuleMissing, NameUnusable
from node.reducers.folders import (
    APPLICATIONS,
    find_reducer,
    make_reducer,
    message_files,
    read_module,
    shipped_or,
)
from node.reducers.message_file import read_message_file
from node.reducers.trials import run_trial
from node.reducers.zig import build
from node.views.limits import MODULE_SIZE_BYTES_MAX
from node.views.module import load_module
from scripts.reducers import fetch_zig


def test_a_folder_a_source_and_a_module_mean_the_same(tmp_path: Path) -> None:
    make_reducer(tmp_path / "nim")
    folder = tmp_path / "nim"
    found = find_reducer(folder)
    assert found == find_reducer(folder / "reducer.c") == find_reducer(folder / "reducer.wasm")
    assert (found.source, found.module) == (folder / "reducer.c", folder / "reducer.wasm")
    tests = [folder / "tests" / name for name in ("refusals.jsonl", "stakes.jsonl")]
    assert found.messages == (folder / "messages.jsonl", *tests)
    other = find_reducer(folder / "other.c")
    assert other.module == folder / "other.wasm"
    assert find_reducer(tmp_path / "none" / "a.c").messages == ()


def test_named_messages_come_instead_of_the_folders_own(tmp_path: Path) -> None:
    make_reducer(tmp_path / "nim")
    found = find_reducer(tmp_path / "nim")
    assert message_files(found, []) == list(found.messages)
    assert message_files(found, [tmp_path / "mine"]) == [tmp_path / "mine"]
    with pytest.raises(MessageFileInvalid, match="there are no messages"):
        message_files(find_reducer(tmp_path), [])


def test_a_module_that_was_not_built_is_named_and_a_large_one_not_read_whole(
    tmp_path: Path,
) -> None:
    found = find_reducer(tmp_path)
    with pytest.raises(ModuleMissing, match="tally reducer build"):
        read_module(found)
    found.module.write_bytes(bytes(MODULE_SIZE_BYTES_MAX + 1_000))
    assert len(read_module(found)) == MODULE_SIZE_BYTES_MAX + 1


@pytest.mark.parametrize("name", ["Nim", "a b", "1st", "", "ä", "a" * 65, "..", "nim.c"])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NameUnusable, match="is no name|there already"):
        make_reducer(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "nim").mkdir()
    with pytest.raises(NameUnusable, match="there already"):
        make_reducer(tmp_path / "nim")
    assert list((tmp_path / "nim").iterdir()) == []


def test_a_new_reducer_has_its_name_in_all_its_files(tmp_path: Path) -> None:
    written = make_reducer(tmp_path / "sticks-2")
    assert [str(path.relative_to(tmp_path / "sticks-2")) for path in written] == [
        *("README.md", "messages.jsonl", "reducer.c", "tests/refusals.jsonl"),
        "tests/stakes.jsonl",
    ]
    text = "".join(path.read_text() for path in written)
    assert "NAME" not in text
    assert "# sticks-2" in text
    assert "/* sticks-2:" in text


@pytest.mark.slow
def test_a_new_reducer_builds_and_its_messages_are_as_expected(tmp_path: Path) -> None:
    fetch_zig()
    make_reducer(tmp_path / "nim")
    found = find_reducer(tmp_path / "nim")
    module = load_module(build(found.source))
    trials = [run_trial(module, read_message_file(path)) for path in found.messages]
    assert [trial.findings for trial in trials] == [[], [], []]
    assert [len(trial.results) for trial in trials] == [12, 18, 1]


def test_what_ships_is_found_by_its_name_unless_something_else_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in APPLICATIONS.glob("*/reducer.c"):
        assert shipped_or(Path(folder.parent.name)) == folder.parent
    for other in (Path("chess"), Path("./a/board"), tmp_path / "board", Path(".."), Path()):
        assert shipped_or(other) == other
    (tmp_path / "board").mkdir()
    assert shipped_or(Path("board")) == Path("board")
