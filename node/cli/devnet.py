"""`tally devnet`: a local chain with the contracts deployed, until Ctrl-C."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from node.cli.failures import CommandFailed, reports_failures
from node.cli.output import print_json
from node.cli.signals import stop_on_sigterm

WATCH_INTERVAL_S = 0.2
"""How soon an anvil that died is noticed."""


@reports_failures
def devnet(
    out: Annotated[Path, typer.Option(help="Where to write the deployment file.")] = Path(
        "deployment.json"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The chain's port; 0 picks a free one.")
    ] = 0,
) -> None:
    """Run a local Ethereum chain with the contracts deployed, until Ctrl-C.

    Prints the deployment as one JSON document and writes it to a file for tally init.
    """
    from node.devnet import Devnet

    stop_on_sigterm()
    try:
        with Devnet(port) as chain:
            document = chain.deployment.document()
            _write(out, document)
            print_json(document)
            while chain.exit_code is None:
                time.sleep(WATCH_INTERVAL_S)
            raise CommandFailed(
                f"anvil ended by itself (exit {chain.exit_code})", "Start the chain again"
            )
    except KeyboardInterrupt:
        pass  # that is how it is stopped


def _write(out: Path, document: dict[str, object]) -> None:
    try:
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(
            f"{out} cannot be written: {error.strerror}", "Name another file with --out"
        ) from error
