"""`tally demo` as a command: its options and how it fails. The run itself: tests/e2e."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.demo_report import paid_wei


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("payments", ["0", "-1", "1000001", "many"])
def test_a_number_of_payments_that_makes_no_sense_is_bad_usage(tally, payments: str) -> None:
    assert tally("demo", "--payments", payments).exit_code == 2


def test_a_directory_that_is_there_is_not_used(tally_json, tmp_path: Path) -> None:
    refused = tally_json("demo", "--keep", tmp_path, exit_code=1)
    assert refused["error"]["name"] == "ALREADY_THERE"
    assert list(tmp_path.iterdir()) == []


def test_without_a_chain_it_says_what_is_missing_and_leaves_nothing(
    tally_json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    refused = tally_json("demo", TALLY_ANVIL="/nowhere/anvil", exit_code=1)
    assert refused["error"]["name"] == "DEVNET_ERROR"
    assert "/nowhere/anvil" in refused["error"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_a_person_gets_tables_and_a_verdict(tally) -> None:
    result = tally("demo", "--payments", "3", "--nodes-logs", COLUMNS="80")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    for title in ("\n\nOn chain", "\n\nBalances on chain", "\n\nOffline audit"):
        assert title in result.stdout
    (deposit,) = [line for line in result.stdout.splitlines() if line.startswith("deposit ")]
    assert re.search(r" 0x[0-9a-f]{4}…[0-9a-f]{4}\b", deposit)
    # Both accounts began with the same, all in ether with every decimal.
    assert re.search(r"^before +(1000\.0{18}) +\1$", result.stdout, re.MULTILINE)
    assert "wei" not in result.stdout
    assert "3 payments in" in result.stdout
    assert "concludeAndTransferAllAssets" in result.stdout
    assert "Every figure is exactly right." in result.stdout
    assert "--- log of bob ---" in result.stderr


@pytest.mark.e2e
def test_a_program_gets_the_document_and_the_directories_it_asked_for(
    tally_json, tmp_path: Path
) -> None:
    document = tally_json("demo", "--payments", "3", "--keep", tmp_path / "kept")
    assert document["ok"] is True
    assert document["payments"] == 3
    assert {"alice", "bob"} <= {path.name for path in (tmp_path / "kept").iterdir()}


@pytest.fixture
def a_wrong_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo expects one wei more than it pays."""
    monkeypatch.setattr("node.cli.demo_run.paid_wei", lambda count: paid_wei(count) + 1)


@pytest.mark.e2e
def test_a_balance_that_is_off_by_a_wei_fails_the_demo(tally, a_wrong_sum) -> None:
    result = tally("demo", "--payments", "3")
    assert result.exit_code == 1
    assert "NO: " in result.stdout
    assert "WRONG: alice holds" in result.stdout
    assert "WRONG: bob holds" in result.stdout
    assert "exactly right" not in result.stdout
    assert "--- log of alice ---" in result.stderr
