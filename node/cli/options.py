"""The options and arguments that commands share, each spelt, checked and explained once."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from node.cli.amounts import parse_amount, parse_units

NodeDir = Annotated[
    Path,
    typer.Option(
        "--dir",
        "-d",
        "--config",
        "-c",
        envvar="TALLY_DIR",
        metavar="DIR",
        help="The node's directory, or its config.toml.",
    ),
]
"""Where the node lives."""

HERE = Path(".")
"""The default of `NodeDir`."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="MOMENT",
        help="As it was then: after record 1234, at 2026-11-21T10:00:00Z, or with block:123.",
    ),
]
"""A moment in the past; the node says what is wrong with one that is none."""

RequestId = Annotated[
    str,
    typer.Option(
        help="A name of your choice: repeated under it, the command is answered, not done twice."
    ),
]

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Override one setting; can be given many times.",
    ),
]


NATIVE = "0x" + "00" * 20
"""The zero address stands for the chain's own currency."""


def written_amount(text: str) -> str:
    """What may be an amount, as it was written; `typer.BadParameter` with the reason else.

    Which units it may have depends on the asset: `amount_in`.
    """
    amount_in(NATIVE, text)
    return text


def amount_in(asset: str, text: str) -> int:
    """The amount in the asset's smallest unit; `typer.BadParameter` with the reason else."""
    try:
        return parse_amount(text) if int(asset, 16) == 0 else parse_units(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


class AmountCommand(TyperCommand):
    """A command that takes an amount: `-5` is a wrong amount, not an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As every command does, except for what looks like a negative number."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter:
            raise
        except Exception as error:
            # The parser's own error for an unknown option, whose class typer does not export.
            if _NEGATIVE.match(getattr(error, "option_name", "")) is None:
                raise
            message = "amounts are positive: write 1000 (wei), 3gwei or 0.5eth"
            raise typer.BadParameter(message, ctx=ctx, param_hint="'AMOUNT'") from error


_NEGATIVE = re.compile(r"-[0-9.]", re.ASCII)
