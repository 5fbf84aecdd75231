"""Views' files for who reads them: tables and changes of the real library, without a reducer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node.views import history
from node.views.database import RowValues, ViewDatabase
from node.views.digest import TableSum, view_digest
from node.views.history import NO_MESSAGE_SEQ, Stamp
from node.views.limits import Budget
from node.views.schema import read_schema, schema_sql

ITEMS = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, data BLOB NOT NULL, n INTEGER) "
    "STRICT, WITHOUT ROWID",
    "CREATE INDEX by_name ON items (name, n DESC)",
)
PUT = "INSERT INTO items VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = ?2, data = ?3, n = ?4"
REMOVE = "DELETE FROM items WHERE id = ?"
BUDGET = Budget(sql_steps=10_000_000, row_bytes=16_384)

Write = tuple[str, Sequence[Sequence[Any]]]


class ViewFile:
    """A view that is written by hand, a message at a time."""

    def __init__(
        self, path: Path, tables: Sequence[str] = ITEMS, code_hash: bytes = bytes(32)
    ) -> None:
        self.path = path
        self.database = ViewDatabase(path, BUDGET)
        if not history.is_made(self.database):
            with self.database.message():
                history.make(
                    self.database, Stamp(NO_MESSAGE_SEQ, code_hash, "engine 1", self.budget)
                )
                for sql in tables:
                    self.database.write(sql, [[]], is_init=True)
                history.write_sum(self.database, NO_MESSAGE_SEQ, TableSum())
                self.database.commit()
        self.tables = read_schema(self.database)
        self.seq = history.read_stamp(self.database).seq

    budget = BUDGET

    def message(self, *writes: Write, seq: int | None = None) -> int:
        """Take in a message that makes these writes; its sequence number."""
        self.seq = self.seq + 1 if seq is None else seq
        with self.database.message():
            for sql, rows in writes:
                self.database.write(sql, [list(row) for row in rows])
            history.keep_message(self.database, self.seq, b"m", self.database.changes)
            self.database.commit()
        return self.seq

    def put(self, *rows: tuple[Any, ...]) -> int:
        """A message that inserts or updates items."""
        return self.message((PUT, rows))

    def remove(self, *keys: int) -> int:
        """A message that deletes items."""
        return self.message((REMOVE, [(key,) for key in keys]))

    def write_sum(self) -> None:
        """As a view does now and then."""
        history.write_sum(self.database, self.seq, history.read_sum(self.database))

    def rows(self, table: str) -> list[RowValues]:
        """All of a table, by its key."""
        key = ", ".join(f'"{column}"' for column in self.tables[table].key)
        return [tuple(row) for row in self.database.rows(f'SELECT * FROM "{table}" ORDER BY {key}')]

    def digest(self) -> bytes:
        """From nothing but the tables."""
        total = TableSum.of_rows((name, row) for name in self.tables for row in self.rows(name))
        return view_digest(schema_sql(self.database), total)

    def close(self) -> None:
        """Close the file."""
        self.database.close()
