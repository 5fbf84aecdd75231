"""What every reference application keeps: its folder is whole, and what ships is what it says."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from node.reducer_compiler import ZIG_VERSION
from node.reducers.folders import find_reducer
from node.reducers.message_file import read_message_file
from node.reducers.replays import WAYS, replay, replay_many
from node.reducers.trials import run_trial
from node.views.module import load_module
from scripts.reducers import MANIFEST, build, differences, folders
from tests.support.applications import NAMES, folder_of
from tests.support.soak import times

MESSAGES = [
    pytest.param(path, id=f"{name}-{path.stem}")
    for name in NAMES
    for path in find_reducer(folder_of(name)).messages
]
REPLAY_COUNT = times(10)


def test_the_four_applications_ship() -> None:
    assert NAMES == ["board", "metered_api", "rock_paper_scissors", "tactics"]
    assert {folder_of(name) for name in NAMES} < set(folders())


@pytest.mark.parametrize("name", NAMES)
def test_source_and_module_are_those_of_the_manifest(name: str) -> None:
    folder = folder_of(name)
    manifest = json.loads((folder / MANIFEST).read_text())
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted([*folder.glob("*.c"), *folder.glob("*.h"), *folder.glob("*.wasm")])
    }
    assert manifest == {"zig": ZIG_VERSION, "files": found}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_module_is_what_the_source_compiles_to(name: str) -> None:
    assert differences(build(folder_of(name)), folder_of(name)) == []


@pytest.mark.parametrize("path", MESSAGES)
def test_its_messages_are_as_expected(path: Path) -> None:
    folder = path.parent if path.parent.name in NAMES else path.parent.parent
    module = load_module((folder / "reducer.wasm").read_bytes())
    trial = run_trial(module, read_message_file(path))
    assert trial.findings == []
    assert trial.results


@pytest.mark.parametrize("name", NAMES)
def test_its_messages_come_to_the_same_in_every_way(name: str) -> None:
    folder = folder_of(name)
    code = (folder / "reducer.wasm").read_bytes()
    found = {replay(code, folder / "messages.jsonl", way).digest for way in WAYS}
    assert len(found) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_ten_fresh_processes_come_to_the_same_bytes(name: str) -> None:
    folder = folder_of(name)
    module, messages = folder / "reducer.wasm", folder / "messages.jsonl"
    found = list(replay_many(module, messages, REPLAY_COUNT))
    assert len(found) == REPLAY_COUNT
    assert len({(one.digest, one.verdicts) for one in found}) == 1
    trial = run_trial(load_module(module.read_bytes()), read_message_file(messages))
    assert found[0].digest == trial.digest.hex()


@pytest.mark.parametrize("name", NAMES)
def test_its_page_has_every_table_column_and_refusal(name: str) -> None:
    folder = folder_of(name)
    page, source = (folder / "README.md").read_text(), (folder / "reducer.c").read_text()
    module = load_module((folder / "reducer.wasm").read_bytes())
    trial = run_trial(module, read_message_file(folder / "messages.jsonl"))
    for table, columns in trial.columns.items():
        (told,) = re.findall(rf"^\| `{table}` \| (.*?) \|", page, re.MULTILINE)
        assert tuple(re.findall(r"`(\w+)`", told)) == columns, table
    codes = {int(code) for code in re.findall(r"\b[A-Z_]+ = (\d+)\b", codes_of(source))}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes


def codes_of(source: str) -> str:
    """The first list of names in a reducer: why it refuses."""
    return source[source.index("enum {") : source.index("};")]
