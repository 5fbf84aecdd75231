"""psycopg is loaded late, connections are fit for a sink, and its errors have our names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from node.sinks import driver
from node.sinks.driver import check_conninfo, connect, translated
from node.sinks.errors import SinkError, SinkFailure
from tests.support.postgres_server import PostgresServer


def failure_of(run: Callable[[], object]) -> SinkFailure:
    with pytest.raises(SinkError) as caught:
        run()
    return caught.value.failure


def as_user(postgres: PostgresServer, user: str, database: str = "postgres") -> str:
    return f"host={postgres.folder} user={user} dbname={database}"


def test_a_missing_driver_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SinkError) as caught:
        connect("dbname=x")
    assert caught.value.failure is SinkFailure.DRIVER_MISSING
    assert caught.value.next_step == "pip install 'tallystick[postgres]'"


def test_the_sinks_and_the_command_line_do_not_load_the_driver() -> None:
    imported = "sys, node.cli.app, node.cli.sink, node.sinks.worker, node.sinks.check"
    code = f"import {imported}; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    "conninfo",
    [
        "host=h password=s3cret",
        "postgresql://user:s3cret@h/db",
        "postgresql://h/db?password=s3cret",
        "host=h sslpassword=s3cret",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(conninfo: str) -> None:
    with pytest.raises(SinkError) as caught:
        connect(conninfo)
    assert caught.value.failure is SinkFailure.CONNINFO_PASSWORD
    assert "s3cret" not in str(caught.value)
    assert "PGPASSFILE" in caught.value.next_step


def test_what_is_no_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(SinkError) as caught:
        check_conninfo("host=h s3cret = = x")
    assert caught.value.failure is SinkFailure.CONNINFO_INVALID
    assert "s3cret" not in str(caught.value)


def test_a_file_of_passwords_and_a_service_are_no_passwords() -> None:
    check_conninfo("service=views passfile=/home/me/.pgpass")
    check_conninfo("postgresql://user@h:5433/db?sslmode=verify-full")


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    assert failure_of(lambda: connect(f"host={tmp_path}")) is SinkFailure.UNREACHABLE
    # Port 9 of this machine: discard, where nothing listens.
    assert failure_of(lambda: connect("host=127.0.0.1 port=9")) is SinkFailure.UNREACHABLE


def test_a_login_that_is_refused_has_its_own_name(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS stranger")
        owner.execute("CREATE ROLE stranger LOGIN PASSWORD 'right'")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    assert failure_of(lambda: connect(as_user(postgres, "stranger"))) is SinkFailure.LOGIN_REFUSED
    monkeypatch.setenv("PGPASSWORD", "wrong")
    assert failure_of(lambda: connect(as_user(postgres, "stranger"))) is SinkFailure.LOGIN_REFUSED
    assert failure_of(lambda: connect(as_user(postgres, "nobody"))) is SinkFailure.LOGIN_REFUSED
    monkeypatch.setenv("PGPASSWORD", "right")
    connect(as_user(postgres, "stranger")).close()


def test_a_database_that_is_not_there_or_of_another_encoding_is_named(
    postgres: PostgresServer,
) -> None:
    missing = as_user(postgres, "postgres", "no_such")
    assert failure_of(lambda: connect(missing)) is SinkFailure.DATABASE_ABSENT
    with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
        owner.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        latin = as_user(postgres, "postgres", "latin")
        assert failure_of(lambda: connect(latin)) is SinkFailure.ENCODING_UNFIT
        owner.execute("DROP DATABASE latin")


def test_an_old_server_is_refused(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SERVER_VERSION_MIN", 990_000)
    assert failure_of(lambda: connect(postgres.conninfo)) is SinkFailure.VERSION_TOO_OLD


def test_a_connection_looks_nowhere_but_where_it_is_told(postgres: PostgresServer) -> None:
    with connect(postgres.conninfo) as made:
        assert made.execute("SHOW search_path").fetchone() == ("",)
        assert made.execute("SHOW lock_timeout").fetchone() == ("10s",)
        assert made.autocommit


RAISED: list[tuple[str, SinkFailure]] = [
    ("SELECT 1 FROM no_such", SinkFailure.ROWS_DIFFER),
    ("SELECT pg_terminate_backend(pg_backend_pid())", SinkFailure.UNREACHABLE),
    # The server itself finds no room: this device is always full.
    ("COPY (SELECT 1) TO '/dev/full'", SinkFailure.DISK_FULL),
    ("SET ROLE pg_monitor; CREATE TABLE public.t ()", SinkFailure.PERMISSION_DENIED),
    ("BEGIN READ ONLY; CREATE TABLE public.t ()", SinkFailure.READ_ONLY),
    ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", SinkFailure.EXHAUSTED),
    ("SELECT 1 / 0", SinkFailure.ROWS_DIFFER),
    ("DO $$ BEGIN RAISE SQLSTATE '23502'; END $$", SinkFailure.ROWS_DIFFER),
    ("DO $$ BEGIN RAISE SQLSTATE '0A000'; END $$", SinkFailure.REFUSED),
]


@pytest.mark.parametrize(("statement", "failure"), RAISED)
def test_what_a_server_says_has_our_name(
    postgres: PostgresServer, statement: Any, failure: SinkFailure
) -> None:
    with connect(postgres.conninfo) as made, pytest.raises(SinkError) as caught, translated():
        made.execute(statement)
    assert caught.value.failure is failure
    assert caught.value.detail


def test_a_server_that_starts_is_not_a_missing_database() -> None:
    words = "connection failed: FATAL:  the database system is starting up"
    assert driver._failure(None, words) is SinkFailure.UNREACHABLE
    assert driver._failure(None, "FATAL:  sorry, too many clients already") is SinkFailure.EXHAUSTED
