"""A list of payments in a file: one a line, an amount and, behind white space, a memo.

Empty lines and lines that begin with # say nothing. It knows what a line looks like, not what an
amount is worth: that depends on the channel's asset.
"""

from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True)
class Line:
    """One payment as it was written."""

    number: int
    """In the file, from 1."""
    amount: str
    memo: str


def read_batch(file: Path) -> list[Line]:
    """The payments of the file, in order; `typer.BadParameter` if there are none."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from error
    lines = []
    for number, written in enumerate(text.splitlines(), 1):
        amount, _, memo = written.strip().partition(" ")
        if amount and not amount.startswith("#"):
            lines.append(Line(number, amount, memo.strip()))
    if not lines:
        raise typer.BadParameter(f"{file} lists no payments: write an amount and a memo a line")
    return lines
