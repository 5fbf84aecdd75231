"""What tests of several folders share: ports, and the interpreter that forks their daemons."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.postgres_server import PostgresServer
    from tests.support.warm_python import WarmPython

PORT_COUNT = 1_500
"""For each worker: between choosing a port and listening on it seconds may pass."""


@pytest.fixture(scope="session", autouse=True)
def own_ports() -> None:
    """Each worker of pytest-xdist has ports of its own."""
    # Imported here: what is loaded before coverage begins counts as never run.
    from node import processes

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    processes._PORT_FIRST += int(worker.removeprefix("gw")) % 8 * PORT_COUNT
    processes._PORT_LAST = processes._PORT_FIRST + PORT_COUNT - 1


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    """Starts the daemons of the end-to-end tests, one interpreter for all that a worker runs."""
    # Imported here: most tests start no daemon, and what this loads of a node takes a while.
    from tests.support.warm_python import warm_python

    with warm_python(tmp_path_factory.mktemp("warm")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for all that a worker runs: tests take a schema or a database each."""
    from tests.support.postgres_server import postgres_server

    with postgres_server() as running:
        yield running
