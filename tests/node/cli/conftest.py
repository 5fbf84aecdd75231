"""One running network for all tests of the commands that speak to a node."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from node.cli.app import app
from node.cli.demo_nodes import names_on_path, running_path
from node.cli.demo_progress import demo_progress
from tests.support.daemons import LocalNode, Network, open_channel, running_network
from tests.support.warm_python import WarmPython, begun_by, keys_opened_here, started_by

Tally = Callable[..., Result]

# The tree of commands is always the same, and takes as long to build as a command to run.
typer.testing._get_command = functools.cache(get_command)


def run_tally(*arguments: object, **environment: str) -> Result:
    """Run a command in this process, with nothing but the given TALLY_* settings."""
    cleared: dict[str, str | None] = {"TALLY_DIR": None, "TALLY_PASSWORD": None, "COLUMNS": None}
    words = [str(argument) for argument in arguments]
    with pytest.MonkeyPatch.context() as patch:
        # A logger that is cached writes to this command's standard error, closed by then, for ever.
        patch.setattr(structlog, "configure", partial(_configured, structlog.configure))
        try:
            return CliRunner().invoke(app, words, env={**cleared, **environment})
        finally:
            structlog.reset_defaults()


def _configured(configure: Callable[..., None], **given: Any) -> None:
    configure(**{**given, "cache_logger_on_first_use": False})


@pytest.fixture(scope="session")
def tally() -> Tally:
    return run_tally


@pytest.fixture(scope="session")
def tally_json() -> Callable[..., Any]:
    """Run a command with --json; the one document it printed."""

    def run(*arguments: object, exit_code: int = 0, **environment: str) -> Any:
        result = run_tally(*arguments, "--json", **environment)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture(autouse=True)
def sooner(request: pytest.FixtureRequest) -> Iterator[None]:
    """Daemons of end-to-end tests, and keystores, need not load their libraries each time."""
    if request.node.get_closest_marker("e2e") is None:
        with keys_opened_here():
            yield
        return
    with started_by(request.getfixturevalue("python")):
        yield


@pytest.fixture(scope="session")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("network"))) as running:
        yield running


@pytest.fixture(scope="module")
def own_network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One of a module's own: in the shared one other commands leave ledgers and channels.

    A module whose `network` this is has it behind `alice_dir` and `bob_dir` too.
    """
    with begun_by(python, running_network(tmp_path_factory.mktemp("own"))) as running:
        yield running


@pytest.fixture(scope="session")
def channel_id(network: Network) -> str:
    """A channel from alice to bob that is open in all tests."""
    return open_channel(network.alice, network.bob)


@pytest.fixture(scope="module")
def path(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LocalNode]]:
    """alice, a hub that takes 7 for a channel, and bob; no ledgers yet."""
    workspace = tmp_path_factory.mktemp("path")
    with demo_progress(quiet=True) as progress:
        hubs = running_path(workspace, progress, names_on_path(1), hub_fee=7)
        with begun_by(python, hubs) as (_, nodes):
            yield nodes


@pytest.fixture
def alice_dir(network: Network) -> Path:
    return network.alice.directory


@pytest.fixture
def bob_dir(network: Network) -> Path:
    return network.bob.directory
