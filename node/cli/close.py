"""`tally close`: end a channel of any kind together with the others who take part in it."""

from typing import Annotated

import typer

from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, NodeDir, RequestId
from node.cli.output import print_json, say
from node.cli.wait import wait_for_objective

WAIT_TIMEOUT_S = 120.0
"""A public chain needs its confirmations."""


@reports_failures
def close(
    channel: Annotated[str, typer.Argument(help="The channel, by its id or its beginning.")],
    wait: Annotated[bool, typer.Option(help="Wait until the money is paid out or settled.")] = True,
    timeout_s: Annotated[float, typer.Option(help="How long to wait.")] = WAIT_TIMEOUT_S,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Close a channel: its money is paid out on chain, or goes back into the ledgers it was in."""
    channel_id = channel_id_of(directory, channel)
    answer = ask(directory, "channel_close", channel_id=channel_id, request_id=request_id)
    if wait:
        wait_for_objective(directory, answer["objective_id"], timeout_s=timeout_s, quiet=as_json)
    if as_json:
        print_json({**answer, "completed": wait, "closed": wait})
    else:
        kind = ask(directory, "channel_get", channel_id=channel_id)["kind"]
        ended = "is closed and settled" if kind == "virtual" else "is closed and paid out"
        done = ended if wait else "is closing"
        say(f"Channel {answer['channel_id']} {done}.")
