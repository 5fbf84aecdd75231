"""`tally events`: what the log says, newest last."""

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.failures import reports_failures
from node.cli.node_call import ask, channel_id_of, find_endpoint, objective_id_of
from node.cli.open import peer_address
from node.cli.options import HERE, AsJson, At, NodeDir
from node.cli.output import PIPE_WIDTH, print_json, print_table, short
from node.explain.words import harmless

COLUMNS = ("record", "cause", "time (UTC)", "event", "content")
LIMIT = 20
"""What a person reads at once."""
CONTENT_LENGTH_MAX = 400
"""Characters of the payload in a table, if the screen has so many; `--json` shows all of it."""
_ENVELOPE = ("event_version", "timestamp_ms")


@reports_failures
def events(
    from_seq: Annotated[
        int | None, typer.Option("--from", min=0, help="First record; else the newest ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many records.")] = LIMIT,
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    objective: Annotated[str | None, typer.Option(help="Only this objective's.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new records until Ctrl-C.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(help="With --follow: only events of this name; can be given many times."),
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option(parser=peer_address, help="With --follow: only what is about this peer."),
    ] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Read the node's log, or follow it."""
    if follow and at is not None:
        raise typer.BadParameter("the past does not go on: give --at or --follow")
    if not follow and (name or peer):
        raise typer.BadParameter("--name and --peer go with --follow")
    channel_id = None if channel is None else channel_id_of(directory, channel, at)
    objective_id = None if objective is None else objective_id_of(directory, objective, at)
    if follow:
        start = _first_of_the_last(directory, limit, None) if from_seq is None else from_seq
        filters = {
            "channel_id": channel_id,
            "objective_id": objective_id,
            "names": name or None,
            "peer": peer,
        }
        _follow(directory, start, filters, as_json=as_json)
        return
    if from_seq is None:
        # One entity's records are few and stand anywhere: its pages are read from the beginning.
        whole_log = channel_id is None and objective_id is None
        from_seq = _first_of_the_last(directory, limit, at) if whole_log else 0
    page = ask(
        directory,
        "log_read",
        from_seq=from_seq,
        limit=limit,
        channel_id=channel_id,
        objective_id=objective_id,
        at=at,
    )
    if as_json:
        print_json(page)
    else:
        rows = [_row(record) for record in page["records"]]
        print_table("Events", COLUMNS, rows, "No records there.", right=("cause",), cut_last=True)


def _follow(directory: Path, from_seq: int, filters: dict[str, Any], *, as_json: bool) -> None:
    """Until Ctrl-C, or until whoever reads what is printed has gone."""
    from node.cli.follow import follow_events, print_line
    from node.cli.signals import stop_on_sigterm

    stop_on_sigterm()
    given = {key: value for key, value in filters.items() if value is not None}
    show = print_line if as_json else _print_row
    follow_events(lambda: find_endpoint(directory), from_seq, given, show)


def _print_row(record: dict[str, Any]) -> None:
    """A line as in the table, as long as the screen is wide; nothing in it gives it orders."""
    seq, cause, moment, name, content = _row(record)
    text = f"{seq:>8} {cause:>8}  {moment}  {name:<28} {harmless(str(content))}"
    width = shutil.get_terminal_size((PIPE_WIDTH, 0)).columns
    sys.stdout.write(text[:width] + "\n")
    sys.stdout.flush()


def _first_of_the_last(directory: Path, limit: int, at: str | None) -> int:
    last_seq = int(ask(directory, "objective_list", limit=1, at=at)["at"]["seq"])
    return max(0, last_seq + 1 - limit)


def _row(record: dict[str, Any]) -> list[object]:
    moment = datetime.fromtimestamp(record["time_ms"] / 1000, UTC)
    content = {k: _brief(v) for k, v in record["payload"].items() if k not in _ENVELOPE}
    text = json.dumps(content, ensure_ascii=False)
    if len(text) > CONTENT_LENGTH_MAX:
        text = text[: CONTENT_LENGTH_MAX - 3] + "..."
    cause = "-" if record["cause_seq"] is None else str(record["cause_seq"])
    return [record["seq"], cause, moment.strftime("%m-%d %H:%M:%S.%f")[:-3], record["name"], text]


def _brief(value: object) -> object:
    """Ids and signatures cut, or nothing else would find room beside them."""
    return short(value) if isinstance(value, str) and value.startswith("0x") else value
