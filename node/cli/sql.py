"""`tally sql`: questions to the node's own views, offline or beside the running daemon."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.audit import log_directory
from node.cli.failures import CommandFailed, reports_failures
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_rows

if TYPE_CHECKING:
    from node.log_views.reading import Answer

TIMEOUT_S = 10.0


@reports_failures
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT.")],
    at: Annotated[
        int | None,
        typer.Option(metavar="SEQ", min=0, help="As of that record: derived anew up to it."),
    ] = None,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=0.01, max=3600, help="Seconds it may take."),
    ] = TIMEOUT_S,
    directory: NodeDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the node's views with SQL: channels, payments, fees and balances over time.

    They are derived from the log, and brought up to date first. docs/sql.md has the tables.
    """
    from node.log_views.limits import QUERY_NICENESS
    from node.log_views.question import answered
    from node.log_views.reading import QueryFailed
    from node.priority import GivingWay, is_apart
    from node.views.errors import ViewError

    giving_way = GivingWay(QUERY_NICENESS if is_apart() else None)
    data_dir = log_directory(directory)
    try:
        with answered(data_dir, query, timeout_s, at, giving_way) as (seq, answer):
            if as_json:
                _print_json(seq, answer)
            else:
                _print_rows(seq, answer)
    except QueryFailed as failed:
        raise CommandFailed(str(failed), "docs/sql.md has the tables", failed.name) from failed
    except ViewError as error:
        raise CommandFailed(
            str(error), "Remove the views beside the data directory", "VIEW_FAILED"
        ) from error


def _print_json(seq: int, answer: Answer) -> None:
    """One document: rows as arrays, in the order of the columns."""
    rows = [
        [_shown(value, origin) for value, origin in zip(row, answer.origins, strict=True)]
        for row in answer.rows
    ]
    document = {"seq": seq, "columns": list(answer.columns), "rows": rows}
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _print_rows(seq: int, answer: Answer) -> None:
    rows = [
        [
            "" if value is None else _shown(value, origin)
            for value, origin in zip(row, answer.origins, strict=True)
        ]
        for row in answer.rows
    ]
    print_rows(f"Answer as of record {seq}", answer.columns, rows, "No rows.")


def _shown(value: Any, origin: tuple[str, str] | None) -> Any:
    """Amounts of the node's tables in decimal, other bytes in hex."""
    from node.log_views.shipped import is_amount
    from protocols.types import checksum_address

    if type(value) is not bytes:
        return value
    if origin is not None and is_amount(*origin) and len(value) == 32:
        return str(int.from_bytes(value, "big"))
    return checksum_address(value) if len(value) == 20 else "0x" + value.hex()
