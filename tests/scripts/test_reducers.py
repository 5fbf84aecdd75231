"""The build script of the reducers: what counts as a difference, and that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.reducer_compiler import SHIPPED
from scripts.reducers import MANIFEST, build, differences


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


@pytest.mark.slow
def test_the_shipped_modules_are_what_their_sources_compile_to() -> None:
    assert differences(build(SHIPPED), SHIPPED) == []
