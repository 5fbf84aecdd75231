"""A view's tables in PostgreSQL, in a schema of their own, with a stamp beside them.

    tally_stamp    one row: the last message applied, what made the view, and the sum over its rows
    tally_unheld   rows that PostgreSQL cannot hold, encoded as the digest takes them

The stamp moves in the same transaction as the rows, and only from where it was: so a message is
applied once, whoever is killed when, and two sinks cannot both apply it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from node.sinks import layout as sql
from node.sinks.changes import TableChanges
from node.sinks.driver import translated
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import TableLayout, check_namespace, quoted
from node.sinks.limits import LOCK_TIMEOUT_MS, LOCK_WAIT_MS
from node.sinks.source import Origin
from node.views.database import RowValues
from node.views.digest import TableSum, encode_row
from node.views.encoding import encode

if TYPE_CHECKING:
    from psycopg import Cursor

    from node.sinks.driver import Connection

FORMAT = 1
"""Of the stamp and what lies beside it. Another one is left alone."""

_STAMP_COLUMNS = (
    ("id", "int2 PRIMARY KEY CHECK (id = 1)"),
    ("format", "int4 NOT NULL"),
    ("seq", "int8 NOT NULL"),
    ("code_hash", "bytea NOT NULL"),
    ("engine", "text NOT NULL"),
    ("budget", "bytea NOT NULL"),
    ("schema_sql", "bytea NOT NULL"),
    ("layout", "bytea NOT NULL"),
    ("row_sum", "bytea NOT NULL"),
    ("row_count", "int8 NOT NULL"),
    ("copied_seq", "int8 NOT NULL"),
    ("copied_at", "timestamptz NOT NULL"),
    ("applied_at", "timestamptz NOT NULL"),
)
_NAMES = [name for name, _ in _STAMP_COLUMNS]
_WRITTEN = _NAMES[2:-2]
"""The stamp's columns that a copy writes; the others are constant or the time."""

_decode_schema = msgspec.msgpack.Decoder(list[tuple[str, str]]).decode
_decode_layout = msgspec.msgpack.Decoder(list[TableLayout]).decode
_decode_row = msgspec.msgpack.Decoder(list[Any]).decode


class TargetStamp(msgspec.Struct, frozen=True):
    """What PostgreSQL holds, and up to which message."""

    seq: int
    origin: Origin
    tables: list[TableLayout]
    row_sum: bytes
    row_count: int
    copied_seq: int
    """Of the last message when the whole view was copied; what came after was applied."""
    applied_ago_s: float
    """Since the last change of the stamp, by the server's clock."""


