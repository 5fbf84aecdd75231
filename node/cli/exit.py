"""`tally exit` and `tally challenge`: end a channel without the others who take part in it; and
`tally resume`: do not."""

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of
from node.cli.options import HERE, AsJson, NodeDir, RequestId
from node.cli.output import print_json, say, tell
from node.cli.plan import say_plan
from node.cli.wait import wait_for_objective

WAIT_TIMEOUT_S = 120.0
"""A challenge takes its whole duration: who waits for that says so."""

ChannelArgument = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="The channel, by its id or its beginning.")
]


@reports_failures
def exit_channel(
    channel: ChannelArgument,
    wait: Annotated[bool, typer.Option(help="Wait until all that is yours is paid out.")] = False,
    timeout_s: Annotated[float, typer.Option(help="How long to wait.")] = WAIT_TIMEOUT_S,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the steps, their dates and gas, and do nothing.")
    ] = False,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Leave a channel alone: challenge, wait for its time, and be paid all that is yours."""
    channel_id = channel_id_of(directory, channel)
    if dry_run:
        plan = ask(directory, "channel_exit_plan", channel_id=channel_id)
        if as_json:
            print_json(plan)
        else:
            say_plan(plan)
        return
    answer = ask(directory, "channel_exit", channel_id=channel_id, request_id=request_id)
    if wait:
        wait_for_objective(directory, answer["objective_id"], timeout_s=timeout_s, quiet=as_json)
    if as_json:
        print_json({**answer, "completed": wait})
    elif wait:
        say(f"Channel {channel_id} is left: all that is yours was paid out.")
    else:
        say(f"Channel {channel_id} is being left. Its steps: tally explain {channel_id[:10]}")


@reports_failures
def challenge(
    channel: ChannelArgument,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Register your newest state of a channel on chain: the others have until its end to answer."""
    answer = _ask(directory, "channel_challenge", channel, request_id)
    _tell("is being challenged", answer, as_json=as_json)


@reports_failures
def resume(
    channel: ChannelArgument,
    request_id: RequestId = "",
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Leave a ledger no more: if it is challenged, it goes on when the other party agrees."""
    answer = _ask(directory, "channel_resume", channel, request_id)
    _tell("is to go on", answer, as_json=as_json)


def _ask(directory: Path, method: str, channel: str, request_id: str) -> dict[str, Any]:
    channel_id = channel_id_of(directory, channel)
    answer: dict[str, Any] = ask(directory, method, channel_id=channel_id, request_id=request_id)
    return answer


def _tell(done: str, answer: dict[str, Any], *, as_json: bool) -> None:
    name = answer["channel_id"]
    line = f"Channel {name} {done}. Follow it: tally explain {name[:10]}"
    tell(answer, line, as_json=as_json)
