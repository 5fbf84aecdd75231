"""docs/postgres.md says what the code does: its commands run, its tables are complete."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from node.sinks import limits
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import SYSTEM_COLUMNS
from tests.support.postgres_server import PostgresServer
from tests.support.view_files import ViewFile

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "postgres.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.e2e
def test_what_the_page_tells_to_type_works(tmp_path: Path, postgres: PostgresServer) -> None:
    view = ViewFile(tmp_path / "scores.db")
    view.put((1, "a", b"", 1))
    statements, question = blocks("sql")
    assert "alice.payments" in question
    with psycopg.connect(postgres.conninfo, autocommit=True) as owner:
        owner.execute(statements)
        install, commands = blocks("sh")
        assert "tallystick[postgres]" in install
        environment = os.environ | {"PGHOST": str(postgres.folder), "PGUSER": "none"}
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        done = subprocess.run(
            ["bash", "-ec", commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout[done.stdout.index("{") :])["equal"]
        # A reader reads what was made after the grants.
        owner.execute("SET ROLE readers")
        assert owner.execute("SELECT id, name FROM scores.items").fetchall() == [(1, "a")]
        owner.execute("RESET ROLE; DROP SCHEMA scores CASCADE; DROP OWNED BY tally, readers")
        owner.execute("DROP ROLE tally; DROP ROLE readers")
    view.close()


def test_every_failure_is_told_once_and_where_it_belongs() -> None:
    itself, _, somebody = PAGE.partition("## Failures")[2].partition("| somebody has to do")
    for text, is_transient in ((itself, True), (somebody, False)):
        rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        told = [name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)]
        expected = [
            one.value for one in SinkFailure if SinkError(one, "").is_transient is is_transient
        ]
        assert sorted(told) == sorted(expected)


def test_bounds_and_names_are_told_as_they_are() -> None:
    assert f"more than {limits.KEY_SIZE_BYTES_MAX:,} bytes in its key" in PAGE
    assert f"up to {limits.BATCH_CHANGE_COUNT:,} row changes" in PAGE
    assert limits.SERVER_VERSION_MIN // 10_000 == 13
    assert "PostgreSQL 13 or newer" in PAGE
    listed = re.findall(
        r"`(\w+)`", PAGE.partition("one of PostgreSQL's own\n(")[2].partition(")")[0]
    )
    assert set(listed) == SYSTEM_COLUMNS
