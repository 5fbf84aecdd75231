"""The changes of many messages as one change for each row.

A transaction shows its end alone, so of a row's changes inside of it only the first before and the
last after count. What they do to PostgreSQL's table follows from which of the two it can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

import msgspec

from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import TableLayout
from node.views.database import Change, RowValues


class TableChanges(msgspec.Struct):
    """What a transaction does to one table. No key is in two of the lists."""

    inserted: list[RowValues] = msgspec.field(default_factory=list)
    updated: list[RowValues] = msgspec.field(default_factory=list)
    """Rows as they are to be; their keys are there."""
    deleted: list[RowValues] = msgspec.field(default_factory=list)
    """Keys."""
    taken_out: list[RowValues] = msgspec.field(default_factory=list)
    """Rows of `tally_unheld` that go; before those of `put_in` come."""
    put_in: list[RowValues] = msgspec.field(default_factory=list)
    """Rows that PostgreSQL cannot hold: into `tally_unheld`."""


def net_changes(
    changes: Iterable[Change], tables: Mapping[str, TableLayout]
) -> tuple[dict[str, TableChanges], list[Change]]:
    """By table what is to be done, and the same as changes that a sum can note."""
    by_table: dict[str, dict[Any, list[RowValues | None]]] = {}
    keys: dict[str, Callable[[RowValues], Any]] = {}
    for table, before, after in changes:
        if table not in tables:
            raise SinkError(SinkFailure.VIEW_UNREADABLE, f"a change of {table}, which is no table")
        if table not in by_table:
            by_table[table], keys[table] = {}, itemgetter(*tables[table].key)
        rows, key_of = by_table[table], keys[table]
        old_key = None if before is None else key_of(before)
        new_key = None if after is None else key_of(after)
        if before is not None and (after is None or old_key != new_key):
            rows.setdefault(old_key, [before, None])[1] = None
            before = None
        if after is not None:
            rows.setdefault(new_key, [before, None])[1] = after
    found: dict[str, TableChanges] = {}
    net: list[Change] = []
    for table, rows in by_table.items():
        made, layout = TableChanges(), tables[table]
        for before, after in rows.values():
            if before != after:
                net.append((table, before, after))
                _sort_in(made, layout, before, after)
                found[table] = made
    return found, net


def _sort_in(
    into: TableChanges,
    layout: TableLayout,
    before: RowValues | None,
    after: RowValues | None,
) -> None:
    was_held = before is not None and layout.holds(before)
    is_held = after is not None and layout.holds(after)
    if before is not None and not was_held:
        into.taken_out.append(before)
    if after is not None and not is_held:
        into.put_in.append(after)
    if after is not None and is_held:
        (into.updated if was_held else into.inserted).append(after)
    elif before is not None and was_held:
        into.deleted.append(layout.key_of(before))
