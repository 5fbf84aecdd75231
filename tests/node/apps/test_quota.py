"""A peer's messages are judged while its quota lasts, and then wait; nobody else does."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from node.apps import quota as room
from node.apps.quota import Quota
from protocols.app_judging import AppRun
from protocols.inputs import AppVerdict
from tests.support.actors import ALICE, BOB
from tests.support.tills import run_of

TAKEN = AppVerdict(0, "", (100, 50), bytes(32))


class Judge:
    """Takes every message in, each in so many seconds."""

    def __init__(self, message_s: float = 0.0) -> None:
        self.now_s, self.message_s = 1_000.0, message_s
        self.is_able = True

    def __call__(self, run: AppRun) -> tuple[AppVerdict, ...] | None:
        self.now_s += self.message_s * len(run.inputs)
        return (TAKEN,) * len(run.inputs) if self.is_able else None

    def quota(self, messages: int, reducer_s: int) -> Quota:
        return Quota(self, messages, reducer_s, lambda: self.now_s)


def asked(count: int, by: bytes = BOB.address) -> AppRun:
    return replace(run_of(bytes(32), 0, *range(1, count + 1)), asked_by=by)


def test_so_many_messages_a_minute_are_judged_and_the_rest_waits() -> None:
    judge = Judge()
    quota = judge.quota(60, 30)
    for _ in range(3):
        assert quota.run(asked(20)) == (TAKEN,) * 20
    assert quota.run(asked(20)) is not None, "who has some left is not cut short"
    assert quota.run(asked(1)) is None
    judge.now_s += 19.9
    assert quota.run(asked(1)) is None
    judge.now_s += 0.2
    assert quota.run(asked(1)) is not None


def test_so_long_reducers_run_for_a_peer() -> None:
    judge = Judge(message_s=4.0)
    quota = judge.quota(1_000, 6)
    assert quota.run(asked(2)) is not None
    assert quota.run(asked(1)) is None
    judge.now_s += 20.1
    assert quota.run(asked(1)) is not None
    assert quota.run(asked(1)) is None


def test_nobody_elses_messages_and_none_of_ours_wait() -> None:
    judge = Judge()
    quota = judge.quota(1, 30)
    assert quota.run(asked(5)) is not None
    assert quota.run(asked(1)) is None
    assert quota.run(asked(1, by=ALICE.address)) is not None
    for _ in range(5):
        assert quota.run(asked(5, by=b"")) is not None


def test_what_is_not_judged_costs_time_alone() -> None:
    judge = Judge(message_s=1.0)
    judge.is_able = False
    quota = judge.quota(1, 6)
    for _ in range(6):
        assert quota.run(asked(1)) is None
    judge.is_able = True
    judge.now_s += 30.0
    assert quota.run(asked(1)) is not None


def test_the_log_says_once_that_a_peer_waits() -> None:
    judge = Judge()
    quota = judge.quota(60, 30)
    with capture_logs() as lines:
        assert quota.run(asked(90)) is not None
        for _ in range(3):
            assert quota.run(asked(1)) is None
        judge.now_s += 31.0
        assert quota.run(asked(60)) is not None
        assert quota.run(asked(1)) is None
    assert [line["wait_s"] for line in lines] == [30.0, 59.0]
    assert {line["peer"] for line in lines} == {"0x" + BOB.address.hex()}


def test_so_many_peers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "QUOTA_PEER_COUNT_MAX", 2)
    judge = Judge()
    quota = judge.quota(1, 30)
    for number in (1, 2, 3):
        assert quota.run(asked(5, by=bytes((number,)) * 20)) is not None
    assert quota.run(asked(1, by=b"\x03" * 20)) is None
    assert quota.run(asked(1, by=b"\x01" * 20)) is not None, "forgotten, as the oldest"
