"""Which tables of a reducer are let through: those whose rows are all there is to them.

STRICT, so that a column holds what it says. WITHOUT ROWID, so that no number exists beside the rows
that SQLite chooses (at the end of the numbers it draws them at random), and a scan follows the
primary key. No defaults, generated columns, collations or foreign keys: what a row holds is what
the reducer wrote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from node.views.database import ViewDatabase
from node.views.errors import Failure, ReducerFailed
from node.views.limits import COLUMN_COUNT_MAX, TABLE_COUNT_MAX
from node.views.statements import is_foreign

COLUMN_TYPES = frozenset({"INT", "INTEGER", "TEXT", "BLOB"})
"""All that hold the values of a row; REAL and ANY may hold floats."""

NAME = re.compile(r"[a-z_][a-z0-9_]{0,47}")
"""Of tables and columns: means the same in every database."""

_LITERAL = re.compile(r"[+-]?\d+|'[^']*'|[xX]'[0-9a-fA-F]*'|(?i:null)")
_COLLATE = re.compile(r"\bcollate\b", re.IGNORECASE)


class TableSchema:
    """A table that was let through."""

    def __init__(self, name: str, columns: Sequence[str], key: Sequence[str]) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.key = tuple(key)
        """Columns of the primary key, in its order: the order of the rows."""


def read_schema(database: ViewDatabase) -> dict[str, TableSchema]:
    """The reducer's tables by name, in the order of names; raises `ReducerFailed`."""
    rows = database.host("SELECT name, type, strict, wr FROM pragma_table_list")
    tables = sorted(row for row in rows if not is_foreign(row[0]))
    if len(tables) > TABLE_COUNT_MAX:
        raise ReducerFailed(Failure.TABLE_COUNT, f"{len(tables)} tables")
    for name, _, strict, without_rowid in tables:
        if NAME.fullmatch(name) is None:
            raise ReducerFailed(Failure.TABLE_NAME, name)
        if not strict:
            raise ReducerFailed(Failure.TABLE_NOT_STRICT, name)
        if not without_rowid:
            raise ReducerFailed(Failure.TABLE_WITH_ROWID, name)
    for name, sql in schema_sql(database):
        if _COLLATE.search(sql):
            raise ReducerFailed(Failure.TABLE_COLLATION, name)
    return {row[0]: _read_table(database, row[0]) for row in tables}


def schema_sql(database: ViewDatabase) -> list[tuple[str, str]]:
    """Names and text of the reducer's tables and indexes, in the order of names."""
    rows = database.host("SELECT name, sql FROM sqlite_schema ORDER BY name")
    return [(name, sql) for name, sql in rows if sql is not None and not is_foreign(name)]


def _read_table(database: ViewDatabase, name: str) -> TableSchema:
    columns = database.host(
        "SELECT name, type, dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid", (name,)
    )
    if len(columns) > COLUMN_COUNT_MAX:
        raise ReducerFailed(Failure.COLUMN_COUNT, f"{name} has {len(columns)} columns")
    for column, kind, default, _, hidden in columns:
        where = f"{name}.{column}"
        if NAME.fullmatch(column) is None:
            raise ReducerFailed(Failure.TABLE_NAME, where)
        if hidden:
            raise ReducerFailed(Failure.TABLE_GENERATED, where)
        if kind.upper() not in COLUMN_TYPES:
            raise ReducerFailed(Failure.TABLE_COLUMN_TYPE, f"{where} is {kind}")
        if default is not None and _LITERAL.fullmatch(default) is None:
            raise ReducerFailed(Failure.TABLE_DEFAULT, f"{where} is {default} by default")
    if database.host("SELECT 1 FROM pragma_foreign_key_list(?)", (name,)):
        raise ReducerFailed(Failure.TABLE_FOREIGN_KEY, name)
    key = sorted((place, column) for column, _, _, place, _ in columns if place)
    return TableSchema(name, [row[0] for row in columns], [column for _, column in key])
