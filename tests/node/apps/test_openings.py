"""A reducer is asked whether it begins with certain deposits, and leaves nothing by it."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from node.apps import openings
from node.apps.installed import Installed
from node.apps.openings import why_not_opened, with_reducers
from node.store.reducer_files import apps_directory
from node.views.errors import ViewBroken
from protocols.draft import Context
from tests.support.actors import ALICE
from tests.support.network import CoreNode
from tests.support.tills import CHANNEL, DEPOSITS, EQUAL_STAKES, installed_in


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installed, bytes]:
    """A reducer that plays for equal stakes."""
    installed = Installed(tmp_path_factory.mktemp("game") / "data")
    return installed, installed.install(wasmtime.wat2wasm(EQUAL_STAKES))


def test_who_plays_for_anything_refuses_nothing(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    for deposits in (DEPOSITS, (0, 1), (2**255, 2**255)):
        assert why_not_opened(installed, reducer, CHANNEL, deposits) == ""


def test_a_game_for_equal_stakes_refuses_others_by_its_own_code(
    game: tuple[Installed, bytes],
) -> None:
    installed, reducer = game
    assert why_not_opened(installed, reducer, CHANNEL, (50, 50)) == ""
    assert why_not_opened(installed, reducer, CHANNEL, (50, 49)) == "code 4"


def test_a_reducer_that_fails_at_its_opening_says_by_what(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "data")
    spins = """(module (memory (export "memory") 2)
      (func (export "alloc") (param i32) (result i32) (i32.const 1024))
      (func (export "reduce") (param i32 i32) (result i64) (loop (br 0)) (unreachable)))"""
    reducer = installed.install(wasmtime.wat2wasm(spins))
    assert why_not_opened(installed, reducer, CHANNEL, DEPOSITS) == "out-of-fuel"


def test_asking_leaves_no_file(game: tuple[Installed, bytes]) -> None:
    installed, reducer = game
    before = sorted(installed.directory.rglob("*.db*"))
    why_not_opened(installed, reducer, CHANNEL, (50, 49))
    assert sorted(installed.directory.rglob("*.db*")) == before


def test_what_cannot_be_run_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed, reducer = installed_in(tmp_path)
    (file,) = (apps_directory(tmp_path / "data") / "reducers").iterdir()
    code = file.read_bytes()
    file.write_bytes(code + b"\x00")
    assert "damaged" in why_not_opened(installed, reducer, CHANNEL, DEPOSITS)
    file.unlink()
    assert "installed" in why_not_opened(installed, bytes(32), CHANNEL, DEPOSITS)
    file.write_bytes(code)

    def broken(*_: object) -> str:
        raise ViewBroken(":memory:", "no memory")

    monkeypatch.setattr(openings, "_run", broken)
    assert "no memory" in why_not_opened(installed, reducer, CHANNEL, DEPOSITS)


def test_a_crank_asks_what_is_installed(game: tuple[Installed, bytes]) -> None:
    installed, reducer = game
    terms: Context = with_reducers(CoreNode(ALICE).context(), installed)
    assert terms.has_reducer(reducer)
    assert not terms.has_reducer(bytes(32))
    assert terms.why_not_opened(reducer, CHANNEL, (50, 50)) == ""
    assert terms.why_not_opened(reducer, CHANNEL, (50, 49)) != ""
