"""Questions to a view: read-only, authorised, with a limit of time.

Whoever asks can look at everything in the file and change nothing, reach no other file, and is
stopped when the time is up, whatever the question.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
from msgspec import Struct

from node.log_views import amounts
from node.log_views.limits import (
    QUERY_HEAP_SIZE_BYTES_MAX,
    QUERY_ROW_COUNT_MAX,
    QUERY_STEP_GRAIN,
    QUERY_VALUE_SIZE_BYTES_MAX,
)
from node.priority import GivingWay
from node.views.history import NO_MESSAGE_SEQ

Row = tuple[Any, ...]

_ALLOWED = frozenset(
    {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_RECURSIVE, apsw.SQLITE_FUNCTION}
)
_REFUSED_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})


class QueryFailed(Exception):
    """A question that was not answered; its `name` stays the same, the text is for people."""

    name = "QUERY_FAILED"


class QueryRefused(QueryFailed):
    """It would have done more than read."""

    name = "QUERY_REFUSED"


class QueryTooSlow(QueryFailed):
    """Its time was up."""

    name = "QUERY_TIMED_OUT"


class QueryTooLarge(QueryFailed):
    """More memory or rows than an answer may take."""

    name = "QUERY_TOO_LARGE"


class Answer(Struct, frozen=True):
    """What a question has found; the rows come one by one."""

    columns: tuple[str, ...]
    origins: tuple[tuple[str, str] | None, ...]
    """Of each column: the table and column whose values it shows, or None."""
    rows: Iterator[Row]


class ViewReader:
    """A view's file, opened for questions. Raises `QueryFailed` if it does not open.

    `giving_way` says whether a question that takes long may slow down all of its process.
    """

    def __init__(self, path: Path, giving_way: GivingWay | None = None) -> None:
        self._giving_way = GivingWay() if giving_way is None else giving_way
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._configure()
        except apsw.Error as error:
            raise QueryFailed(f"the view at {path} does not open: {error}") from error

    def _configure(self) -> None:
        connection = self._connection
        connection.set_busy_timeout(2_000)
        # Without it SQLite would leave files of its own in a directory for large sorts.
        connection.pragma("temp_store", 2)
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, QUERY_VALUE_SIZE_BYTES_MAX)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        apsw.hard_heap_limit(QUERY_HEAP_SIZE_BYTES_MAX)
        amounts.register(connection)
        self._deadline = 0.0
        self._connection.authorizer = _authorise
        self._connection.set_progress_handler(self._is_late, QUERY_STEP_GRAIN)

    def __enter__(self) -> ViewReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._connection.close()

    def seq(self) -> int:
        """Of the last record in the view: what is asked from now on is as of that or a later one.

        Raises `QueryFailed` if the file is no view.
        """
        try:
            ((keeps_changes, seq),) = self._connection.execute(
                "SELECT keeps_changes, sum_seq FROM tally_stamp"
            )
            if keeps_changes:
                ((seq,),) = self._connection.execute("SELECT max(seq) FROM tally_messages")
        except (apsw.Error, ValueError) as error:
            raise QueryFailed(f"no view is in the file: {error}") from error
        return NO_MESSAGE_SEQ if seq is None else int(seq)

    def ask(self, sql: str, timeout_s: float) -> Answer:
        """One statement that reads. The time counts until the last row was fetched.

        Raises `QueryFailed`, and so may fetching the rows.
        """
        self._deadline = time.monotonic() + timeout_s
        cursor = self._connection.cursor()
        found: list[tuple[Any, ...]] = []

        def begun(cursor: apsw.Cursor, *_: object) -> bool:
            # The one moment at which the columns of an answer without rows are known.
            found.append(cursor.description_full)
            return len(found) == 1

        cursor.exec_trace = begun
        try:
            cursor.execute(sql)
        except _FAILURES as error:
            raise _failure(error, timeout_s) from error
        if not found or not found[0]:
            raise QueryFailed("there is no statement in it")
        (columns,) = found
        origins = tuple((c[3], c[4]) if c[3] and c[4] else None for c in columns)
        return Answer(tuple(c[0] for c in columns), origins, self._rows(cursor, timeout_s))

    def _rows(self, cursor: apsw.Cursor, timeout_s: float) -> Iterator[Row]:
        count = 0
        try:
            for row in cursor:
                count += 1
                if count > QUERY_ROW_COUNT_MAX:
                    raise QueryTooLarge(f"more than {QUERY_ROW_COUNT_MAX} rows: add a LIMIT")
                yield row
        except _FAILURES as error:
            raise _failure(error, timeout_s) from error

    def _is_late(self) -> bool:
        now_s = time.monotonic()
        self._giving_way.at(now_s)
        return now_s > self._deadline


_FAILURES = (apsw.Error, ValueError, MemoryError)
"""What SQLite and the functions of ours raise; text that is not UTF-8 is a ValueError."""

_UNAUTHORISED = "not authorized to use function"
"""Of functions SQLite says it by another error."""


def _failure(error: Exception, timeout_s: float) -> QueryFailed:
    if isinstance(error, apsw.InterruptError):
        return QueryTooSlow(f"stopped after {timeout_s:g} s: ask for less, or give it more time")
    if isinstance(error, apsw.NoMemError | apsw.TooBigError | MemoryError):
        return QueryTooLarge("it takes more memory than an answer may")
    if isinstance(error, apsw.AuthError | apsw.ReadOnlyError) or _UNAUTHORISED in str(error):
        return QueryRefused(f"views are only read: {error}")
    if isinstance(error, apsw.ExecTraceAbort):
        return QueryFailed("one statement at a time")
    return QueryFailed(str(error))


def _authorise(action: int, _: str | None, function: str | None, *__: str | None) -> int:
    if action not in _ALLOWED:
        return apsw.SQLITE_DENY
    is_refused = action == apsw.SQLITE_FUNCTION and function in _REFUSED_FUNCTIONS
    return apsw.SQLITE_DENY if is_refused else apsw.SQLITE_OK
