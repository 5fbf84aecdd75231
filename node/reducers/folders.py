"""Where a reducer lies: a folder of reducer.c, reducer.wasm, messages.jsonl and tests/*.jsonl."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from node.reducers.errors import MessageFileInvalid, ModuleMissing, NameUnusable
from node.views.limits import MODULE_SIZE_BYTES_MAX

SOURCE, MODULE, MESSAGES, TESTS = "reducer.c", "reducer.wasm", "messages.jsonl", "tests"
TEMPLATE = Path(__file__).parent / "template"
APPLICATIONS = Path(__file__).resolve().parent.parent / "views" / "applications"
"""Those that ship, a folder each."""
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_PLACEHOLDER = "NAME"


@dataclass(frozen=True)
class ReducerFolder:
    """The files of one reducer; each may be absent."""

    source: Path
    module: Path
    messages: tuple[Path, ...]


def find_reducer(target: Path) -> ReducerFolder:
    """The reducer that somebody means by a folder, a C file or a module."""
    if target.is_dir():
        tests = sorted((target / TESTS).glob("*.jsonl"))
        messages = [path for path in (target / MESSAGES, *tests) if path.is_file()]
        return ReducerFolder(target / SOURCE, target / MODULE, tuple(messages))
    beside = find_reducer(target.parent).messages if target.parent.is_dir() else ()
    return ReducerFolder(target.with_suffix(".c"), target.with_suffix(".wasm"), beside)


def shipped_or(target: Path) -> Path:
    """The folder of the application that ships by that name, where no file or folder has it."""
    shipped = APPLICATIONS / target.name
    is_name = target.parent == Path() and NAME.fullmatch(target.name) is not None
    return shipped if is_name and not target.exists() and shipped.is_dir() else target


def read_module(reducer: ReducerFolder) -> bytes:
    """The module's bytes, and one more at most than a module may have; raises `ModuleMissing`."""
    if not reducer.module.is_file():
        raise ModuleMissing(f"there is no module at {reducer.module}", "tally reducer build")
    with reducer.module.open("rb") as file:
        return file.read(MODULE_SIZE_BYTES_MAX + 1)


def message_files(reducer: ReducerFolder, named: list[Path]) -> list[Path]:
    """Those that were named, or else all of the folder; raises `MessageFileInvalid` for none."""
    found = named or list(reducer.messages)
    if not found:
        reason = f"there are no messages: neither {MESSAGES} nor {TESTS}/*.jsonl"
        raise MessageFileInvalid(reason, "Name a file of messages")
    return found


def make_reducer(folder: Path) -> list[Path]:
    """A new reducer: a game that works, to be changed into another. What was written.

    Raises `NameUnusable`.
    """
    if NAME.fullmatch(folder.name) is None:
        reason = f"{folder.name[:80]!r} is no name: small letters, digits, - and _"
        raise NameUnusable(reason, "Choose another")
    if folder.exists():
        raise NameUnusable(f"{folder} is there already", "Choose another name")
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in written:
        path.write_text(path.read_text().replace(_PLACEHOLDER, folder.name))
    return written
