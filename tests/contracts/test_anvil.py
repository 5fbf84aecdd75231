"""The chain the contract tests run on: found where it should be, and always ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import anvil
from tests.support.anvil import AnvilMissingError, command_line, find_anvil, start_anvil
from tests.support.contract_calls import Rpc


def is_running(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\necho no chain here\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository and a PATH without anvil."""
    monkeypatch.delenv("TALLY_ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(anvil, "ROOT", tmp_path)
    return tmp_path


def test_the_environment_wins_then_the_repository_then_the_path(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AnvilMissingError, match=r"make setup"):
        find_anvil()
    for place in (bare / "bin/anvil", bare / anvil.PLACES[1], bare / anvil.PLACES[0]):
        executable(place)
        assert find_anvil() == place
    monkeypatch.setenv("TALLY_ANVIL", str(executable(bare / "mine")))
    assert find_anvil() == bare / "mine"
    monkeypatch.setenv("TALLY_ANVIL", str(bare / "nothing"))
    with pytest.raises(AnvilMissingError, match=r"nothing"):
        find_anvil()


def test_options_are_anvils_own() -> None:
    options: dict[str, object] = {"block_time": 1, "no_mining": True, "silent": False, "fork": None}
    assert command_line(options) == ["--block-time", "1", "--no-mining"]


def test_something_that_is_no_chain_is_reported_with_what_it_said(bare: Path) -> None:
    executable(bare / "bin/anvil")
    with pytest.raises(RuntimeError, match=r"no chain here"), start_anvil():
        raise AssertionError("it did not start")


@pytest.mark.e2e
def test_a_chain_answers_and_is_gone_afterwards() -> None:
    with start_anvil(chain_id=4242) as process:
        rpc = Rpc(process.port)
        assert int(rpc.ask("eth_chainId"), 16) == 4242
        rpc.close()
        assert is_running(process.pid)
    assert not is_running(process.pid)


@pytest.mark.e2e
def test_a_chain_is_ended_even_if_the_test_fails_or_the_chain_hangs() -> None:
    def fail_with_a_hanging_chain() -> None:
        with start_anvil() as process:
            started.append(process.pid)
            os.kill(process.pid, signal.SIGSTOP)  # it cannot even see the polite request to end
            raise ZeroDivisionError

    started: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail_with_a_hanging_chain()
    assert not is_running(started[0])
