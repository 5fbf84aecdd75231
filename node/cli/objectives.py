"""`tally objectives`: what the node is working on, and what it waits for."""

from typing import Annotated, Any

import typer

from node.cli.channels import print_channel
from node.cli.failures import reports_failures
from node.cli.node_call import ask, objective_id_of
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import print_fields, print_json, print_table, short, titled
from node.explain.awaited import awaited

COLUMNS = ("objective", "type", "status", "channel", "waiting")


@reports_failures
def objectives(
    objective: Annotated[
        str | None, typer.Argument(help="One objective, by its id or its beginning.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Only those, for example: unapproved.")] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """List the objectives, or show one."""
    if objective is not None:
        objective_id = objective_id_of(directory, objective, at)
        view = ask(directory, "objective_get", objective_id=objective_id, at=at)
        if as_json:
            print_json(view)
        else:
            print_fields(titled("Objective", at, view["at"]["seq"]), view)
            # Whoever is asked to approve must see whose money is at stake, and how much.
            channel = ask(directory, "channel_get", channel_id=view["channel_id"], at=at)
            print_channel(channel, at)
        return
    found = ask(directory, "objective_list", status=status, at=at)
    if as_json:
        print_json(found)
    else:
        rows = [_row(view) for view in found["objectives"]]
        title = titled("Objectives", at, found["at"]["seq"])
        print_table(title, COLUMNS, rows, "No objectives.")


def _row(view: dict[str, Any]) -> list[object]:
    return [
        short(view["objective_id"]),
        view["objective_type"],
        view["status"],
        short(view["channel_id"]),
        awaited(view["waiting_for"]),
    ]
