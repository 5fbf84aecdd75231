"""The changes of many messages as one change for each row.

A transaction shows its end alone, so of a row's changes inside of it only the first before and the
last after count. What they do to PostgreSQL's table follows from which of the two it can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    rows: dict[tuple[str, RowValues], tuple[RowValues | None, RowValues | None]] = {}
    for table, before, after in changes:
        layout = tables.get(table)
        if layout is None:
            raise SinkError(SinkFailure.VIEW_UNREADABLE, f"a change of {table}, which is no table")
        old_key = None if before is None else layout.key_of(before)
        new_key = None if after is None else layout.key_of(after)
        if old_key is not None and old_key != new_key:
            first = rows.get((table, old_key), (before, None))[0]
            rows[table, old_key] = (first, None)
        if new_key is not None:
            missing = (before if old_key == new_key else None, None)
            first = rows.get((table, new_key), missing)[0]
            rows[table, new_key] = (first, after)
    found: dict[str, TableChanges] = {}
    net: list[Change] = []
    for (table, key), (before, after) in rows.items():
        if before != after:
            net.append((table, before, after))
            made = found.get(table)
            if made is None:
                made = found[table] = TableChanges()
            _sort_in(made, tables[table], key, before, after)
    return found, net


def _sort_in(
    into: TableChanges,
    layout: TableLayout,
    key: RowValues,
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
    elif was_held:
        into.deleted.append(key)
