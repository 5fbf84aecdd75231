"""Which SQL of a reducer is let through.

Two walls: the first word of a statement, and SQLite's own word, while it parses, on everything that
the statement will do. Each lets through what is listed and nothing else.
"""

from __future__ import annotations

import enum
import re

import apsw

from node.views.errors import Failure, ReducerFailed
from node.views.limits import SQL_SIZE_BYTES_MAX


class Mode(enum.Enum):
    """On whose behalf statements are prepared."""

    HOST = "host"
    """Our own: everything is let through."""
    QUERY = "query"
    """The reducer reads."""
    WRITE = "write"
    """The reducer writes rows."""
    CREATE = "create"
    """The reducer makes a table or an index, in `init`."""


HOST_PREFIX = "tally_"
"""Of the tables that are ours."""

_FOREIGN_PREFIXES = (HOST_PREFIX, "sqlite_", "pragma_", "json")
"""Tables that are not the reducer's: ours, SQLite's, and what looks like a table and is a call."""

FUNCTIONS = frozenset(
    {
        *("abs", "coalesce", "hex", "if", "ifnull", "iif", "length", "lower", "max", "min"),
        *("nullif", "octet_length", "substr", "substring", "typeof", "upper"),
        *("count", "sum", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value"),
        *("ntile", "rank", "row_number"),
    }
)
"""Deterministic, without floats, and cheap beside the instruction that calls them. To search text
by a pattern may cost the square of its length in one instruction: reducers can do it themselves."""

_WORD = re.compile(r"\s*([A-Za-z]+)(?:\s+([A-Za-z]+))?")

_MODES = {
    "SELECT": Mode.QUERY,
    "VALUES": Mode.QUERY,
    "INSERT": Mode.WRITE,
    "UPDATE": Mode.WRITE,
    "DELETE": Mode.WRITE,
    "REPLACE": Mode.WRITE,
}

_REFUSED_WORDS = {
    "ATTACH": Failure.SQL_ATTACH,
    "DETACH": Failure.SQL_ATTACH,
    "PRAGMA": Failure.SQL_PRAGMA,
    "BEGIN": Failure.SQL_TRANSACTION,
    "COMMIT": Failure.SQL_TRANSACTION,
    "END": Failure.SQL_TRANSACTION,
    "ROLLBACK": Failure.SQL_TRANSACTION,
    "SAVEPOINT": Failure.SQL_TRANSACTION,
    "RELEASE": Failure.SQL_TRANSACTION,
    "EXPLAIN": Failure.SQL_EXPLAIN,
    "VACUUM": Failure.SQL_MAINTENANCE,
    "ANALYZE": Failure.SQL_MAINTENANCE,
    "REINDEX": Failure.SQL_MAINTENANCE,
    "ALTER": Failure.SQL_SCHEMA_CHANGE,
    "DROP": Failure.SQL_SCHEMA_CHANGE,
}

_REFUSED_CREATIONS = {
    "TEMP": Failure.SQL_TEMPORARY,
    "TEMPORARY": Failure.SQL_TEMPORARY,
    "VIEW": Failure.SQL_VIEW,
    "TRIGGER": Failure.SQL_TRIGGER,
    "VIRTUAL": Failure.SQL_VIRTUAL_TABLE,
}


def statement_mode(sql: str, is_query: bool, is_init: bool) -> Mode:
    """How a statement is to be prepared; raises `ReducerFailed` if its first word is refused."""
    if len(sql.encode()) > SQL_SIZE_BYTES_MAX:
        raise ReducerFailed(Failure.SQL_OVERSIZED, f"a statement of {len(sql)} characters")
    match = _WORD.match(sql)
    if match is None or "\0" in sql:
        raise ReducerFailed(Failure.SQL_STATEMENT, "no statement begins like this")
    word = match[1].upper()
    if word in _REFUSED_WORDS:
        raise ReducerFailed(_REFUSED_WORDS[word], f"{word} is not for reducers")
    if word == "CREATE":
        mode = _creation_mode(str(match[2]).upper(), is_query, is_init)
    elif word == "WITH":
        mode = Mode.QUERY if is_query else Mode.WRITE
    elif word in _MODES:
        mode = _MODES[word]
    else:
        raise ReducerFailed(Failure.SQL_STATEMENT, f"{word} is not for reducers")
    if is_query and mode is not Mode.QUERY:
        raise ReducerFailed(Failure.SQL_WRITE_IN_QUERY, f"{word} in a question")
    if not is_query and mode is Mode.QUERY:
        raise ReducerFailed(Failure.SQL_QUERY_IN_WRITE, f"{word} among writes")
    if ";" in sql:
        raise ReducerFailed(Failure.SQL_MULTIPLE, "one statement at a time, without semicolon")
    return mode


def _creation_mode(word: str, is_query: bool, is_init: bool) -> Mode:
    if word in _REFUSED_CREATIONS:
        raise ReducerFailed(_REFUSED_CREATIONS[word], f"CREATE {word} is not for reducers")
    if not is_init and not is_query:
        raise ReducerFailed(Failure.SQL_SCHEMA_CHANGE, "tables are made in init only")
    return Mode.CREATE


_TEMPORARY = frozenset(
    {
        apsw.SQLITE_CREATE_TEMP_INDEX,
        apsw.SQLITE_CREATE_TEMP_TABLE,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
        apsw.SQLITE_CREATE_TEMP_VIEW,
    }
)
_REFUSED_ACTIONS = {
    apsw.SQLITE_ATTACH: Failure.SQL_ATTACH,
    apsw.SQLITE_DETACH: Failure.SQL_ATTACH,
    apsw.SQLITE_PRAGMA: Failure.SQL_PRAGMA,
    apsw.SQLITE_TRANSACTION: Failure.SQL_TRANSACTION,
    apsw.SQLITE_SAVEPOINT: Failure.SQL_TRANSACTION,
    apsw.SQLITE_ANALYZE: Failure.SQL_MAINTENANCE,
    apsw.SQLITE_REINDEX: Failure.SQL_MAINTENANCE,
    apsw.SQLITE_ALTER_TABLE: Failure.SQL_SCHEMA_CHANGE,
    apsw.SQLITE_CREATE_TABLE: Failure.SQL_SCHEMA_CHANGE,
    apsw.SQLITE_CREATE_INDEX: Failure.SQL_SCHEMA_CHANGE,
    apsw.SQLITE_DROP_TABLE: Failure.SQL_SCHEMA_CHANGE,
    apsw.SQLITE_DROP_INDEX: Failure.SQL_SCHEMA_CHANGE,
    apsw.SQLITE_CREATE_VIEW: Failure.SQL_VIEW,
    apsw.SQLITE_CREATE_TRIGGER: Failure.SQL_TRIGGER,
    apsw.SQLITE_CREATE_VTABLE: Failure.SQL_VIRTUAL_TABLE,
    apsw.SQLITE_INSERT: Failure.SQL_WRITE_IN_QUERY,
    apsw.SQLITE_UPDATE: Failure.SQL_WRITE_IN_QUERY,
    apsw.SQLITE_DELETE: Failure.SQL_WRITE_IN_QUERY,
}
_WRITES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
_CREATIONS = frozenset({apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_INDEX})
_SCHEMA_TABLE = "sqlite_master"


class Authoriser:
    """Asked by SQLite about each action of each statement that it prepares."""

    def __init__(self) -> None:
        self.mode = Mode.HOST
        self.refused: ReducerFailed | None = None
        """Why the last statement was refused."""

    def __call__(
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        _: str | None,
    ) -> int:
        """SQLITE_OK or SQLITE_DENY."""
        if self.mode is Mode.HOST:
            return apsw.SQLITE_OK
        failure = self._failure(action, first or "", second or "", database)
        if failure is None:
            return apsw.SQLITE_OK
        if self.refused is None:
            self.refused = ReducerFailed(failure, f"{first or ''} {second or ''}".strip())
        return apsw.SQLITE_DENY

    def _failure(
        self, action: int, first: str, second: str, database: str | None
    ) -> Failure | None:
        if database == "temp" or action in _TEMPORARY:
            return Failure.SQL_TEMPORARY
        if action == apsw.SQLITE_FUNCTION:
            return None if second.lower() in FUNCTIONS else Failure.SQL_FUNCTION
        if self.mode is Mode.CREATE:
            return self._failure_of_creation(action, first, second)
        if action in (apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE):
            return None
        if action == apsw.SQLITE_READ or (action in _WRITES and self.mode is Mode.WRITE):
            return Failure.SQL_HOST_TABLE if is_foreign(first) else None
        return _REFUSED_ACTIONS.get(action, Failure.SQL_REFUSED)

    def _failure_of_creation(self, action: int, first: str, second: str) -> Failure | None:
        if action in _CREATIONS:
            # The index of a primary key is SQLite's, and named by it after the table.
            name = second if first.startswith("sqlite_autoindex_") else first
            return Failure.SQL_HOST_TABLE if is_foreign(name) else None
        if action in _WRITES or action == apsw.SQLITE_READ:
            is_schema = first == _SCHEMA_TABLE and action != apsw.SQLITE_DELETE
            return None if is_schema or not is_foreign(first) else Failure.SQL_HOST_TABLE
        if action == apsw.SQLITE_REINDEX:
            return None
        if action == apsw.SQLITE_SELECT:
            return Failure.SQL_SCHEMA_CHANGE
        return _REFUSED_ACTIONS.get(action, Failure.SQL_REFUSED)


def is_foreign(table: str) -> bool:
    """Whether a table of this name is not the reducer's."""
    return table.lower().startswith(_FOREIGN_PREFIXES)
