"""A view's file, read beside its writer: the tables at one moment, and the changes since another.

Opened read-only. Each look is one short transaction of SQLite, so that the writer's WAL does not
grow for a sink; only a copy of the whole view holds one for longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec

from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import IndexLayout, TableLayout, column_layout
from node.sinks.limits import (
    BATCH_CHANGE_COUNT,
    BATCH_MESSAGE_COUNT,
    BATCH_SIZE_BYTES,
    COPY_CHUNK_COUNT,
)
from node.views.database import Change, RowValues
from node.views.digest import TableSum
from node.views.encoding import encode
from node.views.history import NO_MESSAGE_SEQ
from node.views.statements import is_foreign

_Values = tuple[Any, ...] | None
_decode_changes = msgspec.msgpack.Decoder(list[tuple[str, _Values, _Values]]).decode


class Origin(msgspec.Struct, frozen=True):
    """What a view is made by. Views with the same origin and the same messages are equal."""

    code_hash: bytes
    engine: str
    budget: bytes
    """Encoded."""
    schema: list[tuple[str, str]]
    """Names and SQL of tables and indexes, as the digest takes them."""


class Batch(msgspec.Struct, frozen=True):
    """The changes of some messages, in order."""

    last_seq: int
    changes: list[Change]


class ViewSource:
    """One view's file. Raises `SinkError` (view-absent, view-unreadable). For one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = _identity(path)
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.Error as error:
            raise self._unreadable(error) from error
        with ExitStack() as undo:
            undo.callback(self.close)
            self._connection.set_busy_timeout(5_000)
            with self.moment():
                self.origin = self._read_origin()
                self.tables = self._read_tables()
            undo.pop_all()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._connection.close()

    @property
    def is_replaced(self) -> bool:
        """Whether another file lies at the path by now: a view that was derived anew."""
        return _identity(self.path) != self._identity

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Everything that is read inside is of one moment."""
        self._all("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._all("ROLLBACK")

    @property
    def seq(self) -> int:
        """Of the last message taken in; -1 before the first."""
        found = self._all("SELECT max(seq) FROM tally_messages")[0][0]
        return NO_MESSAGE_SEQ if found is None else int(found)

    def batch(self, after_seq: int) -> Batch | None:
        """The messages after that one, up to the bounds of a transaction; None if there are none.

        A message is never split.
        """
        last_seq, size, changes, count = after_seq, 0, list[Change](), 0
        sql = "SELECT seq, changes FROM tally_messages WHERE seq > ? ORDER BY seq"
        for seq, encoded in self._rows(sql, (after_seq,)):
            changes += self._decoded(encoded)
            last_seq, size, count = seq, size + len(encoded), count + 1
            if (
                size >= BATCH_SIZE_BYTES
                or count >= BATCH_MESSAGE_COUNT
                or len(changes) >= BATCH_CHANGE_COUNT
            ):
                break
        return Batch(last_seq, changes) if count else None

    def rows(self, layout: TableLayout) -> Iterator[RowValues]:
        """All rows of a table."""
        for row in self._rows(f'SELECT * FROM "{layout.name}"'):
            yield tuple(row)

    def sum_at(self, seq: int) -> TableSum | None:
        """The sum over all rows as it was after that message; None if the view never was there.

        From the sum that the view's writer last wrote down, and the changes in between.
        """
        if seq > self.seq:
            return None
        (row,) = self._all("SELECT sum_seq, row_sum, row_count FROM tally_stamp")
        sum_seq, total, row_count = row
        found = TableSum.from_bytes(total, row_count)
        low, high, sign = (sum_seq, seq, 1) if seq >= sum_seq else (seq, sum_seq, -1)
        sql = "SELECT changes FROM tally_messages WHERE seq > ? AND seq <= ?"
        unsummed = 0
        for (encoded,) in self._rows(sql, (low, high)):
            changes = self._decoded(encoded)
            found.note(changes if sign > 0 else [(t, new, old) for t, old, new in changes])
            unsummed += len(changes)
            if unsummed > COPY_CHUNK_COUNT:
                # What is not hashed yet is held in memory.
                _ = found.total
                unsummed = 0
        return found

    def _decoded(self, encoded: bytes) -> list[Change]:
        try:
            return _decode_changes(encoded)
        except msgspec.MsgspecError as error:
            raise self._unreadable(error) from error

    def _read_origin(self) -> Origin:
        if not self._all("SELECT 1 FROM sqlite_schema WHERE name = 'tally_stamp'"):
            raise SinkError(SinkFailure.VIEW_ABSENT, f"there is no view in {self.path} yet")
        (row,) = self._all("SELECT code_hash, engine, budget, keeps_changes FROM tally_stamp")
        if not row[3]:
            detail = f"the view in {self.path} keeps no row changes: a sink has nothing to apply"
            raise SinkError(SinkFailure.VIEW_WITHOUT_CHANGES, detail)
        named = self._all("SELECT name, sql FROM sqlite_schema ORDER BY name")
        schema = [(name, sql) for name, sql in named if sql is not None and not is_foreign(name)]
        return Origin(row[0], row[1], row[2], schema)

    def _read_tables(self) -> dict[str, TableLayout]:
        names = self._all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {name: self._read_table(name) for (name,) in names if not is_foreign(name)}

    def _read_table(self, name: str) -> TableLayout:
        sql = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY cid'
        found = self._all(sql, (name,))
        columns = tuple(
            column_layout(column, kind, bool(is_required or place))
            for column, kind, is_required, place in found
        )
        places = sorted((row[3], place) for place, row in enumerate(found) if row[3])
        indexes: dict[tuple[Any, ...], IndexLayout] = {}
        sql = "SELECT name FROM pragma_index_list(?) WHERE origin <> 'pk' ORDER BY name"
        for (index,) in self._all(sql, (name,)):
            made = self._read_index(index)
            if made is not None:
                indexes.setdefault((made.columns, made.descending), made)
        return TableLayout(
            name, columns, tuple(place for _, place in places), tuple(indexes.values())
        )

    def _read_index(self, name: str) -> IndexLayout | None:
        """None for one over expressions: SQLite's may mean something else in PostgreSQL."""
        sql = 'SELECT cid, "desc" FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno'
        parts = self._all(sql, (name,))
        if any(place < 0 for place, _ in parts):
            return None
        return IndexLayout(tuple(row[0] for row in parts), tuple(bool(row[1]) for row in parts))

    def _all(self, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        return list(self._rows(sql, bindings))

    def _rows(self, sql: str, bindings: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            yield from self._connection.execute(sql, bindings)
        except (apsw.Error, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SinkError:
        return SinkError(SinkFailure.VIEW_UNREADABLE, f"{self.path}: {error!r}")


def encoded_schema(origin: Origin) -> bytes:
    """As a stamp keeps it: what a digest takes besides rows."""
    return encode(origin.schema)


def _identity(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise SinkError(SinkFailure.VIEW_ABSENT, f"{path}: {error.strerror}") from error
    return found.st_dev, found.st_ino
