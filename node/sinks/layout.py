"""A view's tables as PostgreSQL has them, and which rows it cannot hold.

    INT, INTEGER -> bigint        TEXT -> text COLLATE "C"        BLOB -> bytea

Names stay as they are, always quoted, so that reserved words are names like others; a column named
as one of PostgreSQL's own (`xmin`) gets a `$` behind it, which no view's name has. Primary keys
stay; indexes become plain ones over the same columns. A row with U+0000 in a text, or with more in
an index than PostgreSQL's trees take, lies whole in `tally_unheld` instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from node.sinks.errors import SinkError, SinkFailure
from node.sinks.limits import KEY_SIZE_BYTES_MAX
from node.views.database import RowValues

KINDS = {"INT": "bigint", "INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
"""Types of a view's columns as PostgreSQL's."""

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Of every table of PostgreSQL: no other column may have their names."""

NAMESPACE = re.compile(r"[a-z_][a-z0-9_]{0,47}")
"""PostgreSQL's schemas, of which a view gets one of its own."""


class ColumnLayout(msgspec.Struct, frozen=True, array_like=True):
    """A column of a table."""

    name: str
    """PostgreSQL's."""
    kind: str
    """bigint, text or bytea."""
    is_required: bool
    """NOT NULL."""


class IndexLayout(msgspec.Struct, frozen=True, array_like=True):
    """An index for readers: never unique, the view saw to that."""

    columns: tuple[int, ...]
    """Places of columns."""
    descending: tuple[bool, ...]


class TableLayout(msgspec.Struct, frozen=True, array_like=True):
    """A table of a view."""

    name: str
    columns: tuple[ColumnLayout, ...]
    key: tuple[int, ...]
    """Places of the primary key's columns, in its order."""
    indexes: tuple[IndexLayout, ...] = ()

    def key_of(self, row: RowValues) -> RowValues:
        """The values of the primary key."""
        return tuple([row[place] for place in self.key])

    @property
    def rest(self) -> tuple[int, ...]:
        """Places of the columns that are not in the key."""
        return tuple(place for place in range(len(self.columns)) if place not in self.key)

    def holds(self, row: RowValues) -> bool:
        """Whether PostgreSQL can hold the row in the table."""
        size = 0
        for value in row:
            if type(value) is str:
                if "\0" in value:
                    return False
                # UTF-8 has at most four bytes for a character.
                size += 4 * len(value)
            elif type(value) is bytes:
                size += len(value)
        if size + 8 * len(row) <= KEY_SIZE_BYTES_MAX:
            return True
        return all(
            sum(_size(row[place]) for place in places) <= KEY_SIZE_BYTES_MAX
            for places in (self.key, *(index.columns for index in self.indexes))
        )


def _size(value: Any) -> int:
    if type(value) is str:
        return len(value.encode()) + 8
    return len(value) + 8 if type(value) is bytes else 8


def column_layout(name: str, kind: str, is_required: bool) -> ColumnLayout:
    """A view's column as PostgreSQL has it."""
    known = KINDS.get(kind.upper())
    if known is None:
        raise SinkError(SinkFailure.VIEW_UNREADABLE, f"column {name} is {kind}")
    return ColumnLayout(f"{name}$" if name in SYSTEM_COLUMNS else name, known, is_required)


def check_namespace(name: str) -> str:
    """The name, if a schema may have it. Raises `SinkError`."""
    if NAMESPACE.fullmatch(name) is None or name.startswith("pg_") or name == "information_schema":
        raise SinkError(SinkFailure.NAMESPACE_INVALID, f"{name[:64]!r} cannot be a schema's name")
    return name


def table_sql(table: str, layout: TableLayout) -> Iterator[str]:
    """The statement that makes it, without key and indexes: rows go in faster before those."""
    columns = ", ".join(_column_sql(column) for column in layout.columns)
    yield f"CREATE TABLE {table} ({columns})"


def index_sql(table: str, layout: TableLayout) -> Iterator[str]:
    """The statements that make its key and indexes."""
    yield f"ALTER TABLE {table} ADD PRIMARY KEY ({_names(layout, layout.key)})"
    for index in layout.indexes:
        parts = ", ".join(
            quoted(layout.columns[place].name) + (" DESC" if is_descending else "")
            for place, is_descending in zip(index.columns, index.descending, strict=True)
        )
        yield f"CREATE INDEX ON {table} ({parts})"


def _column_sql(column: ColumnLayout) -> str:
    collation = ' COLLATE "C"' if column.kind == "text" else ""
    required = " NOT NULL" if column.is_required else ""
    return f"{quoted(column.name)} {_INTERNAL[column.kind]}{collation}{required}"


_INTERNAL = {"bigint": "int8", "text": "text", "bytea": "bytea"}


def copy_sql(table: str, layout: TableLayout) -> str:
    """Rows go in as `array_types` and `COPY` say."""
    names = _names(layout, range(len(layout.columns)))
    return f"COPY {table} ({names}) FROM STDIN (FORMAT binary)"


def copy_types(layout: TableLayout) -> list[str]:
    """PostgreSQL's names of the columns' types, for a binary COPY."""
    return [_INTERNAL[column.kind] for column in layout.columns]


def update_sql(table: str, layout: TableLayout) -> str:
    """All columns as arrays in their order: rows get the rest where the key is the same."""
    names = [column.name for column in layout.columns]
    rest = ", ".join(f"{quoted(names[place])} = new.c{place}" for place in layout.rest)
    everything = range(len(names))
    return (
        f"UPDATE {table} AS old SET {rest} "
        f"FROM {_arrays(layout, everything)} WHERE {_same_key(layout)}"
    )


def delete_sql(table: str, layout: TableLayout) -> str:
    """The key's columns as arrays: their rows go."""
    return f"DELETE FROM {table} AS old USING {_arrays(layout, layout.key)} WHERE " + _same_key(
        layout
    )


def select_sql(table: str, layout: TableLayout) -> str:
    """All rows, the columns in their order."""
    return f"SELECT {_names(layout, range(len(layout.columns)))} FROM {table}"


def _arrays(layout: TableLayout, places: tuple[int, ...] | range) -> str:
    kinds = [_INTERNAL[layout.columns[place].kind] for place in places]
    arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
    names = ", ".join(f"c{place}" for place in places)
    return f"unnest({arrays}) AS new ({names})"


def _same_key(layout: TableLayout) -> str:
    return " AND ".join(
        f"old.{quoted(layout.columns[place].name)} = new.c{place}" for place in layout.key
    )


def _names(layout: TableLayout, places: tuple[int, ...] | range) -> str:
    return ", ".join(quoted(layout.columns[place].name) for place in places)


def quoted(name: str) -> str:
    """A name of letters, digits, `_` and `$`, as SQL: whatever it is, it is no keyword."""
    assert '"' not in name
    assert "%" not in name
    return f'"{name}"'
