"""`tally restore`: a log put back, keys and all, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from node.store.log import EventLog
from tests.node.cli.test_backup import make_home
from tests.support.logs import fill
from tests.support.tills import CODE, installed_in


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


@pytest.fixture
def copied(tally_json: Any, home: Path, tmp_path: Path) -> Path:
    tally_json("backup", tmp_path / "copy", "-c", home, "--with-keys")
    return tmp_path / "copy"


def write_on(home: Path, count: int) -> None:
    log = EventLog.open(home / "data")
    fill(log, count)
    log.close()


def test_a_lost_log_is_put_back(tally_json: Any, home: Path, copied: Path) -> None:
    shutil.rmtree(home / "data")
    done = tally_json("restore", copied, home)
    assert (done["records"], done["kept_aside"], done["lost_record_count"]) == (3, None, 0)
    assert done["keys"] == []
    assert (home / "data" / "BACKUP.json").exists()


@pytest.mark.slow
def test_a_new_directory_takes_the_keys_out_of_the_backup(
    tally: Any, tally_json: Any, home: Path, copied: Path, tmp_path: Path
) -> None:
    done = tally_json("restore", copied, tmp_path / "again")
    assert done["keys"] == ["config.toml", "keystore.json", "rpc.token"]
    assert (tmp_path / "again" / "keystore.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    result = tally("restore", copied, tmp_path / "a third")
    assert result.exit_code == 0
    assert "close-only" in result.output


@pytest.mark.slow
def test_a_log_that_went_on_stays_unless_the_words_are_said(
    tally: Any, tally_json: Any, home: Path, copied: Path
) -> None:
    write_on(home, 9)
    refused = tally_json("restore", copied, home, exit_code=1)
    assert refused["error"]["name"] == "RESTORE_REFUSED"
    assert "the last 6 would be forgotten" in refused["error"]["message"]
    assert "lose newer records" in refused["error"]["next_step"]
    result = tally("restore", copied, home, "--force", "lose newer records")
    assert result.exit_code == 0
    assert "is kept in" in result.output


@pytest.mark.slow
def test_a_backup_of_another_node_is_refused(tally_json: Any, copied: Path, tmp_path: Path) -> None:
    other = make_home(tmp_path / "other", secret=b"\x0a" * 32)
    refused = tally_json("restore", copied, other, exit_code=1)
    assert refused["error"]["name"] == "BACKUP_OF_ANOTHER_NODE"


def test_without_keys_anywhere_there_is_no_node_to_restore(
    tally_json: Any, copied: Path, tmp_path: Path
) -> None:
    refused = tally_json("restore", copied / "data", tmp_path / "again", exit_code=1)
    assert refused["error"]["name"] == "NO_NODE_THERE"
    assert not (tmp_path / "again").exists()


def test_what_is_no_backup_is_refused(tally_json: Any, home: Path) -> None:
    refused = tally_json("restore", home, home, exit_code=1)
    assert refused["error"]["name"] == "BACKUP_UNUSABLE"


def test_installed_reducers_come_back_with_the_log(
    tally: Any, tally_json: Any, home: Path, tmp_path: Path
) -> None:
    _, code_hash = installed_in(home)
    reducer = "0x" + code_hash.hex()
    damaged = home / "data-apps" / "reducers" / f"{'5e' * 32}.wasm"
    damaged.write_bytes(b"none")
    made = tally_json("backup", tmp_path / "copy", "-c", home)
    assert (made["reducers"], made["reducers_left_out"]) == ([reducer], ["0x" + "5e" * 32])
    assert "Install them again" in tally("backup", tmp_path / "more", "-c", home).output
    for lost in ("data", "data-apps"):
        shutil.rmtree(home / lost)
    kept = tmp_path / "copy" / "reducers" / f"{code_hash.hex()}.wasm"
    kept.write_bytes(b"altered")
    refused = tally_json("restore", tmp_path / "copy", home, exit_code=1)
    assert refused["error"]["name"] == "BACKUP_REDUCER_UNUSABLE"
    assert not (home / "data").exists()
    kept.write_bytes(CODE)
    done = tally_json("restore", tmp_path / "copy", home)
    assert done["reducers"] == [reducer]
    assert tally_json("app", "reducers", "-c", home)["reducers"] == [reducer]
