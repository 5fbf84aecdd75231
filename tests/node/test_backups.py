"""Backups of a log that is being written: complete or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from node.answers import BackupRefused
from node.backups import Backups
from node.store import backup
from node.store.kv import KeyValueError
from node.store.log import EventLog
from node.store.reducer_files import reducers_directory
from node.store.rocks import RocksKeyValue
from tests.support.logs import fill, make_log
from tests.support.tills import CODE, installed_in


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    opened = make_log(tmp_path / "home" / "data", 25)
    yield opened
    opened.close()


@pytest.fixture
def backups(log: EventLog, tmp_path: Path) -> Backups:
    return Backups(log, tmp_path / "home" / "data")


async def test_a_backup_says_what_it_holds(backups: Backups, log: EventLog, tmp_path: Path) -> None:
    made = await backups.make(tmp_path / "copy")
    assert (made.records, made.chain_hash) == (25, "0x" + log.chain_hash.hex())
    assert made.file_count > 3
    assert made.size_bytes > 0
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700
    fill(log, 40)
    assert backup.verified(tmp_path / "copy").records == 25


async def test_what_is_recorded_while_tables_are_written_is_in_it(
    backups: Backups, log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def is_flushing(_: RocksKeyValue) -> bool:
        looked.append(log.next_seq)
        fill(log, log.next_seq + 5)
        return len(looked) < 3

    monkeypatch.setattr(RocksKeyValue, "is_flushing", is_flushing)
    made = await backups.make(tmp_path / "copy")
    assert made.records == 40
    assert backup.verified(tmp_path / "copy").records == 40


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("copy", "absolute"),
        ("/", "must name"),
        ("{tmp}/home/..", "must name"),
        ("{tmp}/a/../copy", "must name"),
        ("{tmp}/home", "already"),
        ("{tmp}/nowhere/copy", "no directory"),
        ("{tmp}/home/data/copy", "into itself"),
        ("{tmp}/link/copy", "into itself"),
    ],
)
async def test_a_place_that_will_not_do_is_refused(
    backups: Backups, tmp_path: Path, target: str, reason: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "home" / "data")
    with pytest.raises(BackupRefused, match=reason):
        await backups.make(Path(target.format(tmp=tmp_path)))


async def test_what_an_interrupted_backup_left_is_not_overwritten(
    backups: Backups, tmp_path: Path
) -> None:
    (tmp_path / "copy.partial").mkdir()
    with pytest.raises(BackupRefused, match="interrupted"):
        await backups.make(tmp_path / "copy")
    assert (tmp_path / "copy.partial").exists()


async def test_one_that_fails_leaves_nothing(
    backups: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: RocksKeyValue, path: Path) -> None:
        raise KeyValueError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(RocksKeyValue, "copy_to", fails)
        with pytest.raises(BackupRefused, match="no space"):
            await backups.make(tmp_path / "copy")
    assert os.listdir(tmp_path) == ["home"]
    await backups.make(tmp_path / "copy")


async def test_of_two_at_once_one_is_refused(
    backups: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([True, True])
    monkeypatch.setattr(RocksKeyValue, "is_flushing", lambda store: next(looks, False))
    refused: list[str] = []

    async def make(name: str) -> None:
        try:
            await backups.make(tmp_path / name)
        except BackupRefused as error:
            refused.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(make, "one")
        nursery.start_soon(make, "two")
    assert refused == ["another backup is being made"]
    assert len(os.listdir(tmp_path)) == 2


async def test_a_name_that_the_disk_refuses_is_refused(backups: Backups, tmp_path: Path) -> None:
    long_name = "c" * 300
    with pytest.raises(BackupRefused):
        await backups.make(tmp_path / long_name)


async def test_installed_reducers_are_in_it_and_damaged_ones_are_not(
    backups: Backups, tmp_path: Path
) -> None:
    _, reducer = installed_in(tmp_path / "home")
    (reducers_directory(tmp_path / "home" / "data") / f"{'5e' * 32}.wasm").write_bytes(b"none")
    await backups.make(tmp_path / "copy")
    manifest = backup.verified(tmp_path / "copy")
    assert manifest.reducers == ("0x" + reducer.hex(),)
    assert (tmp_path / "copy" / "reducers" / f"{reducer.hex()}.wasm").read_bytes() == CODE
    assert sorted(os.listdir(tmp_path / "copy")) == ["data", "reducers"]
