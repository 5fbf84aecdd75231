"""Compiled reducers kept on disk, by the hash of their code and what compiled them.

To load compiled code is to run it: the directory must be ours alone, a file in it too, and what is
read must be what was written. Anything else is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import wasmtime

from node.views.errors import CacheUnsafe
from node.views.wasm import engine, engine_name

_HASH_SIZE_BYTES = 32


class CompiledCode:
    """A directory of compiled modules. Raises `CacheUnsafe` if others may write to it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise CacheUnsafe(str(directory), "it is not a directory")
        if not _is_ours_alone(status):
            raise CacheUnsafe(str(directory), "others may write to it, or own it (chmod 700)")

    def load(self, code_hash: bytes) -> wasmtime.Module | None:
        """The compiled module; None if there is none that can be trusted."""
        path = self._path(code_hash)
        kept = _read(path)
        if kept is None:
            return None
        checksum, compiled = kept[:_HASH_SIZE_BYTES], kept[_HASH_SIZE_BYTES:]
        if hashlib.sha256(compiled).digest() != checksum:
            return None
        try:
            return wasmtime.Module.deserialize(engine(), compiled)
        except wasmtime.WasmtimeError:
            return None

    def keep(self, code_hash: bytes, module: wasmtime.Module) -> None:
        """Write the compiled module; a disk that refuses costs the next start its compilation."""
        compiled = bytes(module.serialize())
        path = self._path(code_hash)
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(compiled).digest() + compiled)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)

    def _path(self, code_hash: bytes) -> Path:
        maker = hashlib.sha256(engine_name().encode()).hexdigest()[:16]
        return self._directory / f"{code_hash.hex()}-{maker}.compiled"


def _is_ours_alone(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours_alone(status):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)
