"""A whole view anew, in one transaction: readers see the old tables until the new ones are whole.

A table that is as before keeps its place, so that grants and views upon it stay; its rows are
deleted and copied. What changed is made beside it under another name, and takes its place last,
since from then on readers wait.
"""

from __future__ import annotations

from itertools import filterfalse, islice

from node.sinks import layout as sql
from node.sinks.layout import TableLayout, quoted
from node.sinks.limits import COPY_CHUNK_COUNT
from node.sinks.source import ViewSource
from node.sinks.target import Target, TargetStamp
from node.views.digest import TableSum


def copy_view(
    source: ViewSource, target: Target, old: TargetStamp | None, *, keeps_tables: bool = True
) -> tuple[int, TableSum]:
    """Make the target equal to the view as it is now; the last message, and the sum over rows.

    Without `keeps_tables` all are made anew: somebody else has changed more than rows.
    """
    with source.moment():
        seq = source.seq
        total = source.sum_at(seq)
        assert total is not None, "its own last moment"
        with target.transaction():
            _replace(source, target, old, keeps_tables)
            target.write_stamp(seq, source.origin, source.tables.values(), total)
    return seq, total


def _replace(
    source: ViewSource, target: Target, old: TargetStamp | None, keeps_tables: bool
) -> None:
    """All tables but the stamp."""
    if old is None:
        target.make_namespace()
    target.hold()
    if old is None or not keeps_tables:
        target.make_unheld()
    target.clear_unheld()
    before = {layout.name: layout for layout in old.tables} if old else {}
    fresh: list[tuple[str, str]] = []
    for number, layout in enumerate(source.tables.values()):
        if keeps_tables and before.get(layout.name) == layout:
            target.execute(f"DELETE FROM {target.table(layout.name)}")
            _copy_table(source, target, layout, target.table(layout.name))
            continue
        # No view's table has such a name, nor will what PostgreSQL names after it.
        name = f"tally_new_{number}"
        _make_table(source, target, layout, target.table(name))
        fresh.append((name, layout.name))
    made = {name for _, name in fresh}
    for name in before:
        if name in made or name not in source.tables:
            target.execute(f"DROP TABLE IF EXISTS {target.table(name)}")
    for name, final in fresh:
        target.execute(f"ALTER TABLE {target.table(name)} RENAME TO {quoted(final)}")


def _make_table(source: ViewSource, target: Target, layout: TableLayout, table: str) -> None:
    for statement in sql.table_sql(table, layout):
        target.execute(statement)
    _copy_table(source, target, layout, table)
    for statement in sql.index_sql(table, layout):
        target.execute(statement)


def _copy_table(source: ViewSource, target: Target, layout: TableLayout, table: str) -> None:
    target.copy_in(table, layout, filter(layout.holds, source.rows(layout)))
    # A second pass for the few that were left out: a view may have more of them than fit in memory.
    unheld = filterfalse(layout.holds, source.rows(layout))
    while chunk := list(islice(unheld, COPY_CHUNK_COUNT)):
        target.put_unheld(layout, chunk)
