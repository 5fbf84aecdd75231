"""`tally prove`: a record, or that the log only grew, with what proves it to a stranger."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.failures import CommandFailed, reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_json, say


@reports_failures
def prove(
    seq: Annotated[
        int | None, typer.Argument(metavar="[SEQ]", min=0, help="The record's number.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="MOMENT", help="Prove that the log only grew since the head of then, instead."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="With --since: up to the head of then.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the proof to this new file.")
    ] = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Prove that the log holds a record, or only grew, to anybody who has nothing else of it."""
    import json

    if (seq is None) == (since is None):
        raise typer.BadParameter("name a record, or a moment with --since")
    if since is None and to is not None:
        raise typer.BadParameter("--to goes with --since")
    if since is None:
        proof = ask(directory, "log_prove", seq=seq)
    else:
        moments: dict[str, Any] = {"from": since, "to": to}
        proof = ask(directory, "log_consistency", **moments)
    if out is None:
        print_json(proof)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            json.dump(proof, file, indent=2)
            file.write("\n")
    except OSError as error:
        raise CommandFailed(f"{out}: {error.strerror}", "Name a new file") from error
    if as_json:
        print_json(proof)
        return
    if since is None:
        what = f"record {seq}, under a head of {proof['head']['length']} records"
    else:
        old, new = proof["old"]["length"], proof["new"]["length"]
        what = f"the first {old} of {new} records are those of then, by heads"
    say(f"{out}: {what} signed by {proof['node']}")
    say(f"Check it with: tally verify-proof {out} --node {proof['node']}")
