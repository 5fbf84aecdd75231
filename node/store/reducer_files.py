"""Reducers' code beside a log: where it is, and its way into a backup and back.

A file has the sha256 of its code as name, so that whoever reads it knows whether it is what it
says. What the code does is no business of the store: it keeps what a log cannot bring back.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from node.store.durable import replace_file, sync_directory
from node.store.errors import BackupReducerUnusable
from node.store.limits import REDUCER_COUNT_MAX, REDUCER_SIZE_BYTES_MAX

BACKUP_NAME = "reducers"
"""The directory of reducers inside a backup, beside its data."""
SUFFIX = ".wasm"


def apps_directory(data_dir: Path) -> Path:
    """Where the applications of the log in that directory are: beside it, since most of it, the
    views and compiled code, can be made again."""
    return data_dir.with_name(data_dir.name + "-apps")


def reducers_directory(data_dir: Path) -> Path:
    """Where the reducers of the log in that directory are."""
    return apps_directory(data_dir) / "reducers"


def path_in(directory: Path, code_hash: bytes) -> Path:
    """The file of one reducer."""
    return directory / (code_hash.hex() + SUFFIX)


def hashes_in(directory: Path) -> list[bytes]:
    """By their names, what is there, in order; whether it is sound is not looked at."""
    found = []
    if directory.is_dir():
        for path in directory.iterdir():
            with contextlib.suppress(ValueError):
                if path.suffix == SUFFIX and len(name := bytes.fromhex(path.stem)) == 32:
                    found.append(name)
    return sorted(found)


def copy_sound(data_dir: Path, target: Path) -> tuple[bytes, ...]:
    """Copy the reducers of a log into the new directory `target`, synced; their hashes.

    A file that is damaged is left out: no channel can use it where it is either. No directory is
    made for none. Raises OSError if `target` cannot be written.
    """
    source = reducers_directory(data_dir)
    copied: list[bytes] = []
    for code_hash in hashes_in(source):
        code = _sound_code(path_in(source, code_hash), code_hash)
        if code is None or len(copied) == REDUCER_COUNT_MAX:
            continue
        _write(target, code_hash, code)
        copied.append(code_hash)
    if copied:
        sync_directory(target.parent)
    return tuple(copied)


def require_all(directory: Path, wanted: Iterable[bytes]) -> None:
    """Raise `BackupReducerUnusable` unless the directory has them all, each as it was."""
    for code_hash in wanted:
        _require(directory, code_hash)


def put_back(source: Path, data_dir: Path, wanted: Iterable[bytes]) -> None:
    """Give a log its reducers from a backup's directory; those that are there and sound stay.

    Raises `BackupReducerUnusable` or OSError.
    """
    target = reducers_directory(data_dir)
    for code_hash in wanted:
        if _sound_code(path_in(target, code_hash), code_hash) is None:
            _write(target, code_hash, _require(source, code_hash))


def _write(directory: Path, code_hash: bytes, code: bytes) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path_in(directory, code_hash), code)


def _require(directory: Path, code_hash: bytes) -> bytes:
    path = path_in(directory, code_hash)
    code = _sound_code(path, code_hash)
    if code is None:
        reason = "its code is not what was copied" if path.exists() else "its file is missing"
        raise BackupReducerUnusable(str(path), reason)
    return code


def _sound_code(path: Path, code_hash: bytes) -> bytes | None:
    """The code in the file; None if there is none with that hash."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            code = file.read(REDUCER_SIZE_BYTES_MAX + 1)
    except OSError:
        return None
    is_sound = len(code) <= REDUCER_SIZE_BYTES_MAX and hashlib.sha256(code).digest() == code_hash
    return code if is_sound else None
