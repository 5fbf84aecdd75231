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


@pytest.mark.parametrize(
    "option",
    [
        *(("--payments", count) for count in ("0", "-1", "1000001", "many")),
        *(("--hops", count) for count in ("-1", "5")),
        *(("--channels", count) for count in ("-1", "101")),
    ],
)
def test_a_number_that_makes_no_sense_is_bad_usage(tally, option: tuple[str, str]) -> None:
    assert tally("demo", *option).exit_code == 2


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
    # Into the channel, and into the ledger at either side of the hub.
    deposits = [line for line in result.stdout.splitlines() if line.startswith("deposit ")]
    assert len(deposits) == 3
    assert re.search(r" 0x[0-9a-f]{4}…[0-9a-f]{4}\b", deposits[0])
    # In ether, with every decimal: what the hub gained is its fee.
    assert re.search(r"^hub +0\.000001000000000000 .*exactly *$", result.stdout, re.MULTILINE)
    assert re.search(
        r"^bob +0\.\d{18} +0 wei +1000\.\d{18} +exactly *$", result.stdout, re.MULTILINE
    )
    assert " 0 chain transactions." in result.stdout
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
    assert {"alice", "hub", "bob"} <= {path.name for path in (tmp_path / "kept").iterdir()}


@pytest.mark.e2e
def test_without_virtual_channels_there_is_no_hub(tally, tally_json) -> None:
    document = tally_json("demo", "--payments", "3", "--channels", "0")
    assert document["virtual"] is None
    assert list(document["outcome"]) == ["alice", "bob"]
    assert [t["kind"] for t in document["chain_transactions"]] == [
        "deposit",
        "concludeAndTransferAllAssets",
    ]


@pytest.fixture
def a_wrong_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo expects one wei more than it pays."""
    monkeypatch.setattr("node.cli.demo_run.paid_wei", lambda count: paid_wei(count) + 1)


@pytest.mark.e2e
def test_a_balance_that_is_off_by_a_wei_fails_the_demo(tally, a_wrong_sum) -> None:
    result = tally("demo", "--payments", "3", "--channels", "0")
    assert result.exit_code == 1
    assert "NO: " in result.stdout
    assert "WRONG: alice holds" in result.stdout
    assert "WRONG: bob holds" in result.stdout
    assert "exactly right" not in result.stdout
    assert "--- log of alice ---" in result.stderr
