"""`tally sink`: from a view's file to PostgreSQL, once or until it is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from node.sinks import limits
from node.sinks.check import lag
from node.sinks.errors import SinkError
from tests.support.postgres_server import PostgresServer
from tests.support.view_files import ViewFile

Tally = Callable[..., Any]


@pytest.fixture
def view(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ViewFile]:
    made = ViewFile(tmp_path / f"cli_{abs(hash(request.node.nodeid)) % 10**9}.db")
    made.put((1, "a", b"", 1), (2, "\0", b"", 2))
    yield made
    made.close()


@pytest.fixture
def words(view: ViewFile, postgres: PostgresServer) -> list[Any]:
    return ["--view", view.path, "--to", postgres.conninfo]


def test_a_view_is_copied_followed_and_checked(
    tally: Tally, tally_json: Tally, view: ViewFile, words: list[Any], postgres: PostgresServer
) -> None:
    result = tally("sink", "run", *words, "--once")
    assert result.exit_code == 0, result.output
    assert "copied the view, 2 rows, at message 0: first" in result.stderr
    assert result.stdout == f"{view.path.stem}: level at message 0\n"
    view.put((1, "b", b"", 2))
    behind = tally_json("sink", "status", *words)
    assert behind["lag_records"] == 1
    assert behind["lag_s"] > 0
    done = tally_json("sink", "run", *words, "--once")
    assert (done["state"], done["seq"], done["lag_records"], done["change_count"]) == (
        "level",
        1,
        0,
        1,
    )
    assert tally_json("sink", "status", *words)["unheld_count"] == 1
    found = tally_json("sink", "check", *words)
    assert found["equal"]
    assert found["digest"] == "0x" + view.digest().hex()
    assert "equal" in tally("sink", "check", *words).stdout
    assert "lag_records" in tally("sink", "status", *words).stdout


def test_a_difference_is_a_finding(
    tally: Tally, view: ViewFile, words: list[Any], postgres: PostgresServer
) -> None:
    assert tally("sink", "run", *words, "--once", "--schema", "found").exit_code == 0
    with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
        owner.execute("DELETE FROM found.items")
    result = tally("sink", "check", *words, "--schema", "found")
    assert result.exit_code == 3
    assert "NOT equal" in result.stdout


def test_failures_have_names_and_say_what_to_do(
    tally: Tally,
    tally_json: Tally,
    view: ViewFile,
    words: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ONCE_PATIENCE_S", 0.4)
    secret = ["--view", view.path, "--to", "host=h password=s3cret"]
    error = tally_json("sink", "run", *secret, exit_code=1)["error"]
    assert error["name"] == "CONNINFO_HAS_PASSWORD"
    assert "PGPASSFILE" in error["next_step"]
    assert "s3cret" not in json.dumps(error)
    error = tally_json("sink", "status", *words, "--schema", "pg_no", exit_code=1)["error"]
    assert error["name"] == "SCHEMA_NAME_INVALID"
    error = tally_json("sink", "status", *words, "--schema", "not_there", exit_code=1)["error"]
    assert error["name"] == "NOT_COPIED"
    nowhere = ["--view", view.path, "--to", "host=127.0.0.1 port=9"]
    result = tally("sink", "check", *nowhere)
    assert result.exit_code == 1
    assert "may safely be repeated" in result.stderr
    result = tally("sink", "run", *nowhere, "--once")
    assert result.exit_code == 1
    assert result.stderr.count("waiting: postgres-unreachable") == 1
    assert "start PostgreSQL" in result.stderr


def test_the_database_may_come_from_the_environment(
    tally_json: Tally, view: ViewFile, postgres: PostgresServer
) -> None:
    done = tally_json(
        "sink", "run", "--view", view.path, "--once", TALLY_POSTGRES=postgres.conninfo
    )
    assert done["state"] == "level"


@pytest.mark.e2e
def test_a_sink_runs_until_it_is_told_to_stop(
    view: ViewFile, words: list[Any], postgres: PostgresServer
) -> None:
    command = [sys.executable, "-m", "node", "sink", "run", *map(str, words), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for number in range(3):
            view.put((number, "x", b"", number))
            give_up_at = time.monotonic() + 30
            while not is_level(view, postgres):
                assert process.poll() is None
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert json.loads(output)["seq"] == 3


def is_level(view: ViewFile, postgres: PostgresServer) -> bool:
    try:
        found = lag(postgres.conninfo, view.path.stem, view.path)
    except SinkError:
        return False
    return found.seq == view.seq
