"""`tally reducer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.reducers import zig
from node.reducers.replays import Replay
from scripts.reducers import fetch_zig
from tests.support import reducers

LINES = """\
[0, {"hex": "0a"}, 5]
{"message": [1, {"hex": "0a"}, 9], "refused": 9}
{"table": "scores", "rows": [[{"hex": "0a"}, 5]]}
"""
Json = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reducer that was built, without a source."""
    (tmp_path / "reducer.wasm").write_bytes(reducers.binary(reducers.SCORES))
    (tmp_path / "messages.jsonl").write_text(LINES)
    return tmp_path


@pytest.mark.slow
def test_from_a_new_reducer_to_a_checked_one(tally, tally_json: Json, tmp_path: Path) -> None:
    fetch_zig()
    folder = tmp_path / "nim"
    made = tally_json("reducer", "new", folder)
    assert made["folder"] == str(folder)
    assert str(folder / "reducer.c") in made["written"]
    built = tally_json("reducer", "build", folder)
    assert built["size_bytes"] == (folder / "reducer.wasm").stat().st_size
    assert built["compiler"] == "zig 0.17.0"
    again = tally_json("reducer", "build", folder / "reducer.c")
    assert again["code_hash"] == built["code_hash"]
    tested = tally_json("reducer", "test", folder)
    assert (tested["finding_count"], tested["is_up_to_date"]) == (0, True)
    assert tested["code_hash"] == built["code_hash"]
    assert "All as expected: 31 messages." in tally("reducer", "test", folder).stdout
    source = (folder / "reducer.c").read_text()
    (folder / "reducer.c").write_text(source.replace("MOST = 3", "MOST = 2"))
    assert "The source has changed" in tally("reducer", "test", folder).stdout
    tally_json("reducer", "build", folder)
    assert tally_json("reducer", "test", folder, exit_code=3)["finding_count"] > 0


@pytest.mark.slow
def test_a_source_that_does_not_compile_shows_the_compilers_words(
    tally, tally_json: Json, tmp_path: Path
) -> None:
    fetch_zig()
    (tmp_path / "reducer.c").write_text('#include "app.h"\nint x = y;\n')
    failed = tally_json("reducer", "build", tmp_path, exit_code=1)["error"]
    assert failed["name"] == "COMPILE_FAILED"
    assert "reducer.c:2:9: error: use of undeclared identifier 'y'" in failed["message"]
    assert not (tmp_path / "reducer.wasm").exists()
    (tmp_path / "reducer.c").write_text('#include "app.h"\n')
    failed = tally_json("reducer", "build", tmp_path, exit_code=1)["error"]
    assert failed["name"] == "MODULE_REFUSED"
    assert "module-export-missing" in failed["message"]
    assert not (tmp_path / "reducer.wasm").exists()


def test_without_a_compiler_the_command_that_brings_it_is_said(
    tally, tally_json: Json, tmp_path: Path
) -> None:
    (tmp_path / "reducer.c").touch()
    nowhere = {zig.ZIG_VARIABLE: str(tmp_path / "zig")}
    failed = tally_json("reducer", "build", tmp_path, exit_code=1, **nowhere)["error"]
    assert failed["name"] == "COMPILER_MISSING"
    assert zig.ZIG_VARIABLE in failed["message"]


@pytest.mark.parametrize("command", ["test", "check", "profile"])
def test_what_is_missing_or_wrong_is_named(tally_json: Json, tmp_path: Path, command: str) -> None:
    def failed(*more: object) -> str:
        return str(tally_json("reducer", command, tmp_path, *more, exit_code=1)["error"]["name"])

    assert failed() == "MODULE_MISSING"
    module = tmp_path / "reducer.wasm"
    module.write_bytes(b"nonsense")
    assert failed() == "MODULE_REFUSED"
    module.write_bytes(reducers.binary(reducers.SCORES))
    assert failed() == "MESSAGE_FILE_INVALID"
    assert failed(tmp_path / "none.jsonl") == "OS_ERROR"
    (tmp_path / "messages.jsonl").write_text("[")
    assert failed() == "MESSAGE_FILE_INVALID"


