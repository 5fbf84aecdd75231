"""`tally backup`: of a node at rest and of a running one, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.keys import create
from node.rpc.token import create_token
from node.store import backup
from node.store.log import EventLog
from protocols.events import NodeCreated
from tests.node.test_config import CHAIN
from tests.support.daemons import Network
from tests.support.logs import TIME_MS, payment

SECRET = b"\x09" * 32


def make_home(home: Path, record_count: int = 3, secret: bytes = SECRET) -> Path:
    """A node's directory with a key and a small log."""
    home.mkdir()
    (home / "config.toml").write_text(CHAIN)
    address = create(home / "keystore.json", "secret", secret=secret, scrypt_n=4_096)
    create_token(home / "rpc.token")
    log = EventLog.open(home / "data")
    for number in range(record_count):
        batch = log.begin(TIME_MS + number)
        zero = bytes(20)
        created = NodeCreated(1, 1, zero, zero, zero, address)
        batch.append(payment(number) if number else created)
        log.commit(batch)
    log.close()
    return home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


def test_a_node_at_rest_is_copied_without_its_keys(tally_json, home: Path, tmp_path: Path) -> None:
    made = tally_json("backup", tmp_path / "copy", "-c", home)
    assert made["path"] == str(tmp_path / "copy")
    assert (made["records"], made["with_keys"], made["keys"]) == (3, False, [])
    assert os.listdir(tmp_path / "copy") == ["data"]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    assert backup.verified(tmp_path / "copy").chain_hash == made["chain_hash"]
    assert backup.read_manifest(home / "data") is None


def test_keys_are_copied_when_asked_for_and_for_the_owner_alone(
    tally, home: Path, tmp_path: Path
) -> None:
    result = tally("backup", tmp_path / "copy", "-c", home, "--with-keys")
    assert result.exit_code == 0, result.output
    assert "keep it as you keep a key" in result.output
    for name in ("config.toml", "keystore.json", "rpc.token"):
        copied = tmp_path / "copy" / name
        assert copied.read_bytes() == (home / name).read_bytes()
        assert copied.stat().st_mode & 0o777 == 0o600


def test_a_relative_path_is_of_the_working_directory(
    tally_json, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tally_json("backup", "copy", "-c", home)["path"] == str(tmp_path / "copy")


def test_nothing_is_overwritten(tally_json, home: Path, tmp_path: Path) -> None:
    for taken in (home, home / "data" / "copy", tmp_path / "nowhere" / "copy"):
        refused = tally_json("backup", taken, "-c", home, exit_code=1)
        assert refused["error"]["name"] == "BACKUP_NOT_MADE"
    (tmp_path / "copy.partial").mkdir()
    refused = tally_json("backup", tmp_path / "copy", "-c", home, exit_code=1)
    assert refused["error"]["name"] == "BACKUP_NOT_MADE"
    assert not (tmp_path / "copy").exists()


def test_a_node_without_a_log_has_nothing_to_copy(tally_json, home: Path, tmp_path: Path) -> None:
    (home / "data" / "CURRENT").unlink()
    refused = tally_json("backup", tmp_path / "copy", "-c", home, exit_code=1)
    assert refused["error"]["name"] == "LOG_MISSING"
    assert os.listdir(tmp_path) == ["home"]


@pytest.mark.e2e
def test_a_running_node_is_copied_as_it_is(
    tally_json, network: Network, channel_id: str, tmp_path: Path
) -> None:
    network.alice.call("payment_send", channel_id=channel_id, amount="1000", until="receipt")
    made = tally_json("backup", tmp_path / "copy", "-c", network.alice.directory)
    now = network.alice.call("node_status")["log"]["next_seq"]
    assert 0 < made["records"] <= now
    assert tally_json("audit", tmp_path / "copy" / "data")["findings"] == []
    refused = tally_json("backup", tmp_path / "copy", "-c", network.alice.directory, exit_code=1)
    assert refused["error"]["name"] == "BACKUP_NOT_MADE"