class Target:
    """One schema of one database, over one connection. Raises `SinkError`. For one thread."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self.namespace = check_namespace(namespace)
        self._stamp_table = self.table("tally_stamp")
        self._unheld_table = self.table("tally_unheld")

    def table(self, name: str) -> str:
        """As SQL names it."""
        return f"{quoted(self.namespace)}.{quoted(name)}"

    def lock(self) -> bool:
        """Be the schema's only sink until the connection ends; False if another one stays."""
        digest = hashlib.sha256(f"tallystick sink {self.namespace}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        timeout = "SELECT set_config('lock_timeout', %s, false)"
        self._all(timeout, (str(LOCK_WAIT_MS),))
        try:
            self._all("SELECT pg_advisory_lock(%s)", (number,))
        except SinkError as error:
            if error.failure is SinkFailure.TABLES_LOCKED:
                return False
            raise
        self._all(timeout, (str(LOCK_TIMEOUT_MS),))
        return True

    @contextmanager
    def transaction(self, *, for_reading: bool = False) -> Iterator[None]:
        """All that is done inside is done, or nothing. Reading sees one moment."""
        with translated(), self._connection.transaction():
            if for_reading:
                self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def read_stamp(self) -> TargetStamp | None:
        """None if the schema is not there, or empty. Raises `SinkError` if it is somebody's."""
        if self._one("SELECT to_regclass(%s)", (self._stamp_table,))[0] is None:
            self._check_empty()
            return None
        found = self._one(f"SELECT format FROM {self._stamp_table}")
        if found[0] != FORMAT:
            detail = f"the stamp in {self.namespace} has format {found[0]}, known is {FORMAT}"
            raise SinkError(SinkFailure.FORMAT_UNKNOWN, detail)
        row = self._one(
            f"SELECT {', '.join(_WRITTEN)}, EXTRACT(epoch FROM now() - applied_at)::float8 "
            f"FROM {self._stamp_table}"
        )
        seq, code_hash, engine, budget, schema, tables, row_sum, row_count, copied_seq, ago = row
        origin = Origin(code_hash, engine, budget, _decode_schema(schema))
        return TargetStamp(seq, origin, _decode_layout(tables), row_sum, row_count, copied_seq, ago)

    def _check_empty(self) -> None:
        query = (
            "SELECT relname FROM pg_class JOIN pg_namespace "
            "ON pg_namespace.oid = relnamespace WHERE nspname = %s LIMIT 1"
        )
        taken = self._all(query, (self.namespace,))
        if taken:
            detail = f"{self.namespace} holds {taken[0][0]}, and no stamp of a view"
            raise SinkError(SinkFailure.NAMESPACE_TAKEN, detail)

    def make_namespace(self) -> None:
        """Make the schema, if it is not there, and the stamp's table in it."""
        query = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        if not self._all(query, (self.namespace,)):
            self._run(f"CREATE SCHEMA {quoted(self.namespace)}")
        columns = ", ".join(f"{name} {kind}" for name, kind in _STAMP_COLUMNS)
        self._run(f"CREATE TABLE {self._stamp_table} ({columns})")

    def make_unheld(self) -> None:
        """Make the table of rows that others cannot hold, if it is not there."""
        self._run(
            f"CREATE TABLE IF NOT EXISTS {self._unheld_table} (table_name text, "
            "row_hash bytea, row bytea NOT NULL, "
            "PRIMARY KEY (table_name, row_hash))"
        )

    def write_stamp(
        self, seq: int, origin: Origin, tables: Iterable[TableLayout], total: TableSum
    ) -> None:
        """After a copy: what the tables hold now."""
        values = [
            *(seq, origin.code_hash, origin.engine, origin.budget, encode(origin.schema)),
            *(encode(list(tables)), total.to_bytes(), total.row_count, seq),
        ]
        places = ", ".join("%s" for _ in values)
        self._run(f"DELETE FROM {self._stamp_table}")
        now = "clock_timestamp()"
        self._run(
            f"INSERT INTO {self._stamp_table} ({', '.join(_NAMES)}) "
            f"VALUES (1, {FORMAT}, {places}, {now}, {now})",
            values,
        )

    def move_stamp(self, old_seq: int, new_seq: int, total: TableSum) -> None:
        """Take the row of the stamp, which only one can, and move it. Raises `overtaken`."""
        moved = self._run(
            f"UPDATE {self._stamp_table} SET seq = %s, row_sum = %s, row_count = %s, "
            "applied_at = clock_timestamp() WHERE seq = %s",
            (new_seq, total.to_bytes(), total.row_count, old_seq),
        )
        if moved != 1:
            detail = f"{self.namespace} is not at message {old_seq} any more"
            raise SinkError(SinkFailure.SINK_OVERTAKEN, detail)

    def apply(self, layout: TableLayout, changes: TableChanges) -> None:
        """Change the rows of one table; raises `rows-differ` if they were not as they must be."""
        table = self.table(layout.name)
        if changes.taken_out:
            self._take_out(layout, changes.taken_out)
        if changes.deleted:
            count = self._run(sql.delete_sql(table, layout), _columns(changes.deleted))
            self._check_count(layout, count, len(changes.deleted))
        if changes.updated:
            count = self._run(sql.update_sql(table, layout), _columns(changes.updated))
            self._check_count(layout, count, len(changes.updated))
        if changes.inserted:
            self.copy_in(table, layout, changes.inserted)
        if changes.put_in:
            self.put_unheld(layout, changes.put_in)

    def copy_in(self, table: str, layout: TableLayout, rows: Iterable[RowValues]) -> None:
        """Put new rows in."""
        with (
            translated(),
            self._cursor() as cursor,
            cursor.copy(_checked(sql.copy_sql(table, layout))) as copy,
        ):
            copy.set_types(sql.copy_types(layout))
            write = copy.write_row
            for row in rows:
                write(row)

    def put_unheld(self, layout: TableLayout, rows: Sequence[RowValues]) -> None:
        """Keep rows that their table cannot hold."""
        encoded = [encode_row(layout.name, row) for row in rows]
        hashes = [hashlib.sha256(one).digest() for one in encoded]
        self._run(
            f"INSERT INTO {self._unheld_table} SELECT %s, * FROM unnest(%b::bytea[], %b::bytea[])",
            (layout.name, hashes, encoded),
        )

    def _take_out(self, layout: TableLayout, rows: Sequence[RowValues]) -> None:
        hashes = [hashlib.sha256(encode_row(layout.name, row)).digest() for row in rows]
        count = self._run(
            f"DELETE FROM {self._unheld_table} WHERE table_name = %s "
            "AND row_hash = ANY (%b::bytea[])",
            (layout.name, hashes),
        )
        self._check_count(layout, count, len(rows))

    def _check_count(self, layout: TableLayout, found: int, expected: int) -> None:
        if found != expected:
            detail = f"{self.namespace}.{layout.name} lacks {expected - found} rows to be changed"
            raise SinkError(SinkFailure.ROWS_DIFFER, detail)

    def clear_unheld(self) -> None:
        """Before a copy."""
        self._run(f"DELETE FROM {self._unheld_table}")

    def unheld_count(self) -> int:
        """Rows of `tally_unheld`."""
        return int(self._one(f"SELECT count(*) FROM {self._unheld_table}")[0])

    def rows(self, tables: Iterable[TableLayout]) -> Iterator[tuple[str, RowValues]]:
        """Every row of every table, as the view has it; in a transaction."""
        for layout in tables:
            for row in self._stream(sql.select_sql(self.table(layout.name), layout)):
                yield layout.name, row
        for (encoded,) in self._stream(f"SELECT row FROM {self._unheld_table}"):
            name, *values = _decode_row(encoded)
            yield name, tuple(values)

    def hold(self) -> None:
        """Let nobody else write the stamp until the transaction ends; readers go on."""
        self._run(f"LOCK TABLE {self._stamp_table} IN EXCLUSIVE MODE")

    def execute(self, statement: str) -> None:
        """Run a statement without values."""
        self._run(statement)

    def _stream(self, statement: str) -> Iterator[RowValues]:
        """Row by row, from a cursor of the server's."""
        with translated(), self._connection.cursor("tally_rows", binary=True) as cursor:
            cursor.itersize = 5_000
            cursor.execute(_checked(statement))
            yield from cursor

    def _cursor(self) -> Cursor[tuple[Any, ...]]:
        return self._connection.cursor(binary=True)

    def _run(self, statement: str, values: Sequence[Any] | None = None) -> int:
        with translated(), self._cursor() as cursor:
            cursor.execute(_checked(statement), values)
            return cursor.rowcount

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(), self._cursor() as cursor:
            return cursor.execute(_checked(statement), values).fetchall()

    def _one(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        found = self._all(statement, values)
        if not found:
            raise SinkError(SinkFailure.ROWS_DIFFER, f"{self.namespace} has lost its stamp")
        return found[0]


def _columns(rows: Sequence[RowValues]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _checked(statement: str) -> Any:
    """The driver wants literals where types are checked: names are quoted, values are bound."""
    return statement
