"""Taking messages back, by the row changes that were kept of them.

For views whose messages are written down somewhere else too: a crash between the two leaves the
view ahead, and to derive it anew would take as long as its history is.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.views import history
from node.views.database import Change, RowValues, ViewDatabase
from node.views.schema import TableSchema


def undo_messages(
    database: ViewDatabase, tables: Mapping[str, TableSchema], seq: int
) -> list[Change]:
    """Undo what the messages above `seq` changed, in a transaction of the caller's; the changes
    that this made. Raises `ViewBroken`."""
    undone: list[Change] = []
    for record in reversed(list(history.read_messages(database, seq + 1))):
        for table, before, after in reversed(record.changes):
            schema = tables[table]
            if after is not None:
                _delete(database, schema, after)
            if before is not None:
                _insert(database, schema, before)
            undone.append((table, after, before))
    history.forget_messages(database, seq)
    return undone


def _delete(database: ViewDatabase, schema: TableSchema, row: RowValues) -> None:
    places = [schema.columns.index(column) for column in schema.key]
    condition = " AND ".join(f'"{column}" = ?' for column in schema.key)
    database.host(f'DELETE FROM "{schema.name}" WHERE {condition}', [row[p] for p in places])


def _insert(database: ViewDatabase, schema: TableSchema, row: RowValues) -> None:
    places = ", ".join("?" * len(schema.columns))
    database.host(f'INSERT INTO "{schema.name}" VALUES ({places})', row)