def test_a_reducer_that_cannot_begin_is_named(tally_json: Json, folder: Path) -> None:
    broken = reducers.writing("SELECT 1", init=("CREATE TABLE t (a INTEGER)",))
    (folder / "reducer.wasm").write_bytes(reducers.binary(broken))
    failed = tally_json("reducer", "test", folder, exit_code=1)["error"]
    assert failed["name"] == "REDUCER_FAILED"
    assert "table-not-strict" in failed["message"]


def test_a_trial_shows_messages_tables_and_digest(tally, tally_json: Json, folder: Path) -> None:
    told = tally("reducer", "test", folder).stdout
    assert "refused 9" in told
    assert "0x0a" in told
    assert "All as expected: 2 messages." in told
    found = tally_json("reducer", "test", folder)
    assert (found["finding_count"], found["is_up_to_date"]) == (0, None)
    (file,) = found["files"]
    assert [message["code"] for message in file["messages"]] == [0, 9]
    assert file["tables"]["scores"] == {
        "columns": ["player", "points"],
        "rows": [[{"hex": "0a"}, 5]],
    }
    assert file["digest"] in told


def test_a_finding_is_shown_and_ends_with_3(tally, tally_json: Json, folder: Path) -> None:
    (folder / "messages.jsonl").write_text('[1, {"hex": "0a"}, 9]\n')
    done = tally("reducer", "test", folder)
    assert done.exit_code == 3
    assert "unexpected-refusal" in done.stdout
    assert "All as expected" not in done.stdout
    found = tally_json("reducer", "test", folder, exit_code=3)
    assert found["files"][0]["findings"] == [
        {"line": 1, "name": "unexpected-refusal", "expected": "ok", "found": "refused 9"}
    ]


def test_an_amount_and_a_hash_are_shown_as_what_they_are(tally, folder: Path) -> None:
    values = [[0, (1_000).to_bytes(32, "big")], [1, b"\xff" * 32], [2, "plain"], [3, None]]
    table = "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB, w TEXT) STRICT, WITHOUT ROWID"
    rows = [
        [key, None, value] if isinstance(value, str) else [key, value, None]
        for key, value in values
    ]
    module = reducers.answering(reducers.writes(("INSERT INTO t VALUES (?, ?, ?)", rows)), table)
    (folder / "reducer.wasm").write_bytes(reducers.binary(module))
    (folder / "messages.jsonl").write_text("1\n")
    told = tally("reducer", "test", folder).stdout
    assert "1,000" in told
    assert "0x" + "ff" * 32 in told
    assert "plain" in told


@pytest.mark.slow
def test_replays_in_fresh_processes_are_equal(tally, tally_json: Json, folder: Path) -> None:
    found = tally_json("reducer", "check", folder, "--count", 4)
    assert found["is_equal"] is True
    (file,) = found["files"]
    tested = tally_json("reducer", "test", folder)["files"][0]
    assert (file["replay_count"], file["digest"]) == (4, tested["digest"])
    assert "2 replays, all equal" in tally("reducer", "check", folder, "--count", 2).stdout


def test_replays_that_differ_are_told_and_end_with_3(
    tally, tally_json: Json, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    different = [Replay("memory", "aa", "00"), Replay("file", "aa", "01")]
    monkeypatch.setattr("node.reducers.replays.replay_many", lambda *_: iter(different))
    found = tally_json("reducer", "check", folder, exit_code=3)
    assert found["is_equal"] is False
    assert found["files"][0]["different_count"] == 2
    done = tally("reducer", "check", folder)
    assert "2 different results" in done.stdout
    assert done.exit_code == 3


def test_a_profile_has_fuel_and_time_of_each_message(tally, tally_json: Json, folder: Path) -> None:
    found = tally_json("reducer", "profile", folder, "--runs", 2)
    assert (found["runs"], found["fuel_budget"]) == (2, 10_000_000)
    (file,) = found["files"]
    fuel = [message["fuel"] for message in file["messages"]]
    assert (file["fuel"]["min"], file["fuel"]["max"]) == (min(fuel), max(fuel))
    assert all(message["time_us"]["min"] > 0 for message in file["messages"])
    told = tally("reducer", "profile", folder).stdout
    assert "fuel, min / median / max:" in told
    (folder / "messages.jsonl").write_text("# none\n")
    assert tally_json("reducer", "profile", folder)["files"][0]["fuel"] is None
    assert "No messages." in tally("reducer", "profile", folder).stdout
