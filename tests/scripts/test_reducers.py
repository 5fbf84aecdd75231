"""The build script of the reducers: what counts as a difference, and that there is none."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.reducer_compiler import SHIPPED
from scripts import reducers
from scripts.reducers import (
    FOR_TESTS,
    MANIFEST,
    SCHEMA,
    ZigMissing,
    build,
    differences,
    fetch_zig,
    folders,
    schema_of,
)


def test_a_difference_is_named(tmp_path: Path) -> None:
    built = {"a.wasm": b"1", MANIFEST: b"{}"}
    for name, content in built.items():
        (tmp_path / name).write_bytes(content)
    assert differences(built, tmp_path) == []
    (tmp_path / "b.wasm").write_bytes(b"left")
    (tmp_path / "a.wasm").write_bytes(b"2")
    assert differences(built, tmp_path) == ["a.wasm", "b.wasm"]
    (tmp_path / MANIFEST).unlink()
    assert MANIFEST in differences(built, tmp_path)


def test_what_cannot_be_fetched_is_said_with_pips_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reducers, "TOOLS", tmp_path / "tools")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ZigMissing, match=r"(?s)No matching distribution.*did not come"):
        fetch_zig()
    assert [path.name for path in (tmp_path / "tools").iterdir()] == ["zig.lock"]


def test_who_comes_second_waits_and_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []

    def fetch(folder: Path) -> None:
        time.sleep(0.1)
        (folder / "ziglang").mkdir(parents=True)
        (folder / "ziglang" / "zig").touch()
        fetched.append(folder)

    monkeypatch.setattr(reducers, "TOOLS", tmp_path)
    monkeypatch.setattr(reducers, "_fetch", fetch)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch_zig(), range(4)))
    assert len(fetched) == 1
    assert found == [[str(fetched[0] / "ziglang" / "zig")]] * 4


@pytest.mark.parametrize(
    "folder", sorted({*folders()} - {FOR_TESTS}), ids=lambda folder: folder.name
)
def test_the_tables_beside_a_reducer_are_those_that_it_makes(folder: Path) -> None:
    codes = [path.read_bytes() for path in sorted(folder.glob("*.wasm"))]
    written = (folder / SCHEMA).read_text()
    assert written == "\n".join(map(schema_of, codes))
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript(written)


@pytest.mark.slow
def test_the_shipped_modules_are_what_their_sources_compile_to() -> None:
    assert differences(build(SHIPPED), SHIPPED) == []
