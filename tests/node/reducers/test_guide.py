"""docs/reducers.md: its games build and play as it says, what it quotes is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node.reducers.folders import TEMPLATE, find_reducer
from node.reducers.message_file import read_message_file
from node.reducers.trials import run_trial
from node.reducers.zig import build
from node.views.errors import Failure
from node.views.module import load_module
from scripts.reducers import fetch_zig

PAGE = (Path(__file__).parents[3] / "docs" / "reducers.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def whole_game() -> str:
    (game,) = [block for block in blocks("c") if "APP_REDUCER" in block]
    return game


def test_what_is_quoted_of_the_template_is_in_it() -> None:
    source = (TEMPLATE / "reducer.c").read_text()
    quoted = [block for block in blocks("c") if block != whole_game()]
    assert len(quoted) >= 5
    for block in quoted:
        assert block in source, block
    messages = (TEMPLATE / "tests" / "refusals.jsonl").read_text().splitlines()
    assert set(blocks("json")[0].splitlines()) <= set(messages)


def test_every_failure_that_is_explained_exists() -> None:
    rows = PAGE[PAGE.index("## When it does not work") :]
    cells = re.findall(r"^\| (`.*?`) \|", rows, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    assert len(named) >= 8
    assert named <= {failure.value for failure in Failure}


@pytest.mark.slow
def test_the_game_of_ones_own_plays_as_the_page_says(tmp_path: Path) -> None:
    fetch_zig()
    (tmp_path / "reducer.c").write_text(whole_game())
    (tmp_path / "messages.jsonl").write_text(blocks("json")[1])
    found = find_reducer(tmp_path)
    trial = run_trial(load_module(build(found.source)), read_message_file(found.messages[0]))
    assert trial.findings == []
    assert len(trial.results) == 14
