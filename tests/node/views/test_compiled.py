"""Compiled code is kept where nobody else can put any."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
import wasmtime

from node.views.compiled import CompiledCode
from node.views.errors import CacheUnsafe
from node.views.wasm import engine

CODE_HASH = bytes(range(32))


def a_module() -> wasmtime.Module:
    return wasmtime.Module(engine(), '(module (func (export "f")))')


def kept(tmp_path: Path) -> tuple[CompiledCode, Path]:
    cache = CompiledCode(tmp_path / "compiled")
    cache.keep(CODE_HASH, a_module())
    (path,) = (tmp_path / "compiled").iterdir()
    return cache, path


def test_what_was_kept_is_loaded(tmp_path: Path) -> None:
    cache, path = kept(tmp_path)
    module = cache.load(CODE_HASH)
    assert module is not None
    assert [item.name for item in module.exports] == ["f"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert cache.load(bytes(32)) is None


def test_the_name_tells_what_compiled_it(tmp_path: Path) -> None:
    _, path = kept(tmp_path)
    assert path.name.startswith(CODE_HASH.hex())
    path.rename(path.with_name(f"{CODE_HASH.hex()}-{'0' * 16}.compiled"))
    assert CompiledCode(path.parent).load(CODE_HASH) is None


@pytest.mark.parametrize("place", [0, 31, 32, 100, -1])
def test_a_flipped_byte_is_noticed_before_anything_is_loaded(tmp_path: Path, place: int) -> None:
    cache, path = kept(tmp_path)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert cache.load(CODE_HASH) is None


@pytest.mark.parametrize("size", [0, 10, 32, 500])
def test_a_file_cut_off_is_not_loaded(tmp_path: Path, size: int) -> None:
    cache, path = kept(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    assert cache.load(CODE_HASH) is None


def test_what_another_engine_compiled_is_not_loaded(tmp_path: Path) -> None:
    cache, path = kept(tmp_path)
    compiled = bytes(wasmtime.Module(wasmtime.Engine(), "(module)").serialize())
    path.write_bytes(hashlib.sha256(compiled).digest() + compiled)
    assert cache.load(CODE_HASH) is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_not_loaded(tmp_path: Path, mode: int) -> None:
    cache, path = kept(tmp_path)
    path.chmod(mode)
    assert cache.load(CODE_HASH) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    cache, path = kept(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.load(CODE_HASH) is None


def test_neither_a_directory_nor_a_pipe_is_read(tmp_path: Path) -> None:
    cache, path = kept(tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert cache.load(CODE_HASH) is None
    path.unlink()
    path.mkdir()
    assert cache.load(CODE_HASH) is None


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "compiled"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(CacheUnsafe):
        CompiledCode(directory)


def test_a_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(CacheUnsafe):
        CompiledCode(tmp_path / "link")


def test_a_disk_that_refuses_costs_a_compilation_and_nothing_else(tmp_path: Path) -> None:
    cache, path = kept(tmp_path)
    path.unlink()
    path.parent.rmdir()
    cache.keep(CODE_HASH, a_module())
    assert cache.load(CODE_HASH) is None
