"""What commands print: one JSON document for programs, tables for people. rich loads when used."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200
"""Columns of a table that goes into a file or another program."""
SHORT_ID_DIGIT_COUNT = 4
"""Digits at either end of an id in a table: enough to tell one's own channels apart."""


def print_json(document: object) -> None:
    """One JSON document on stdout, and nothing else."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """rich's console on stdout, or on stderr for progress beside a JSON document."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # A pipe has no width: rich would fold at 80 columns what another program wants whole.
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


def say(text: str) -> None:
    """A line for a person; never parsed as markup."""
    console().print(text, markup=False)


def tell(document: object, text: str, *, as_json: bool) -> None:
    """What a command did: the whole answer for a program, a line for a person."""
    if as_json:
        print_json(document)
    else:
        say(text)


def titled(title: str, at: str | None, seq: int) -> str:
    """The title of what is shown of a moment in the past, or of now."""
    return title if at is None else f"{title} as of record {seq}"


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    empty: str,
    *,
    right: Collection[str] = (),
    cut_last: bool = False,
) -> None:
    """A table; numbers, and the columns in `right`, to the right. `empty` is said for no rows.

    Every cell is whole and on one line but the last of a row, the only one that gives way on a
    narrow screen: over several lines, or, with `cut_last`, cut to what there is room for.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        say(empty)
        return
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    last = len(columns) - 1
    for index, column in enumerate(columns):
        numeric = column in right or all(type(row[index]) is int for row in rows)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=index < last)
    for row in rows:
        cells = [Text(_word(cell)) for cell in row]
        if cut_last:
            # On the text: a column that may not wrap would take its room from the others too.
            cells[last].no_wrap, cells[last].overflow = True, "ellipsis"
        table.add_row(*cells)
    console().print(table)


def print_rows(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str
) -> None:
    """Rows of any columns: a table where all of it fits, else a line for each value.

    Whoever asked for so many columns wants whole values: a number that was cut looks like another.
    """
    from rich.cells import cell_len
    from rich.text import Text

    words = [[_word(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *words, strict=True)]
    if not rows or sum(widths) + 2 * len(widths) <= console().width:
        print_table(title, columns, rows, empty)
        return
    name_width = max(map(cell_len, columns))
    screen = console()
    screen.print(Text(title, style="italic"))
    for number, row in enumerate(words, start=1):
        screen.print(Text(f"row {number}", style="bold"))
        for name, word in zip(columns, row, strict=True):
            screen.print(Text(f"  {name.ljust(name_width)}  {word}"))


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
            found.append(
                (prefix + name, ", ".join(printable(str(item)) for item in value) or "none")
            )
        else:
            found.append((prefix + name, _word(value)))
    return found


def _word(value: object) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def printable(text: str) -> str:
    """The text on one line and without what steers a terminal: peers write reasons and memos."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def short(identifier: str) -> str:
    """0x1234…abcd for an id, an address or a hash: commands take ids in this form too."""
    if len(identifier) <= 2 * SHORT_ID_DIGIT_COUNT + 3:
        return identifier
    return f"{identifier[: SHORT_ID_DIGIT_COUNT + 2]}…{identifier[-SHORT_ID_DIGIT_COUNT:]}"
