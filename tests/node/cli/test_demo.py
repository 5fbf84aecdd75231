"""`tally demo` as a command: its options and how it fails. The run itself: tests/e2e."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


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
