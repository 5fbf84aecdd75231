"""Reducers in C, compiled by zig: one source file, with `abi.h` beside it or from `shipped`.

The same source, flags and version of zig give the same bytes on every machine. Where zig comes
from is not known here: `ziglang` is a package of some 100 MB that only builders of reducers need.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

ZIG_VERSION = "0.17.0"
"""What the shipped reducers were compiled with; another one gives other bytes."""

SHIPPED = Path(__file__).resolve().parent / "views" / "shipped"
"""Sources of the reducers that come with the node, their code, and `abi.h`."""

FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=mvp+bulk_memory+sign_ext", "-std=c11"),
    *("-Os", "-fno-strict-aliasing", "-fno-sanitize=all", "-g0", "-nostdlib"),
    *("-Wall", "-Wextra", "-Werror"),
    *("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536"),
)
"""Instructions that every engine of today has; the stack is one page, zig's own would be sixteen.
Unaligned and differently typed access is what a reducer's memory is read by."""


class CompilationFailed(Exception):
    """The compiler refused the source, or did not run; the text is the compiler's."""


def compile_reducer(zig: Sequence[str], source: Path) -> bytes:
    """The WebAssembly module that the C file compiles to; `zig` is the command that runs it.

    Raises `CompilationFailed`, also for a source that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="reducer-") as name:
        made = Path(name) / "reducer.wasm"
        # By the file's name alone, so that no path of this machine gets into the module.
        command = [*zig, "cc", *FLAGS, "-I.", f"-I{SHIPPED}", "-o", str(made), source.name]
        try:
            done = subprocess.run(
                command,
                cwd=source.resolve().parent,
                env={**os.environ, "SOURCE_DATE_EPOCH": "0"},
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise CompilationFailed(str(error)) from error
        if done.returncode != 0:
            raise CompilationFailed(done.stderr.strip() or f"zig ended with {done.returncode}")
        return made.read_bytes()
