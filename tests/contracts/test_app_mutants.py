"""The tables of the app contracts notice every rule that is taken out of them.

A quarter of the rules in the suite, all in the soak: to compile each anew is what takes long.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from contracts.loader import Artifact, load_artifact
from tests.support import rows_games, rows_message_log
from tests.support.app_mutants import MUTANTS, UNCHANGED
from tests.support.contract_mutants import compiled
from tests.support.contract_tables import Rows, play
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.soak import times

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROWS: dict[str, Rows] = {
    "MessageLogApp": rows_message_log.ROWS,
    "RockPaperScissorsApp": rows_games.ROWS,
}
TAKEN = list(MUTANTS)[:: max(1, 4 // times(1))]
"""Every fourth: some of each contract, and of each library of theirs. A factor of 4 takes all."""
FIELDS = {"MessageLogApp": "message_log_app", "RockPaperScissorsApp": "game_app"}


@pytest.fixture(scope="module")
def ours() -> Nitro:
    return deploy_nitro(EvmRpc())


def first_broken(nitro: Nitro, artifact: Artifact) -> str | None:
    """The first row that does not go as it says with this contract."""
    changed = replace(nitro, **{FIELDS[artifact.name]: nitro.rpc.deploy_code(artifact)})
    for name, row in ROWS[artifact.name].items():
        case, done = play(changed, row)
        if (done.reason, done.events, done.changes) != (case.reason, case.events, case.changes):
            return name
    return None


def test_each_rule_taken_out_breaks_a_row(ours: Nitro, tmp_path: Path) -> None:
    """One test, since compiling is most of it and is done once."""
    wanted = {**{name: MUTANTS[name] for name in TAKEN}, **UNCHANGED}
    built = dict(zip(wanted, compiled(list(wanted.values()), tmp_path), strict=True))
    for name in UNCHANGED:
        assert first_broken(ours, built[name]) is None, name
    survivors = [name for name in TAKEN if first_broken(ours, built[name]) is None]
    assert survivors == []
    same = [name for name in TAKEN if built[name].bytecode == built[built[name].name].bytecode]
    assert same == []


def test_every_kind_of_rule_is_among_those_taken_out() -> None:
    assert {name.partition(":")[0] for name in TAKEN} == {"outcomes", "states", "log", "game"}
    assert len(MUTANTS) == 79


@pytest.mark.parametrize("name", ROWS)
def test_no_row_breaks_with_every_rule_in_place(ours: Nitro, name: str) -> None:
    assert first_broken(ours, load_artifact(name)) is None
