"""What commands print: one JSON document for programs, tables for people. rich loads when used."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200
"""Columns of a table that goes into a file or another program."""
SHORT_ID_LENGTH = 10
"""0x and eight digits: enough to tell one's own channels apart."""


def print_json(document: object) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """rich's console on stdout, or on stderr for progress beside a JSON document."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width: rich would fold at 80 columns what another program wants whole.
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


def say(text: str) -> None:
    """A line for a person; never parsed as markup."""
    console().print(text, markup=False)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: str,
    *,
    cut_last: bool = False,
) -> None:
    """A table; numbers to the right. `empty` is said instead of a table without rows.

    With `cut_last` every row is one line, its last cell cut to what the screen has room for.
    """
    from rich.table import Table
    from rich.text import Text

    if not rows:
        say(empty)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(type(row[index]) is int for row in rows)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        if cut_last:
            table.add_column(column, justify=justify, overflow="ellipsis", no_wrap=True)
        else:
            table.add_column(column, justify=justify, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(_word(cell)) for cell in row))
    console().print(table)


def print_fields(title: str, fields: Mapping[str, Any]) -> None:
    """Names and values, a line each, nested ones as `outer.inner`; ids stay in one piece."""
    from rich.text import Text

    lines = flattened(fields)
    width = max((len(name) for name, _ in lines), default=0)
    screen = console()
    screen.print(Text(title, style="italic"))
    for name, value in lines:
        screen.print(Text(f"  {name.ljust(width)}  ", style="bold") + Text(value, style="not bold"))


def flattened(fields: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Every leaf with its dotted name; lists joined by commas."""
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found += flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found.append((prefix + name, ", ".join(str(item) for item in value) or "none"))
        else:
            found.append((prefix + name, _word(value)))
    return found


def _word(value: object) -> str:
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def short(identifier: str) -> str:
    """The beginning of an id, as commands also take it."""
    return identifier[:SHORT_ID_LENGTH]
