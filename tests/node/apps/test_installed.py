"""Reducers are kept by the hash of their code, and checked whenever they are loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import wasmtime

from node.apps import installed as room
from node.apps.errors import ReducerMissing, TooManyReducers
from node.apps.installed import Installed
from node.store.reducer_files import apps_directory
from node.views.errors import ModuleRefused
from tests.support.tills import CODE, installed_in


def test_a_reducer_is_found_by_its_hash(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    assert reducer == hashlib.sha256(CODE).digest()
    assert installed.has(reducer)
    assert installed.hashes() == [reducer]
    assert installed.module(reducer).code_hash == reducer
    assert Installed(tmp_path / "data").has(reducer)
    assert installed.install(CODE) == reducer


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "data")
    assert installed.hashes() == []
    assert not installed.has(bytes(32))
    assert not installed.has(b"../../etc/passwd")
    with pytest.raises(ReducerMissing):
        installed.module(bytes(32))


def test_code_that_is_no_reducer_is_not_kept(tmp_path: Path) -> None:
    installed = Installed(tmp_path / "data")
    for code in (b"", b"\x00asm", wasmtime.wat2wasm("(module)")):
        with pytest.raises(ModuleRefused):
            installed.install(code)
    assert installed.hashes() == []


def test_a_changed_file_is_no_reducer(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    (file,) = (apps_directory(tmp_path / "data") / "reducers").iterdir()
    file.write_bytes(CODE + b"\x00")
    with pytest.raises(ReducerMissing, match="damaged"):
        installed.module(reducer)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    installed, reducer = installed_in(tmp_path)
    folder = apps_directory(tmp_path / "data") / "reducers"
    (folder / "notes.txt").write_text("mine")
    (folder / "beef.wasm").write_bytes(CODE)
    assert installed.hashes() == [reducer]


def test_there_are_so_many_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "INSTALLED_COUNT_MAX", 1)
    installed, _ = installed_in(tmp_path)
    with pytest.raises(TooManyReducers):
        installed.install(CODE + b"\x00\x04\x01xab")
