"""A view that is not there is made beside its place, and takes it only whole."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from msgspec.structs import replace

from node.apps import deriving
from node.apps.asking import Asker
from node.apps.channel_view import ChannelView
from node.apps.deriving import Deriver, Wanted, derive
from node.apps.installed import Installed
from node.apps.judge import AppJudge
from node.priority import GivingWay
from node.store.log import EventLog
from protocols.app_channel import MESSAGE_LOG, opening
from protocols.app_data import log_message, reducer_input
from protocols.app_errors import AppQueryFailed
from protocols.app_events import AppMessageApplied
from protocols.app_judging import AppRun
from protocols.channel import Channel
from tests.support import audit_cases
from tests.support.actors import ALICE, BOB
from tests.support.app_rig import APP_CHANNEL, STAKES, opened_app
from tests.support.tills import BEGIN_MS, installed_in

SQL = "SELECT sender, amount FROM said ORDER BY id"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node's directory, whose log has three messages."""
    installed_in(tmp_path)
    with closing(EventLog.open(tmp_path / "data")) as log:
        batch = log.begin(BEGIN_MS)
        batch.append(audit_cases.bob()[0])
        for count, (sender, amount) in enumerate(((0, 7), (1, 2), (0, 1)), start=1):
            who = (ALICE, BOB)[sender].address
            said = log_message(sender, BEGIN_MS, msgspec.msgpack.encode([amount]))
            batch.append(AppMessageApplied(APP_CHANNEL, count, who, BEGIN_MS, said))
        log.commit(batch)
    return tmp_path


def judge_of(home: Path) -> AppJudge:
    return AppJudge(Installed(home / "data"), lambda channel_id: iter(()))


def channel_of(home: Path) -> Channel:
    """As the node knows it: opened with the till."""
    (reducer,) = Installed(home / "data").hashes()
    app = opening(reducer, "leader", MESSAGE_LOG, STAKES)
    return replace(opened_app("leader").alice.channel(APP_CHANNEL), app=app)


def wanted(home: Path, **changes: Any) -> Wanted:
    (reducer,) = Installed(home / "data").hashes()
    known = Wanted(APP_CHANNEL, reducer, STAKES, ALICE.address, False)
    return replace(known, **changes)


async def test_it_is_made_from_the_log_and_asked(home: Path) -> None:
    judge = judge_of(home)
    deriver = Deriver(home / "data", judge)
    path = judge.path(APP_CHANNEL)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(deriver.require, channel_of(home))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    _, rows = await Asker().ask(path, SQL, 5)
    assert rows == [[0, 7], [1, 2], [0, 1]]
    made = path.stat().st_ino
    await deriver.require(channel_of(home))
    assert path.stat().st_ino == made, "what is there stays"


async def test_the_engine_goes_on_with_it(home: Path) -> None:
    judge = judge_of(home)
    await Deriver(home / "data", judge).require(channel_of(home))
    (reducer,) = Installed(home / "data").hashes()
    given = reducer_input(APP_CHANNEL, 0, BEGIN_MS, msgspec.msgpack.encode([5]))
    verdicts = judge.run(AppRun(APP_CHANNEL, reducer, 3, (given,), STAKES, False))
    assert verdicts is not None
    assert verdicts[0].amounts == (STAKES[0] - 7 + 2 - 1 - 5, STAKES[1] + 7 - 2 + 1 + 5)
    judge.close()


async def test_one_that_the_engine_made_meanwhile_is_kept(home: Path) -> None:
    judge = judge_of(home)
    path = judge.path(APP_CHANNEL)
    draft = path.with_name("one.draft")
    assert derive(home / "data", draft, wanted(home), GivingWay()).failure == ""
    path.write_bytes(b"the engine's")
    judge.adopt(APP_CHANNEL, draft)
    assert path.read_bytes() == b"the engine's"


async def test_the_rest_of_a_view_that_was_removed_is_not_taken_for_the_new_ones(
    home: Path,
) -> None:
    judge = judge_of(home)
    path = judge.path(APP_CHANNEL)
    (reducer,) = Installed(home / "data").hashes()
    module = Installed(home / "data").module(reducer)
    with closing(ChannelView(path, module, APP_CHANNEL, (3, 4))):
        left = {file: file.read_bytes() for file in path.parent.iterdir() if file != path}
    path.unlink(missing_ok=True)
    assert left
    for file, content in left.items():
        file.write_bytes(content)
    await Deriver(home / "data", judge).require(channel_of(home))
    _, rows = await Asker().ask(path, SQL, 5)
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reducer_id": bytes(32)}, "is installed"),
        ({"deposits": (0, 0)}, "is not taken in"),
    ],
)
def test_what_cannot_be_made_says_why(home: Path, changes: dict[str, Any], words: str) -> None:
    made = derive(home / "data", home / "d.draft", wanted(home, **changes), GivingWay())
    assert words in made.failure


async def test_a_failure_leaves_nothing_and_is_told(home: Path) -> None:
    judge = judge_of(home)
    (reducer,) = (home / "data-apps" / "reducers").iterdir()
    reducer.unlink()
    app = opening(bytes.fromhex(reducer.stem), "leader", MESSAGE_LOG, STAKES)
    channel = replace(opened_app("leader").alice.channel(APP_CHANNEL), app=app)
    with pytest.raises(AppQueryFailed, match="is installed"):
        await Deriver(home / "data", judge).require(channel)
    assert list(judge.path(APP_CHANNEL).parent.iterdir()) == []


async def test_one_that_takes_too_long_is_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, "DERIVING_TIME_S_MAX", 0.01)
    with pytest.raises(AppQueryFailed) as caught:
        await Deriver(home / "data", judge_of(home)).require(channel_of(home))
    assert caught.value.error == "QUERY_TIMED_OUT"


def test_what_a_killed_node_began_is_removed(home: Path) -> None:
    judge = judge_of(home)
    views = judge.path(APP_CHANNEL).parent
    views.mkdir(parents=True)
    for name in ("a-1.draft", "a-1.draft-wal", "kept.db"):
        (views / name).touch()
    Deriver(home / "data", judge)
    assert [file.name for file in views.iterdir()] == ["kept.db"]
