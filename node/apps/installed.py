"""Reducers on disk, by the sha256 of their code: what channels may be opened with.

What is in the directory is checked again when it is loaded: a file that was changed is none.
WebAssembly is loaded with the first reducer: a node without any is spared 8 MB and 30 ms.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from node.apps.errors import ReducerMissing, TooManyReducers
from node.apps.limits import INSTALLED_COUNT_MAX
from node.store.reducer_files import apps_directory, hashes_in, path_in, reducers_directory
from node.views.errors import CacheUnsafe
from node.views.limits import MODULE_SIZE_BYTES_MAX

if TYPE_CHECKING:
    from node.views.module import ReducerModule


class Installed:
    """The directory of reducers."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = apps_directory(data_dir)
        self._reducers = reducers_directory(data_dir)
        self._module = lru_cache(maxsize=16)(self._load)

    def install(self, code: bytes) -> bytes:
        """Keep a reducer's code once it passed all checks; its hash.

        Raises `ModuleRefused` or `TooManyReducers`.
        """
        module = self._checked(code)
        if not self.has(module.code_hash) and len(self.hashes()) >= INSTALLED_COUNT_MAX:
            raise TooManyReducers(f"{INSTALLED_COUNT_MAX} reducers are installed")
        self._reducers.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(module.code_hash)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(code)
        draft.replace(path)
        return module.code_hash

    def has(self, reducer_id: bytes) -> bool:
        """Whether code with that hash is there."""
        return len(reducer_id) == 32 and self._path(reducer_id).is_file()

    def hashes(self) -> list[bytes]:
        """What is there, in order."""
        return hashes_in(self._reducers)

    def module(self, reducer_id: bytes) -> ReducerModule:
        """The reducer, compiled. Raises `ReducerMissing`."""
        return self._module(reducer_id)

    def _load(self, reducer_id: bytes) -> ReducerModule:
        try:
            with self._path(reducer_id).open("rb") as file:
                code = file.read(MODULE_SIZE_BYTES_MAX + 1)
        except OSError as error:
            raise ReducerMissing(f"no reducer {reducer_id.hex()} is installed") from error
        if hashlib.sha256(code).digest() != reducer_id:
            raise ReducerMissing(f"the file of reducer {reducer_id.hex()} is damaged")
        return self._checked(code)

    def _checked(self, code: bytes) -> ReducerModule:
        """The code as a module. Raises `ModuleRefused`."""
        from node.views.compiled import CompiledCode
        from node.views.module import load_module

        cache: CompiledCode | None = None
        with contextlib.suppress(CacheUnsafe, OSError):
            cache = CompiledCode(self.directory / "compiled")
        return load_module(code, cache=cache)

    def _path(self, reducer_id: bytes) -> Path:
        return path_in(self._reducers, reducer_id)
