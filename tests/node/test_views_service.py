"""The views beside the node: they follow, come back after anything, and hold nobody up."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio

from node import views_service
from node.log_views.keeper import NodeView, remove_view, view_file
from node.sinks.check import check
from node.store.log import EventLog
from node.views_service import (
    FOLLOWING,
    OFF,
    WAITING,
    ViewsService,
    past_views_status,
    views_status,
)
from protocols import events
from tests.support import audit_cases, audit_webs
from tests.support.postgres_server import PostgresServer
from tests.support.view_folds import by_state, by_view

TIMEOUT_S = 30
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "postgres.md").read_text()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "data")) as opened:
        put(opened, audit_cases.bob()[:40])
        yield opened


def put(log: EventLog, history: list[events.Event]) -> None:
    batch = log.begin(60_000)
    for event in history:
        batch.append(event)
    log.commit(batch)


async def until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(TIMEOUT_S):
        while not is_so():
            await trio.sleep(0.02)


def service(tmp_path: Path, log: EventLog, **options: Any) -> ViewsService:
    return ViewsService(tmp_path / "data", lambda: log.next_seq, **options)


def is_level(views: ViewsService, log: EventLog) -> bool:
    return views.status.state == FOLLOWING and views.status.seq == log.next_seq - 1


@pytest.mark.slow
async def test_it_follows_and_is_gone_with_the_node(tmp_path: Path, log: EventLog) -> None:
    views = service(tmp_path, log, keeps_changes=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        await until(lambda: is_level(views, log))
        for event in audit_cases.bob()[40:]:
            put(log, [event])
        assert views_status(views, log.next_seq)["lag_records"] == log.next_seq - 40
        await until(lambda: is_level(views, log))
        process_id = views.process_id
        assert process_id is not None
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    assert views.process_id is None
    with NodeView(view_file(tmp_path / "data"), keeps_changes=True) as kept:
        assert by_view(kept.view) == by_state(audit_webs.folded(audit_cases.bob()))
        assert next(kept.view.messages()).changes


@pytest.mark.slow
async def test_killed_or_broken_it_comes_back(
    tmp_path: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_service, "RESTART_DELAY_S_MIN", 0.05)
    views = service(tmp_path, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        await until(lambda: is_level(views, log))
        for restart_count in (1, 2, 3):
            assert views.process_id is not None
            os.kill(views.process_id, signal.SIGKILL)
            await until(lambda: views.status.failure == "signal-9")
            if restart_count == 2:
                remove_view(view_file(tmp_path / "data"))
                view_file(tmp_path / "data").write_bytes(b"damaged" * 10_000)
            put(log, audit_cases.bob()[log.next_seq : log.next_seq + 5])
            await until(lambda: is_level(views, log))
            assert views.status.restart_count == restart_count
            assert views.status.failure == ""
        assert "NotADBError" in views.status.rebuilt
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_one_that_hangs_is_ended(
    tmp_path: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_service, "STALL_TIMEOUT_S", 0.8)
    monkeypatch.setattr(views_service, "RESTART_DELAY_S_MIN", 0.05)
    views = service(tmp_path, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        await until(lambda: is_level(views, log))
        assert views.process_id is not None
        os.kill(views.process_id, signal.SIGSTOP)
        put(log, audit_cases.bob()[40:])
        await until(lambda: views.status.restart_count == 1)
        await until(lambda: is_level(views, log))
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_one_that_cannot_begin_is_tried_less_and_less(
    tmp_path: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_service, "RESTART_DELAY_S_MIN", 0.01)
    views = service(tmp_path, log)
    views._command = ["/does/not/exist"]
    delays: list[float] = []
    sleep = trio.sleep

    async def asleep(delay_s: float) -> None:
        delays.append(delay_s)
        await sleep(0.01)

    monkeypatch.setattr(trio, "sleep", asleep)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        with trio.fail_after(TIMEOUT_S):
            while len(delays) < 6:
                await sleep(0.01)
        nursery.cancel_scope.cancel()
    assert delays[:4] == [0.02, 0.04, 0.08, 0.16]
    shown = views_status(views, log.next_seq)
    assert (shown["state"], shown["failure"]) == (WAITING, "views-not-started")
    assert "/does/not/exist" in str(shown["detail"])


def test_switched_off_and_of_the_past_the_figures_are_null() -> None:
    off, past = views_status(None, 10), past_views_status()
    assert off["state"] == OFF
    assert past["state"] is None
    assert off.keys() == past.keys()
    assert set(off.values()) == {OFF, None}


def sink_of(views: ViewsService) -> dict[str, Any]:
    """As `tally status` shows it."""
    sink = views_status(views, 0)["sink"]
    return sink if isinstance(sink, dict) else {}


@pytest.mark.slow
async def test_it_copies_the_views_to_postgresql_and_says_how_far(
    tmp_path: Path, log: EventLog, postgres: PostgresServer
) -> None:
    views = service(tmp_path, log, sink=(postgres.conninfo, "service"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        for event in audit_cases.bob()[40:]:
            put(log, [event])
        last = log.next_seq - 1
        await until(lambda: sink_of(views).get("seq") == last)
        await until(lambda: sink_of(views)["state"] == "level")
        assert (sink_of(views)["schema"], sink_of(views)["lag_records"]) == ("service", 0)
        nursery.cancel_scope.cancel()
    found = check(postgres.conninfo, "service", view_file(tmp_path / "data"))
    assert found.is_equal
    assert found.seq == last
    with psycopg.connect(postgres.conninfo) as reader:
        (statement,) = re.findall(r"^SELECT.*?;", PAGE, re.MULTILINE | re.DOTALL)
        shown = reader.execute(statement.replace("alice.", "service.")).fetchall()
    with NodeView(view_file(tmp_path / "data")) as kept:
        assert len(shown) == min(len(list(kept.view.rows("payments"))), 10) > 0


@pytest.mark.slow
async def test_views_are_kept_although_postgresql_is_not_there(
    tmp_path: Path, log: EventLog
) -> None:
    views = service(tmp_path, log, sink=(f"host={tmp_path}", "service"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(views.run)
        await until(lambda: is_level(views, log))
        await until(lambda: sink_of(views).get("failure") == "postgres-unreachable")
        for event in audit_cases.bob()[40:]:
            put(log, [event])
        await until(lambda: is_level(views, log))
        assert views.status.failure == ""
        assert views.status.restart_count == 0
        assert sink_of(views)["next_step"]
        nursery.cancel_scope.cancel()
