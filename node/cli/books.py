"""`tally books LOG`: where the money is and how it came there, by double entry, offline.

The log is opened read-only, so a daemon may run beside it.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.audit import log_directory, place
from node.cli.failures import EXIT_FINDINGS, reports_failures
from node.cli.options import AsJson
from node.cli.output import print_table, say, short

if TYPE_CHECKING:
    from node.books.reading import Journal, Posted
    from node.moments import Moment
    from node.store.record import Record
    from protocols.event import Event

    Over = Callable[[Record, Event], bool]

COLUMNS = ("account", "balance", "asset")
_ID = re.compile("0x[0-9a-f]{40,64}")


@reports_failures
def books(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="A node's data directory.")],
    from_moment: Annotated[
        str | None, typer.Option("--from", metavar="MOMENT", help="Show entries from there on.")
    ] = None,
    to_moment: Annotated[
        str | None,
        typer.Option("--to", "--at", metavar="MOMENT", help="Go no further: the books as of then."),
    ] = None,
    channel: Annotated[
        str | None, typer.Option(metavar="0xID", help="Only entries about this channel.")
    ] = None,
    ours: Annotated[bool, typer.Option("--ours", help="Leave out what others own.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print every posting, for a sheet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what every account holds, or every entry that made it so. Sums to zero per asset.

    A MOMENT is a record's number, a time such as 2026-11-21T10:00:00Z, or block:123. Exit code 3 if
    the log is damaged: then the books end before that.
    """
    from node.books.reading import Journal

    if as_csv and as_json:
        raise typer.BadParameter("--csv and --json are two forms of one thing: give one")
    wanted = _channel_id(channel)
    begin, end = _moment(from_moment, "--from"), _moment(to_moment, "--to")
    journal = Journal(log_directory(log))
    try:
        chosen = _chosen(journal, begin, end, wanted)
        if as_csv:
            _print_csv(chosen, only_ours=ours)
        elif as_json:
            _print_json(journal, chosen, only_ours=ours)
        else:
            count = sum(1 for _ in chosen)
            _print_balances(journal, count, wanted, only_ours=ours)
        if journal.damage is not None:
            if not as_json:
                _say_finding(_findings(journal)[0])
            raise typer.Exit(EXIT_FINDINGS)
    finally:
        journal.close()


def _findings(journal: "Journal") -> list[dict[str, Any]]:
    """Where the log cannot be believed, as `tally audit` tells it; nothing if there is no such."""
    import msgspec

    from node.audit.directory import damage_finding

    if journal.damage is None:
        return []
    return [msgspec.to_builtins(damage_finding(journal.damage, journal.record_count))]


def _say_finding(finding: dict[str, Any]) -> None:
    sys.stderr.write(
        f"finding: {place(finding)}{finding['message']}\n"
        "The books end before it. tally audit tells what else is wrong.\n"
    )


def _channel_id(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise typer.BadParameter("a channel's id is 0x and 64 hex digits", param_hint="--channel")
    return found


def _moment(text: str | None, option: str) -> "Moment | None":
    from node.moments import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _chosen(
    journal: "Journal", begin: "Moment | None", end: "Moment | None", wanted: bytes | None
) -> "Iterator[Posted]":
    """The entries from one moment to another, of one channel if wanted; all before are posted."""
    from node.books.reading import concerns

    has_begun = None if begin is None else _Watch(begin)
    is_over = None if end is None else _Watch(end)
    first_seq = 0 if has_begun is None else None

    def look(record: "Record", event: "Event") -> bool:
        nonlocal first_seq
        if first_seq is None and has_begun is not None and has_begun.is_at(record, event):
            first_seq = record.seq
        return is_over is not None and is_over.is_behind(record, event)

    for posted in journal.entries(look):
        if first_seq is None or posted.seq < first_seq:
            continue
        if wanted is None or concerns(posted.entry, wanted):
            yield posted


class _Watch:
    """A moment among records that are read one after the other."""

    def __init__(self, moment: "Moment") -> None:
        self._moment = moment
        self._was_there = False

    def is_at(self, record: "Record", event: "Event") -> bool:
        """Whether the record is at the moment or behind it."""
        from node.moments import AtRecord, AtTime
        from protocols.events import ChainBlockProcessed

        if isinstance(self._moment, AtRecord):
            return record.seq >= self._moment.seq
        if isinstance(self._moment, AtTime):
            return record.time_ms >= self._moment.time_ms
        if not isinstance(event, ChainBlockProcessed):
            return False
        return event.block_num >= self._moment.block_num

    def is_behind(self, record: "Record", event: "Event") -> bool:
        """Whether the moment is over: what it names is in it."""
        from node.moments import AtBlock, AtRecord

        if isinstance(self._moment, AtRecord):
            return record.seq > self._moment.seq
        if isinstance(self._moment, AtBlock):
            was_there = self._was_there
            self._was_there = was_there or self.is_at(record, event)
            return was_there
        return record.time_ms > self._moment.time_ms


def _print_csv(chosen: "Iterator[Posted]", *, only_ours: bool) -> None:
    from node.books.sheet import csv_lines, header

    write = sys.stdout.write
    write(header())
    for posted in chosen:
        for line in csv_lines(posted, only_ours=only_ours):
            write(line)
    sys.stdout.flush()


def _print_json(journal: "Journal", chosen: "Iterator[Posted]", *, only_ours: bool) -> None:
    """One document, written as it is read: entries first, then what they came to."""
    from node.books.sheet import balance_values, entry_values

    write, separator = sys.stdout.write, ""
    write('{"entries": [')
    for posted in chosen:
        values = entry_values(posted, only_ours=only_ours)
        if values["postings"]:
            write(separator + "\n  " + json.dumps(values))
            separator = ","
    balances = balance_values(journal.books.balances, only_ours=only_ours)
    write(f'\n], "balances": {json.dumps(balances, indent=2)},\n')
    write(f'"records": {journal.record_count}, "findings": {json.dumps(_findings(journal))}}}\n')
    sys.stdout.flush()


def _print_balances(
    journal: "Journal", count: int, wanted: bytes | None, *, only_ours: bool
) -> None:
    from node.books.sheet import balance_values

    found = balance_values(journal.books.balances, only_ours=only_ours)
    if wanted is not None:
        found = [row for row in found if wanted.hex() in row["account"]]
    rows = [[row[name] for name in COLUMNS] for row in _short(found)]
    print_table("Books", COLUMNS, rows, "Every account is empty.", right=("balance",))
    say(f"{journal.record_count} records, {count} entries; every asset sums to zero.")


def _short(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """With amounts as people write them, and ids cut as in every table."""
    from node.cli.amounts import format_of

    return [
        {
            "account": _ID.sub(lambda found: short(found[0]), row["account"]),
            "balance": format_of(row["asset"], int(row["balance"])),
            "asset": short(row["asset"]),
        }
        for row in rows
    ]
