"""`tally sink run`, killed again and again in the middle of its work: each change counts once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from node.sinks.check import check, lag
from node.sinks.errors import SinkError
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.soak import times
from tests.support.view_files import ViewFile

KILLS = 5


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@contextmanager
def sink(view: ViewFile, conninfo: str, namespace: str) -> Iterator[None]:
    """`tally sink run`, killed at the end."""
    words = ["--view", str(view.path), "--to", conninfo, "--schema", namespace]
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "sink", "run", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def write_some(view: ViewFile, chooser: random.Random) -> None:
    for _ in range(chooser.randrange(20, 120)):
        keys = chooser.sample(range(3_000), chooser.randrange(1, 400))
        name = chooser.choice(["a", "\0", "ä" * 900])
        view.put(*[(key, name, chooser.randbytes(8), view.seq) for key in keys])


def seq_of(conninfo: str, namespace: str, view: ViewFile) -> int:
    try:
        return lag(conninfo, namespace, view.path).seq
    except SinkError:
        return -2


def is_connected(postgres: PostgresServer) -> bool:
    with psycopg.connect(postgres.conninfo) as owner:
        found = owner.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tallystick sink'"
        ).fetchone()
    return found != (0,)


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.mark.e2e
@pytest.mark.parametrize("seed", range(times(1)))
def test_a_sink_may_be_killed_at_any_moment(
    own_postgres: PostgresServer, tmp_path: Path, seed: int
) -> None:
    chooser = random.Random(seed)
    namespace = f"kills_{seed}"
    view = ViewFile(tmp_path / "view.db")
    reached = []
    for _ in range(KILLS):
        write_some(view, chooser)
        wait_until(lambda: not is_connected(own_postgres))
        with sink(view, own_postgres.conninfo, namespace):
            wait_until(lambda: is_connected(own_postgres))
            # From here on it works for about a second.
            time.sleep(chooser.random() * 1.2)
            if chooser.random() < 0.3:
                own_postgres.kill()
                own_postgres.start()
        reached.append(seq_of(own_postgres.conninfo, namespace, view))
        if reached[-1] > -2:
            # Whatever it reached is a moment of the view, whole.
            assert check(own_postgres.conninfo, namespace, view.path).is_equal
    assert reached == sorted(reached)
    with sink(view, own_postgres.conninfo, namespace):
        wait_until(lambda: seq_of(own_postgres.conninfo, namespace, view) == view.seq)
    found = check(own_postgres.conninfo, namespace, view.path)
    assert found.is_equal
    assert found.digest == view.digest()
    view.close()
