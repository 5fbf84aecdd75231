"""Reducers on their way into a backup and back: by their hash, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from node.store import reducer_files
from node.store.errors import BackupReducerUnusable
from node.store.limits import REDUCER_SIZE_BYTES_MAX
from node.store.reducer_files import (
    copy_sound,
    hashes_in,
    path_in,
    put_back,
    reducers_directory,
    require_all,
)

CODES = (b"one", b"two", bytes(REDUCER_SIZE_BYTES_MAX))
HASHES = sorted(hashlib.sha256(code).digest() for code in CODES)


def keep(data_dir: Path, *codes: bytes) -> Path:
    """Files as they are installed."""
    directory = reducers_directory(data_dir)
    directory.mkdir(parents=True)
    for code in codes:
        path_in(directory, hashlib.sha256(code).digest()).write_bytes(code)
    return directory


def test_they_lie_beside_the_log(tmp_path: Path) -> None:
    assert reducers_directory(tmp_path / "data") == tmp_path / "data-apps" / "reducers"


def test_all_are_copied_and_put_back(tmp_path: Path) -> None:
    keep(tmp_path / "data", *CODES)
    copied = copy_sound(tmp_path / "data", tmp_path / "copy")
    assert list(copied) == hashes_in(tmp_path / "copy") == HASHES
    require_all(tmp_path / "copy", copied)
    put_back(tmp_path / "copy", tmp_path / "other", copied)
    back = reducers_directory(tmp_path / "other")
    assert sorted(file.read_bytes() for file in back.iterdir()) == sorted(CODES)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_for_none_no_directory_is_made(tmp_path: Path) -> None:
    assert copy_sound(tmp_path / "data", tmp_path / "copy") == ()
    require_all(tmp_path / "copy", ())
    put_back(tmp_path / "copy", tmp_path / "data", ())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_sound_reducer_is_left_out(tmp_path: Path) -> None:
    directory = keep(tmp_path / "data", *CODES)
    path_in(directory, HASHES[0]).write_bytes(b"altered")
    (directory / "notes.txt").write_bytes(b"")
    (directory / "5e5e.wasm").write_bytes(b"")
    large = bytes(REDUCER_SIZE_BYTES_MAX + 1)
    path_in(directory, hashlib.sha256(large).digest()).write_bytes(large)
    path_in(directory, bytes(32)).mkdir()
    os.mkfifo(path_in(directory, b"\x01" * 32))
    assert list(copy_sound(tmp_path / "data", tmp_path / "copy")) == HASHES[1:]


def test_no_more_are_copied_than_a_node_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reducer_files, "REDUCER_COUNT_MAX", 2)
    keep(tmp_path / "data", *CODES)
    assert list(copy_sound(tmp_path / "data", tmp_path / "copy")) == HASHES[:2]


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "missing"), (b"", "not what was copied"), (b"two.", "not what")]
)
def test_one_that_is_missing_or_altered_is_named_and_what_to_do(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    directory = keep(tmp_path / "data", b"two")
    name = hashlib.sha256(b"two").digest()
    file = path_in(directory, name)
    file.unlink() if content is None else file.write_bytes(content)
    for use in (
        lambda: require_all(directory, [name]),
        lambda: put_back(directory, tmp_path / "other", [name]),
    ):
        with pytest.raises(BackupReducerUnusable, match=reason) as refused:
            use()
        assert name.hex() in str(refused.value)
        assert "BACKUP.json" in str(refused.value)
    assert not reducers_directory(tmp_path / "other").exists()


def test_those_that_are_there_stay_and_a_damaged_one_is_mended(tmp_path: Path) -> None:
    source = keep(tmp_path / "data", b"one", b"two")
    target = keep(tmp_path / "other", b"one", b"three")
    sound, damaged = (path_in(target, hashlib.sha256(code).digest()) for code in (b"one", b"two"))
    damaged.write_bytes(b"tw")
    before = sound.stat().st_ino
    put_back(source, tmp_path / "other", hashes_in(source))
    assert sound.stat().st_ino == before
    assert damaged.read_bytes() == b"two"
    assert len(hashes_in(target)) == 3
