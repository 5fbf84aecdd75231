"""The simulator's small reducers say what the real ones say, and a few seeds run with those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest
from structlog.testing import capture_logs

from node.apps.installed import Installed
from node.apps.judge import AppJudge
from protocols.app_data import reducer_input
from protocols.app_judging import AppRun
from protocols.crypto import keccak256
from protocols.inputs import AppVerdict
from tests.simulation.simulator.plan import plan_of
from tests.simulation.simulator.reducers import (
    GAME,
    TILL,
    Messages,
    Table,
    Views,
    commitment,
    opening,
    taken,
    winner,
)
from tests.simulation.simulator.world import World
from tests.support.applications import folder_of
from tests.support.tills import BEGIN_MS
from tests.support.tills import CODE as TILL_CODE

GAME_CODE = (folder_of("rock_paper_scissors") / "reducer.wasm").read_bytes()
CHANNEL = b"\x5a" * 32
DEPOSITS = (600, 400)
REAL_SEEDS = (37, 57, 72, 82, 97, 107)
"""Seeds about applications in which a good deal is said."""


class RealViews(Views):
    """The node's own judge, on files that outlive its processes."""

    is_real = True

    def __init__(self, views: Views, home: Path) -> None:
        super().__init__(views._chance, views._differing)
        installed = Installed(home)
        self._hashes = {TILL: installed.install(TILL_CODE), GAME: installed.install(GAME_CODE)}
        self._judge = AppJudge(installed, self._history)
        self.run_count = 0

    def _history(self, channel_id: bytes) -> Iterator[bytes]:
        return self._messages(channel_id)

    def begin(self, messages: Messages) -> None:
        super().begin(messages)
        self.crash()

    def crash(self) -> None:
        """Files are closed as they are: what is in them was written."""
        self._judge.close()

    def run(self, run: AppRun) -> tuple[AppVerdict, ...] | None:
        self.run_count += 1
        reducer_id = self._hashes[run.reducer_id]
        verdicts = self._judge.run(msgspec.structs.replace(run, reducer_id=reducer_id))
        assert not self._judge.failing, self._judge.reasons()
        return verdicts


def judged_by_both(judge: AppJudge, real_id: bytes, small_id: bytes, given: list[bytes]) -> Table:
    """Both are given the messages, one by one; where they come to."""
    table = opening(DEPOSITS)
    for message in given:
        verdicts = judge.run(AppRun(CHANNEL, real_id, table.count, (message,), DEPOSITS))
        assert verdicts is not None
        code, failure, table = taken(small_id, table, message)
        assert (verdicts[0].code, verdicts[0].failure) == (code, failure)
        if verdicts[0].is_applied:
            assert verdicts[0].amounts == table.amounts
    return table


def test_the_small_till_says_what_the_real_one_says(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    real_id, random = installed.install(TILL_CODE), Random(1)
    judge = AppJudge(installed, lambda channel_id: iter(()))
    said = [
        reducer_input(
            CHANNEL,
            random.randrange(2),
            BEGIN_MS,
            msgspec.msgpack.encode([random.choice((0, 1, 30, 300, 1_001))]),
        )
        for _ in range(60)
    ]
    assert judged_by_both(judge, real_id, TILL, said).count > 20
    judge.close()


def move(table: Table, player: int, random: Random) -> bytes:
    """The player's next, or something that the game refuses."""
    number, step = divmod(table.count, 4)
    salt = keccak256(bytes((player, number)))
    choice = salt[0] % 3 + 1
    part = commitment(CHANNEL, player, choice, salt) if step < 2 else bytes((choice,)) + salt
    shown = (table.shown if step else b"") + part
    wrong = random.randrange(10)
    if wrong == 0:
        shown = shown[:-1]
    elif wrong == 1:
        shown = shown[:-1] + bytes((shown[-1] ^ 1,))
    elif wrong == 2:
        shown = bytes((shown[0] ^ 1,)) + shown[1:]
    elif wrong == 3 and step >= 2:
        shown = shown[:-33] + b"\x04" + shown[-32:]
    return reducer_input(CHANNEL, player, 0, b"\xc4" + bytes((len(shown),)) + shown)


def test_the_small_game_says_what_the_real_one_says(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    real_id, codes, ends = installed.install(GAME_CODE), set(), set()
    for seed in range(12):
        random, table = Random(seed), opening(DEPOSITS)
        judge = AppJudge(Installed(tmp_path), lambda channel_id: iter(()))
        given: list[bytes] = []
        for _ in range(16):
            player = table.count % 2 if random.random() < 0.9 else 1 - table.count % 2
            given.append(move(table, player, random))
            code, _, table = taken(GAME, table, given[-1])
            codes.add(code)
        assert judged_by_both(judge, real_id, GAME, given) == table
        ends.add(winner(table.shown))
        judge.close()
    assert codes >= {0, 1, 2, 3, 5, 6}
    assert len(ends) > 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", REAL_SEEDS)
def test_a_seed_breaks_no_rule_with_webassembly_and_sql(seed: int, tmp_path: Path) -> None:
    with capture_logs():
        plan = msgspec.structs.replace(plan_of(seed), differing=None)
        world = World(plan)
        views = []
        for node in world.nodes:
            views.append(RealViews(node.views, tmp_path / node.actor.name))
            node.views = views[-1]
        world.run()
    assert sum(each.run_count for each in views) > 0
    assert world.met["application's state signed"]
