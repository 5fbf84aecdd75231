"""A view's SQLite database: our statements, and a reducer's behind all guards.

What a reducer's statement may do is decided by `statements`, which tables it may make by `schema`.
Here are its limits: instructions, sizes, rows changed. All of them count alike on every machine. So
each of its statements is prepared anew: one that was prepared before goes on counting where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from node.views.encoding import SCALARS, encode
from node.views.errors import Failure, ReducerFailed, ViewBroken
from node.views.limits import (
    COLUMN_COUNT_MAX,
    SQL_SIZE_BYTES_MAX,
    STATEMENT_STEP_COUNT,
    STEP_GRAIN,
    Budget,
)
from node.views.replies import Row
from node.views.statements import HOST_PREFIX, Authoriser, Mode, statement_mode

RowValues = tuple[Any, ...]
Change = tuple[str, RowValues | None, RowValues | None]
"""A table, its row before (None: inserted) and after (None: deleted)."""

_LIMITS = {
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_COLUMN: COLUMN_COUNT_MAX * 4,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 16,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 64,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 16,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 64,
    apsw.SQLITE_LIMIT_SQL_LENGTH: SQL_SIZE_BYTES_MAX + 32,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: COLUMN_COUNT_MAX * 4,
    apsw.SQLITE_LIMIT_VDBE_OP: 25_000,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""SQLite's own, for both sides: our statements are small too."""

