"""A sink in its own thread: it goes on by itself after whatever ended, and tells how far it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from node.sinks import worker
from node.sinks.check import check
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.sink import Sink, SinkSettings
from node.sinks.status import CopyReason, SinkState
from node.sinks.worker import SinkRunner, SinkThread
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.soak import times
from tests.support.view_files import ViewFile

PATIENCE_S = 30.0


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.fixture
def thread(settings: SinkSettings) -> Iterator[SinkThread]:
    made = SinkThread(settings)
    yield made
    assert made.stop()
    assert made.status().state is SinkState.STOPPED


def is_level(thread: SinkThread, seq: int) -> bool:
    status = thread.status()
    return status.state is SinkState.LEVEL and status.seq == seq


def test_a_view_is_followed_and_the_lag_is_told(
    view: ViewFile, settings: SinkSettings, thread: SinkThread
) -> None:
    begun = thread.status()
    assert (begun.state, begun.namespace) == (SinkState.STARTING, settings.namespace)
    assert begun.lag_records is None
    view.put((1, "a", b"", 1))
    thread.start()
    wait_until(lambda: is_level(thread, 0))
    view.put((2, "b", b"", 2))
    wait_until(lambda: is_level(thread, 1))
    status = thread.status()
    assert (status.view_seq, status.lag_records, status.lag_s) == (1, 0, 0.0)
    assert (status.copy_count, status.copy_reason) == (1, CopyReason.FIRST)
    assert (status.change_count, status.failure) == (1, "")


def test_a_view_that_comes_later_is_waited_for(
    view: ViewFile, settings: SinkSettings, thread: SinkThread
) -> None:
    away = view.path.with_suffix(".away")
    view.path.rename(away)
    thread.start()
    wait_until(lambda: thread.status().failure == SinkFailure.VIEW_ABSENT)
    status = thread.status()
    assert status.state is SinkState.WAITING
    assert status.next_step
    assert status.lag_s > 0
    away.rename(view.path)
    wait_until(lambda: is_level(thread, -1))
    assert thread.status().failure == ""


def test_the_lag_grows_while_postgresql_is_locked_and_a_stop_does_not_wait_for_it(
    view: ViewFile,
    settings: SinkSettings,
    thread: SinkThread,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "STOP_S", 0.3)
    thread.start()
    wait_until(lambda: is_level(thread, -1))
    with psycopg.connect(settings.conninfo) as owner:
        owner.execute(f"LOCK TABLE {settings.namespace}.items IN ACCESS EXCLUSIVE MODE")
        for number in range(3):
            view.put((number, "a", b"", 1))
        time.sleep(0.5)
        assert thread.status().seq == -1
        began = time.monotonic()
        assert thread.stop()
        assert time.monotonic() - began < 5
        owner.rollback()


def test_a_failure_that_time_cannot_mend_ends_who_gives_up(settings: SinkSettings) -> None:
    missing = SinkSettings(settings.view, f"{settings.conninfo} dbname=no_such", "v")
    runner = SinkRunner(missing)
    with pytest.raises(SinkError) as caught:
        runner.run(gives_up=True)
    assert caught.value.failure is SinkFailure.DATABASE_ABSENT
    assert runner.status().state is SinkState.STOPPED
    with pytest.raises(SinkError):
        SinkRunner(missing).run_once(PATIENCE_S)


def test_to_sync_once_waits_for_a_while_only(settings: SinkSettings) -> None:
    nowhere = SinkSettings(settings.view, "host=127.0.0.1 port=9", "v")
    began = time.monotonic()
    told: list[SinkError] = []
    with pytest.raises(SinkError) as caught:
        SinkRunner(nowhere, note_failure=told.append).run_once(0.5)
    assert caught.value.failure is SinkFailure.UNREACHABLE
    assert 0.5 <= time.monotonic() - began < 10
    # It tried again and again, and failed alike each time.
    assert [error.failure for error in told] == [SinkFailure.UNREACHABLE]


def test_a_copy_is_told_when_it_begins(
    view: ViewFile, settings: SinkSettings, thread: SinkThread
) -> None:
    view.put((1, "a", b"", 1))
    first = Sink(settings)
    first.step()
    first.close()
    view.close()
    for path in view.path.parent.glob("view.db*"):
        path.unlink()
    other = ViewFile(view.path, code_hash=b"o" * 32)
    with psycopg.connect(settings.conninfo) as owner:
        owner.execute(f"LOCK TABLE {settings.namespace}.items IN EXCLUSIVE MODE")
        thread.start()
        wait_until(lambda: thread.status().state is SinkState.COPYING)
        assert thread.status().copy_reason is CopyReason.CODE
        owner.rollback()
    wait_until(lambda: is_level(thread, -1))
    other.close()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """One that may be killed."""
    with postgres_server() as running:
        yield running


def test_a_server_that_goes_away_is_noticed_without_a_message(
    view: ViewFile, own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PING_S", 0.1)
    thread = SinkThread(SinkSettings(view.path, own_postgres.conninfo, "idle"))
    thread.start()
    wait_until(lambda: is_level(thread, -1))
    own_postgres.kill()
    wait_until(lambda: thread.status().failure == SinkFailure.UNREACHABLE)
    own_postgres.start()
    wait_until(lambda: is_level(thread, -1))
    assert thread.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(3)))
def test_postgresql_may_be_killed_at_any_moment(
    view: ViewFile, own_postgres: PostgresServer, seed: int
) -> None:
    chooser = random.Random(seed)
    settings = SinkSettings(view.path, own_postgres.conninfo, f"killed_{seed}")
    thread = SinkThread(settings)
    thread.start()
    for _ in range(4):
        for _ in range(chooser.randrange(40)):
            keys = chooser.sample(range(400), chooser.randrange(1, 200))
            view.put(*[(key, str(chooser.random()), b"", key) for key in keys])
        time.sleep(chooser.random() * 0.1)
        own_postgres.kill()
        if chooser.random() < 0.5:
            view.remove(*chooser.sample(range(400), 50))
        own_postgres.start()
    wait_until(lambda: is_level(thread, view.seq))
    found = check(settings.conninfo, settings.namespace, view.path)
    assert found.is_equal
    assert found.digest == view.digest()
    # It was not copied again: the changes were applied, each once.
    assert thread.status().copy_count <= 1
    assert thread.stop()
