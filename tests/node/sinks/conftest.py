"""A view, and a schema of PostgreSQL that nothing else uses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from node.sinks.sink import Sink, SinkSettings
from tests.support.postgres_server import PostgresServer
from tests.support.view_files import ViewFile

NUMBERS = itertools.count()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[ViewFile]:
    made = ViewFile(tmp_path / "view.db")
    yield made
    made.close()


@pytest.fixture
def namespace() -> str:
    return f"view_{next(NUMBERS)}"


@pytest.fixture
def settings(view: ViewFile, postgres: PostgresServer, namespace: str) -> SinkSettings:
    return SinkSettings(view.path, postgres.conninfo, namespace)


@pytest.fixture
def sink(settings: SinkSettings) -> Iterator[Sink]:
    made = Sink(settings)
    yield made
    made.close()


@pytest.fixture
def ask(postgres: PostgresServer, namespace: str) -> Iterator[Callable[..., list[Any]]]:
    """Any SQL, as a reader types it, in the test's schema."""
    with psycopg.connect(postgres.conninfo, autocommit=True) as connection:
        connection.execute(f"SET search_path = {namespace}")

        def run(statement: Any, *values: Any) -> list[Any]:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run
