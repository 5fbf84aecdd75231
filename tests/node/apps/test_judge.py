"""Runs of messages on views: verdicts as facts, and nothing where a machine fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from node.apps import judge as room
from node.apps.judge import RETRY_PAUSE_S, AppJudge
from node.apps.limits import RUN_TIME_S_MAX
from tests.support.tills import CHANNEL, DEPOSITS, given, installed_in, run_of


class Clock:
    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def nothing(channel_id: bytes) -> Iterator[bytes]:
    return iter(())


def test_a_run_has_a_verdict_for_each_message_and_says_what_it_came_to(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, nothing)
    verdicts = judge.run(run_of(reducer, 0, 10, 1_000, 20))
    assert verdicts is not None
    assert [verdict.is_applied for verdict in verdicts] == [True, False, True]
    assert verdicts[-1].amounts == (DEPOSITS[0] - 30, DEPOSITS[1] + 30)
    assert len(verdicts[-1].digest) == 32
    assert judge.run(run_of(reducer, 2, 1)) is not None
    judge.close()


def test_what_the_engine_did_not_keep_is_taken_back(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, lambda channel_id: iter(given(10)))
    first = judge.run(run_of(reducer, 0, 10, 20))
    again = judge.run(run_of(reducer, 1, 20))
    assert first is not None
    assert again is not None
    assert again[-1] == first[-1]
    judge.close()


def test_a_view_that_is_removed_beside_the_node_is_there_again_with_the_next_message(
    tmp_path: Path,
) -> None:
    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, lambda channel_id: iter(given(10)))
    first = judge.run(run_of(reducer, 0, 10, 20))
    path = judge.path(CHANNEL)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    again = judge.run(run_of(reducer, 1, 20))
    assert first is not None
    assert again is not None
    assert again[-1] == first[-1]
    assert path.exists()
    judge.close()


def test_a_run_that_may_be_cut_ends_when_its_time_is_up(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, nothing, Clock(RUN_TIME_S_MAX / 2))
    cut = judge.run(run_of(reducer, 0, 1, 1, 1, 1, 1, may_be_cut=True))
    assert cut is not None
    assert 1 <= len(cut) < 5
    assert cut[-1].amounts
    whole = judge.run(run_of(reducer, len(cut), 1, 1, 1, 1, 1))
    assert whole is not None
    assert len(whole) == 5
    judge.close()


def test_without_code_or_history_there_is_no_verdict_until_a_pause_is_over(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    clock = Clock()
    clock.now_s = 100.0
    judge = AppJudge(installed, nothing, clock)
    assert judge.run(run_of(b"\x01" * 32, 0, 1)) is None
    assert "installed" in judge.reasons()[CHANNEL]
    assert judge.run(run_of(reducer, 0, 1)) is None
    clock.now_s += RETRY_PAUSE_S
    assert judge.run(run_of(reducer, 0, 1)) is not None
    assert not judge.failing
    assert judge.run(run_of(reducer, 5, 1)) is None
    assert "the log has" in judge.failing[CHANNEL][1]
    judge.close()


def test_so_many_views_are_open_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "OPEN_VIEW_COUNT_MAX", 1)

    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, lambda channel_id: iter(given(1)))
    for number in range(3):
        run = replace(run_of(reducer, 0, 1), channel_id=bytes((number,)) * 32)
        assert judge.run(run) is not None
    assert judge.run(replace(run_of(reducer, 1, 1), channel_id=bytes(32))) is not None
    assert judge.path(bytes(32)).exists()
    judge.close()
