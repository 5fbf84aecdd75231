"""`tally approve` and `tally reject`: the owner's word on what a peer proposed."""

from typing import Annotated, Any

import typer

from node.cli.failures import reports_failures
from node.cli.node_call import ask, objective_id_of
from node.cli.options import HERE, AsJson, NodeDir, RequestId
from node.cli.output import tell

Objective = Annotated[str, typer.Argument(help="The objective, by its id or its beginning.")]


@reports_failures
def approve(
    objective: Objective,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Accept what a peer proposed."""
    objective_id = objective_id_of(directory, objective)
    answer = ask(directory, "objective_approve", objective_id=objective_id, request_id=request_id)
    _tell("Approved", answer, as_json=as_json)


@reports_failures
def reject(
    objective: Objective,
    reason: Annotated[str | None, typer.Option(help="What the peer is told.")] = None,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Decline what a peer proposed."""
    answer = ask(
        directory,
        "objective_reject",
        objective_id=objective_id_of(directory, objective),
        reason=reason,
        request_id=request_id,
    )
    _tell("Rejected", answer, as_json=as_json)


def _tell(done: str, answer: dict[str, Any], *, as_json: bool) -> None:
    line = f"{done} objective {answer['objective_id']} (record {answer['seq']})."
    tell(answer, line, as_json=as_json)
