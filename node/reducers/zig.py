"""The compiler, wherever it is installed, and a module out of a source."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

from node.reducer_compiler import ZIG_VERSION, CompilationFailed, compile_reducer
from node.reducers.errors import CompileFailed, CompilerMissing, SourceMissing
from node.reducers.folders import ReducerFolder
from node.reducers.limits import COMPILE_TIMEOUT_S

ZIG_VARIABLE = "TALLY_ZIG"
INSTALL = f"pip install 'tallystick[reducers]', or: pip install ziglang=={ZIG_VERSION}"
CLONE_PLACE = f".tools/zig-{ZIG_VERSION}/ziglang/zig"
"""Where a clone keeps it: it is too large to come with everything else."""

_ROOT = Path(__file__).resolve().parent.parent.parent


def find_zig() -> Path:
    """The compiler: TALLY_ZIG, the clone's .tools, or the package `ziglang` beside this Python.

    Raises `CompilerMissing`, with what to install.
    """
    named = os.environ.get(ZIG_VARIABLE)
    if named is not None:
        if not Path(named).is_file() or not os.access(named, os.X_OK):
            reason = f"{ZIG_VARIABLE} names {named}, which is not an executable file"
            raise CompilerMissing(reason, "Correct it, or unset it")
        return Path(named)
    places = [_ROOT / CLONE_PLACE]
    package = importlib.util.find_spec("ziglang")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "zig")
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise CompilerMissing(f"zig {ZIG_VERSION}, the compiler of reducers, was not found", INSTALL)


def build(source: Path) -> bytes:
    """The module that a C file compiles to.

    Raises `SourceMissing`, `CompilerMissing`, and `CompileFailed` with what the compiler said.
    """
    if not source.is_file():
        raise SourceMissing(f"there is no reducer at {source}", "tally reducer new NAME makes one")
    zig = find_zig()
    _check_version(zig)
    try:
        return compile_reducer([str(zig)], source)
    except CompilationFailed as error:
        raise CompileFailed(f"{source} does not compile:\n{error}") from error


def is_up_to_date(reducer: ReducerFolder) -> bool | None:
    """Whether the module is what the source compiles to; None where that cannot be known."""
    try:
        return build(reducer.source) == reducer.module.read_bytes()
    except CompileFailed:
        return False
    except (SourceMissing, CompilerMissing):
        return None


def _check_version(zig: Path) -> None:
    try:
        done = subprocess.run(
            [str(zig), "version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMPILE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerMissing(f"{zig} does not run: {error}", INSTALL) from error
    version = done.stdout.strip()
    if version != ZIG_VERSION:
        reason = f"{zig} is zig {version[:20] or 'of no version'}: another one gives other bytes"
        raise CompilerMissing(reason, INSTALL)
