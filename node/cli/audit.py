"""`tally audit LOG`: everything the log says, derived again and compared, offline.

The log is opened read-only, so a daemon may run beside it.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.failures import EXIT_FINDINGS, CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import console, print_json, say

if TYPE_CHECKING:
    from node.audit.audit import AuditPlan

CONFIG_FILE = "config.toml"


def audit_document(
    log: Path, progress: Callable[[int, int], None] | None = None, plan: "AuditPlan | None" = None
) -> dict[str, Any]:
    """The audit's report as JSON values: log, records, assumed, findings, notes,
    dropped_findings, dropped_notes."""
    import msgspec

    from node.audit import audit as audit_log
    from node.audit.audit import WHOLE

    report = audit_log(log, progress, plan or WHOLE)
    return {
        "log": str(log),
        "records": report.records,
        "assumed": report.assumed,
        "findings": [msgspec.to_builtins(finding) for finding in report.findings],
        "notes": [msgspec.to_builtins(note) for note in report.notes],
        "dropped_findings": report.dropped_count,
        "dropped_notes": report.dropped_note_count,
    }


def log_directory(path: Path) -> Path:
    """The log in a data directory, or of the node whose directory or configuration it is."""
    from node.config import config_file, load

    if path.is_file() or (path / CONFIG_FILE).is_file():
        return load(config_file(path)).node.data_dir
    if not path.is_dir():
        raise CommandFailed(f"there is no log at {path}", "Name a node's data directory")
    return path


@reports_failures
def audit(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="A node's data directory.")],
    from_seq: Annotated[
        int,
        typer.Option(
            "--from",
            metavar="SEQ",
            min=0,
            help="Judge from this record on; read all, check bytes and chain of all.",
        ),
    ] = 0,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel",
            metavar="ID",
            help="Judge what concerns this channel only; read all, check bytes and chain of all.",
        ),
    ] = None,
    rpc: Annotated[
        list[str] | None,
        typer.Option(
            "--rpc",
            metavar="URL",
            help="Compare with the chain behind this endpoint, both ways; the first that answers.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a log offline, record by record. Exit code 3 if anything is wrong."""
    from node.audit.audit import AuditPlan

    path = log_directory(log)
    plan = AuditPlan(from_seq=from_seq, channel_id=_channel_id(channel), rpc_urls=tuple(rpc or ()))
    if as_json:
        document = audit_document(path, plan=plan)
        print_json(document)
    else:
        document = _audit_with_bar(path, plan)
        _say(document)
    if document["findings"]:
        raise typer.Exit(EXIT_FINDINGS)


def _channel_id(text: str | None) -> bytes | None:
    if text is None:
        return None
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", text) is None:
        raise typer.BadParameter(f"{text} is no channel id: 0x and 64 hex digits")
    return bytes.fromhex(text[2:])


def _audit_with_bar(path: Path, plan: "AuditPlan") -> dict[str, Any]:
    """The audit behind a bar with its rate and the time left, where a terminal shows it."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    screen = console(stderr=True)
    columns = (
        TextColumn("Auditing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records, {task.fields[rate]}/s, left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("audit", total=None, rate="-")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            rate = "-" if speed is None else f"{speed:,.0f}"
            bar.update(task, completed=done, total=total or None, rate=rate)

        return audit_document(path, show, plan)


def _say(document: dict[str, Any]) -> None:
    say(f"{document['log']}: {document['records']} records")
    for assumed in document["assumed"]:
        say(f"  taken for granted: {assumed}")
    for kind in ("findings", "notes"):
        for item in document[kind]:
            say(f"  {kind[:-1]}: {place(item)}{item['message']}")
        if document[f"dropped_{kind}"]:
            say(f"  and {document[f'dropped_{kind}']} {kind} more")
    say("The log is not sound." if document["findings"] else "Nothing to find fault with.")


def place(item: dict[str, Any]) -> str:
    """The record or records and the file, as far as they are known and the message is silent."""
    places = []
    seq, last, message = item["seq"], item["last_seq"], item["message"]
    if seq is not None and re.search(rf"\brecords? (from )?{seq}\b", message) is None:
        one = last is None or last == seq
        places.append(f"record {seq}" if one else f"records {seq} to {last}")
    if item["file"] is not None and item["file"] not in message:
        places.append(item["file"])
    return ", ".join(places) + ": " if places else ""
