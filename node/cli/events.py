"""`tally events`: what the log says, newest last."""

import json
import shutil
import sys
from collections import deque
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
FIRST_LOOK_COUNT = 4_000
"""Newest records that are looked through for those that fit; then twice as many before them."""
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
        typer.Option(help="Only events of this name; can be given many times."),
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option(parser=peer_address, help="Only what is about this peer."),
    ] = None,
    at: At = None,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Read the node's log, or follow it."""
    if follow and at is not None:
        raise typer.BadParameter("the past does not go on: give --at or --follow")
    channel_id = None if channel is None else channel_id_of(directory, channel, at)
    objective_id = None if objective is None else objective_id_of(directory, objective, at)
    filters = {
        "channel_id": channel_id,
        "objective_id": objective_id,
        "names": name or None,
        "peer": peer,
    }
    if follow:
        start = _end_of_log(directory, None) - limit if from_seq is None else from_seq
        _follow(directory, max(0, start), filters, as_json=as_json)
        return
    page = _page(directory, from_seq, limit, filters, at)
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


def _page(
    directory: Path, from_seq: int | None, limit: int, filters: dict[str, Any], at: str | None
) -> dict[str, Any]:
    """The records to show: from a record on, or the newest."""
    is_filtered = filters["names"] is not None or filters["peer"] is not None
    # One entity's records are few and stand anywhere: its pages are read from the beginning.
    whole_log = filters["channel_id"] is None and filters["objective_id"] is None
    if from_seq is None and whole_log:
        end = _end_of_log(directory, at)
        if is_filtered:
            return _newest(directory, end, limit, filters)
        from_seq = max(0, end - limit)
    found: dict[str, Any] = {"records": [], "next_seq": from_seq or 0}
    while True:
        start, room = found["next_seq"], limit - len(found["records"])
        page = ask(directory, "log_read", from_seq=start, limit=room, **filters, at=at)
        found = {"records": found["records"] + page["records"], "next_seq": page["next_seq"]}
        # An answer that is filtered ends early where it looked at many records.
        if not is_filtered or page["next_seq"] == start or len(found["records"]) >= limit:
            return found


def _newest(directory: Path, end: int, limit: int, filters: dict[str, Any]) -> dict[str, Any]:
    """The last records before `end` that fit, found from there backwards."""
    records: list[dict[str, Any]] = []
    first, span = end, FIRST_LOOK_COUNT
    while first > 0 and len(records) < limit:
        stop, first = first, max(0, first - span)
        records = _between(directory, first, stop, limit, filters) + records
        span *= 2
    return {"records": records[-limit:], "next_seq": end}


def _between(
    directory: Path, from_seq: int, stop: int, limit: int, filters: dict[str, Any]
) -> list[dict[str, Any]]:
    """The last `limit` records that fit, from_seq <= seq < stop."""
    found: deque[dict[str, Any]] = deque(maxlen=limit)
    while from_seq < stop:
        asked: dict[str, Any] = {"from_seq": from_seq, "limit": 1000, "at": str(stop - 1)}
        page = ask(directory, "log_read", **asked, **filters)
        found += page["records"]
        from_seq = page["next_seq"]
    return list(found)


def _end_of_log(directory: Path, at: str | None) -> int:
    """Behind the last record, or the last of the moment."""
    return int(ask(directory, "objective_list", limit=1, at=at)["at"]["seq"]) + 1


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
