"""`tally call`: any method of the node's interface, by name."""

import json
from typing import Annotated, Any

import typer

from node.cli.failures import reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, NodeDir
from node.cli.output import print_json

PATIENCE_S = 65.0
"""The node itself says after a minute that what a call waits for (`until`) has not come."""


def parse_parameters(texts: list[str]) -> dict[str, object]:
    """`key=value` as text, `key:=value` as JSON; raises typer.BadParameter."""
    found: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        is_json = key.endswith(":")
        key = key.removesuffix(":")
        if not equals or not key:
            raise typer.BadParameter(f"{text[:80]!r} is not of the form key=value")
        if key in found:
            raise typer.BadParameter(f"{key} is given twice")
        if key == "timeout_s":
            raise typer.BadParameter("no method takes timeout_s")
        try:
            found[key] = json.loads(value) if is_json else value
        except ValueError as error:
            raise typer.BadParameter(f"{key}: not JSON: {value[:80]}") from error
    return found


@reports_failures
def call(
    method: Annotated[str, typer.Argument(help="For example: node_status, or rpc.discover.")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="key=value for text, key:=value for JSON such as numbers."),
    ] = None,
    directory: NodeDir = HERE,
    as_json: Annotated[
        bool, typer.Option("--json", help="Accepted as everywhere; the output is JSON anyway.")
    ] = True,
) -> None:
    """Call any method of the node's JSON-RPC interface and print the result."""
    given: dict[str, Any] = parse_parameters(parameters or [])
    print_json(ask(directory, method, timeout_s=PATIENCE_S, **given))
