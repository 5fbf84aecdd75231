"""`tally prove SEQ`: a record with what proves to a stranger that this node's log holds it."""

from pathlib import Path
from typing import Annotated

import typer

from node.cli.failures import CommandFailed, reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_json, say


@reports_failures
def prove(
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The record's number.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the proof to this new file.")
    ] = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Prove that the log holds a record, to anybody who has nothing else of it."""
    import json

    proof = ask(directory, "log_prove", seq=seq)
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
    length = proof["head"]["length"]
    say(f"{out}: record {seq}, under a head of {length} records signed by {proof['node']}")
    say(f"Check it with: tally verify-proof {out} --node {proof['node']}")