_SETTINGS = (
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1),
    (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
    (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
    (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
)

_KEPT_STATEMENT_COUNT = 16
"""Ours, and a few of the reducer's, which may be large."""

_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (apsw.TooBigError, Failure.SQL_OVERSIZED),
    (apsw.ConstraintError, Failure.SQL_CONSTRAINT),
    (apsw.MismatchError, Failure.SQL_CONSTRAINT),
    (apsw.BindingsError, Failure.SQL_BINDINGS),
    (apsw.RangeError, Failure.SQL_BINDINGS),
    (apsw.InterruptError, Failure.SQL_STEPS),
    (UnicodeDecodeError, Failure.TEXT_INVALID),
    (apsw.AuthError, Failure.SQL_REFUSED),
    (apsw.SQLError, Failure.SQL_INVALID),
)


class ViewDatabase:
    """One file (or ":memory:"), one writer. Raises `ViewBroken` when the machine fails."""

    def __init__(self, path: Path | str, budget: Budget, *, notes_changes: bool = True) -> None:
        """Without `notes_changes` rows that changed are counted as SQLite does, and not kept."""
        self.path, self._budget = str(path), budget
        self._notes_changes = notes_changes
        self._changed_before = 0
        self._is_open = False
        self._authoriser = Authoriser()
        self._steps_left = 0
        self._statement_count = 0
        self._changes: list[Change] = []
        self._failed: ReducerFailed | None = None
        """What a callback found, where it could not be raised."""
        self.is_in_run = False
        """Whether messages are savepoints of one transaction (`begin_run`)."""
        try:
            self.connection = apsw.Connection(self.path, statementcachesize=_KEPT_STATEMENT_COUNT)
        except apsw.Error as error:
            raise ViewBroken(self.path, repr(error)) from error
        try:
            self._configure(self.connection)
        except apsw.Error as error:
            self.connection.close()
            raise ViewBroken(self.path, repr(error)) from error

    def _configure(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(5_000)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        for setting, value in _SETTINGS:
            connection.config(setting, value)
        for limit, value in _LIMITS.items():
            connection.limit(limit, value)
        self._length_max = connection.limit(apsw.SQLITE_LIMIT_LENGTH)
        connection.drop_modules(())
        connection.authorizer = self._authoriser
        connection.set_progress_handler(self._progress, STEP_GRAIN)
        if self._notes_changes:
            connection.preupdate_hook(self._note)
        # Reading the schema costs instructions: never those of a message.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self.connection.close()

    def host(self, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """Run one of our own statements; its rows."""
        try:
            rows: list[Any] = self.connection.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise ViewBroken(self.path, repr(error)) from error
        return rows

    def rows(self, sql: str, bindings: Sequence[Any] = ()) -> Iterator[Any]:
        """As `host`, row by row."""
        try:
            yield from self.connection.execute(sql, bindings)
        except apsw.Error as error:
            raise ViewBroken(self.path, repr(error)) from error

    def begin_run(self) -> None:
        """Messages from here on are one transaction: nobody else sees them before `keep_run`."""
        self.host("BEGIN IMMEDIATE")
        self.is_in_run = True

    def keep_run(self) -> None:
        """What the run's messages wrote stays."""
        self.is_in_run = False
        self.host("COMMIT")

    def drop_run(self) -> None:
        """The database is as it was at `begin_run`."""
        self.is_in_run = False
        if self.connection.in_transaction:
            self.host("ROLLBACK")

    @property
    def is_run_lost(self) -> bool:
        """Whether SQLite itself undid the run, as it does when it interrupts a write."""
        return self.is_in_run and not self.connection.in_transaction

    @contextmanager
    def message(self) -> Iterator[None]:
        """A transaction, and a budget of instructions: what is not committed inside is undone."""
        self.begin()
        try:
            yield
        finally:
            self.rollback()

    def begin(self) -> None:
        """Begin a message by hand: `message` undoes it by itself."""
        self._steps_left = self._budget.sql_steps
        self._changes = []
        self._failed = None
        self._changed_before = self.connection.total_changes()
        self._is_open = True
        self.host("SAVEPOINT message" if self.is_in_run else "BEGIN IMMEDIATE")

    def commit(self) -> None:
        """What was written since `begin` stays, in a run as long as the run does."""
        self.host("RELEASE message" if self.is_in_run else "COMMIT")
        self._is_open = False

    def rollback(self) -> None:
        """The database is as it was at `begin`."""
        # SQLite itself may have rolled the whole transaction back.
        if self._is_open and self.connection.in_transaction:
            self.host("ROLLBACK TO message" if self.is_in_run else "ROLLBACK")
            if self.is_in_run:
                self.host("RELEASE message")
        self._is_open = False
        self._changes = []

    @property
    def steps_used(self) -> int:
        """Of the message's budget of instructions."""
        return self._budget.sql_steps - max(self._steps_left, 0)

    @property
    def changes(self) -> list[Change]:
        """Of the reducer's rows since `begin`, in order; none if they are not noted."""
        return self._changes

    @property
    def change_count(self) -> int:
        """How many of the reducer's rows changed since `begin`."""
        if self._notes_changes:
            return len(self._changes)
        return self.connection.total_changes() - self._changed_before

    def write(self, sql: str, rows: Sequence[Row], is_init: bool = False) -> int:
        """Run a reducer's statement for each row; how many rows it changed.

        Raises `ReducerFailed`, whereupon the message must be undone.
        """
        before = self.change_count
        mode = statement_mode(sql, is_query=False, is_init=is_init)
        # Without apsw's cache a statement would be prepared for each row; with it, a statement of
        # an earlier message would be found again, which was counted from another beginning.
        is_kept = mode is Mode.WRITE and len(rows) > 1
        self._statement_count += 1
        text = f"{sql} /*{self._statement_count}*/" if is_kept else sql
        with self._guest(mode, sql):
            for _ in self.connection.executemany(text, rows, can_cache=is_kept, explain=0):
                pass
        count = self.change_count
        if count > self._budget.change_count:
            raise ReducerFailed(Failure.SQL_CHANGES, "too many rows changed")
        return count - before

    def query(self, sql: str, row: Row, size_max: int) -> bytes:
        """The encoded rows of a reducer's question, of so many bytes at most.

        Raises `ReducerFailed`, whereupon the message must be undone.
        """
        found: list[msgspec.Raw] = []
        size = 0
        with self._guest(statement_mode(sql, is_query=True, is_init=False), sql):
            for values in self.connection.execute(sql, row, can_cache=False, explain=0):
                if not SCALARS.issuperset(map(type, values)):
                    raise ReducerFailed(Failure.VALUE_TYPE, "a float in a result")
                encoded = encode(values)
                size += len(encoded)
                if size > size_max:
                    raise ReducerFailed(Failure.REPLY_OVERSIZED, f"rows of over {size_max} bytes")
                found.append(msgspec.Raw(encoded))
        return encode(found)

    @contextmanager
    def _guest(self, mode: Mode, sql: str) -> Iterator[None]:
        self._steps_left -= STATEMENT_STEP_COUNT + len(sql)
        if self._steps_left < 0:
            raise ReducerFailed(Failure.SQL_STEPS, "too many statements")
        self._authoriser.mode, self._authoriser.refused = mode, None
        self.connection.limit(apsw.SQLITE_LIMIT_LENGTH, self._budget.row_bytes)
        try:
            yield
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._blamed(error) from None
        finally:
            self.connection.limit(apsw.SQLITE_LIMIT_LENGTH, self._length_max)
            self._authoriser.mode = Mode.HOST
        if self._failed is not None:
            raise self._failed

    def _blamed(self, error: Exception) -> Exception:
        """The reducer's fault if it is one, else the machine's."""
        known = self._authoriser.refused or self._failed
        if known is not None:
            return known
        for kind, failure in _FAILURES:
            if isinstance(error, kind):
                return ReducerFailed(failure, str(error))
        return ViewBroken(self.path, repr(error))

    def _progress(self) -> bool:
        """Whether the statement is to be interrupted."""
        if self._authoriser.mode is Mode.HOST:
            return False
        self._steps_left -= STEP_GRAIN
        return self._steps_left < 0 or self._failed is not None

    def _note(self, update: apsw.PreUpdate) -> None:
        """Called by SQLite with each change of a row, before it is made."""
        if update.table_name.startswith(HOST_PREFIX):
            return
        if len(self._changes) == self._budget.change_count:
            self._failed = ReducerFailed(Failure.SQL_CHANGES, "too many rows changed")
            return
        try:
            self._changes.append((update.table_name, update.old, update.new))
        except UnicodeDecodeError as error:
            self._failed = ReducerFailed(Failure.TEXT_INVALID, str(error))
