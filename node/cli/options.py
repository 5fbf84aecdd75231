"""The options that commands share, each spelt and explained once."""

from pathlib import Path
from typing import Annotated

import typer

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
