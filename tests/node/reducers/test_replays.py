"""Fresh processes come to the same, and one that fails is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.reducers import replays
from node.reducers.errors import ReplayFailed
from node.reducers.message_file import read_message_file
from node.reducers.replays import WAYS, replay, replay_many
from node.reducers.trials import run_trial
from node.views.module import load_module
from tests.support import reducers

LINES = """\
[0, {"hex": "0a"}, 5]
[0, {"hex": "0b"}, 7]
{"message": [1, {"hex": "0a"}, 9], "refused": 9}
[4, {"hex": "0b"}, 3]
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "reducer.wasm"
    path.write_bytes(reducers.binary(reducers.SCORES))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    path.write_text(LINES)
    return path


def test_in_memory_in_a_file_and_opened_again_all_is_the_same(module: Path, file: Path) -> None:
    code = module.read_bytes()
    found = [replay(code, file, way) for way in WAYS]
    assert [one.way for one in found] == list(WAYS)
    assert len({(one.digest, one.verdicts) for one in found}) == 1
    assert found[0].digest == run_trial(load_module(code), read_message_file(file)).digest.hex()


def test_other_verdicts_are_told_apart_where_the_tables_are_equal(module: Path, file: Path) -> None:
    code = module.read_bytes()
    first = replay(code, file, "memory")
    file.write_text(LINES + '{"message": [1, {"hex": "0a"}, 8], "refused": 8}\n')
    second = replay(code, file, "memory")
    assert first.digest == second.digest
    assert first.verdicts != second.verdicts


@pytest.mark.slow
def test_ten_fresh_processes_come_to_the_same(module: Path, file: Path) -> None:
    found = list(replay_many(module, file, 10))
    assert [one.way for one in found] == [*WAYS, *WAYS, *WAYS, "memory"]
    assert {one.digest for one in found} == {replay(module.read_bytes(), file, "file").digest}
    assert len({one.verdicts for one in found}) == 1


def test_a_process_that_fails_is_told_in_its_own_words(tmp_path: Path, file: Path) -> None:
    module = tmp_path / "broken.wasm"
    module.write_bytes(b"\0asm")
    with pytest.raises(ReplayFailed, match="module-malformed"):
        list(replay_many(module, file, 1))


def test_a_process_that_does_not_end_is_ended(
    module: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "REPLAY_TIMEOUT_S", 0.01)
    with pytest.raises(ReplayFailed, match="was not done after"):
        list(replay_many(module, file, 1))


def test_run_as_a_module_it_prints_one_line(
    module: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replays.main([str(module), str(file), "memory"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == replay(module.read_bytes(), file, "memory").__dict__
