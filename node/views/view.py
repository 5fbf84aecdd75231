"""A view: what a reducer made of messages, in order, in tables of its own.

A message is taken in whole or leaves no trace. What the tables hold follows from the messages that
were taken in, the code, the budget and the engine, and from nothing else: two nodes that have these
in common have the same digest, and so has a view that is derived anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from node.views import history, undoing
from node.views.database import Change, ViewDatabase
from node.views.digest import TableSum, view_digest
from node.views.encoding import decode
from node.views.errors import Failure, ReducerFailed, StampMismatch, ViewBroken
from node.views.history import MessageRecord, Stamp
from node.views.limits import SUM_INTERVAL_COUNT
from node.views.module import ReducerModule
from node.views.sandbox import Sandbox
from node.views.schema import TableSchema, read_schema, schema_sql
from node.views.wasm import engine_name


class Verdict(Struct, frozen=True):
    """What became of a message. Equal on every node but for `detail`."""

    seq: int
    code: int = 0
    """The reducer's reason to refuse; 0 if it had none."""
    failure: Failure | None = None
    """Why its work was undone, if not by a refusal."""
    fuel: int = 0
    """That the reducer used."""
    steps: int = 0
    """Of SQLite's machine, charged and counted by the thousand."""
    change_count: int = 0
    """Rows changed."""
    detail: str = ""
    """For people: why it failed."""

    @property
    def is_applied(self) -> bool:
        """Whether the message was taken in. If not, it left no trace."""
        return self.code == 0 and self.failure is None


class _Run(Struct):
    """Messages that are one transaction so far, and what the view was before them."""

    stamp: Stamp
    sum: TableSum
    unsummed_count: int
    kept: list[tuple[int, bytes, bytes]]
    """Number, message and mark of each that was taken in: SQLite may undo them all."""


class View:
    """Tables derived by one reducer, in one file. For one thread.

    Opening makes the view if there is none, which raises `ReducerFailed` if `init` fails, and
    `StampMismatch` if something else made the one that is there.

    A view that does not keep its changes takes half the time and room: for messages that are kept
    somewhere else, by whoever needs no two machines to agree on them one by one.
    """

    def __init__(
        self, path: Path | str, module: ReducerModule, *, keeps_changes: bool = True
    ) -> None:
        self._budget = module.budget
        self._keeps_changes = keeps_changes
        self._database = ViewDatabase(path, self._budget, notes_changes=keeps_changes)
        self._sandbox = Sandbox(module, self._database)
        self._unsummed_count = 0
        self._run: _Run | None = None
        self._stamp = Stamp(
            history.NO_MESSAGE_SEQ, module.code_hash, engine_name(), self._budget, keeps_changes
        )
        self._sum = TableSum()
        self._tables: dict[str, TableSchema] = {}
        self._schema: list[tuple[str, str]] = []
        with ExitStack() as undo:
            undo.callback(self.close)
            if not history.is_made(self._database):
                self._make(module)
            self._check_stamp(str(path), module)
            self._load()
            undo.pop_all()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a run that nobody kept is dropped. A second call does nothing."""
        try:
            self.drop_run()
            if self._unsummed_count:
                self._write_sum()
        except ViewBroken:
            # What is not written down is hashed again when the view is opened.
            self._unsummed_count = 0
        self._sandbox.close()
        self._database.close()

    @property
    def stamp(self) -> Stamp:
        """What the view was made from, up to now."""
        return self._stamp

    @property
    def tables(self) -> dict[str, TableSchema]:
        """The reducer's, by name."""
        return self._tables

    @property
    def schema(self) -> list[tuple[str, str]]:
        """Names and text of the reducer's tables and indexes, in the order of names."""
        return self._schema

    @property
    def digest(self) -> bytes:
        """32 bytes over all tables; costs two hashes for each row that changed since the last, or
        one for each row of a view that does not keep its changes."""
        if not self._keeps_changes:
            return self.computed_digest()
        return view_digest(self._schema, self._sum)

    def computed_digest(self) -> bytes:
        """The same, from nothing but the tables: what `digest` must be."""
        total = TableSum.of_rows(
            (name, tuple(row)) for name in self._tables for row in self.rows(name)
        )
        return view_digest(self._schema, total)

    def rows(self, table: str) -> Iterator[tuple[object, ...]]:
        """All rows of a table in the order of its primary key."""
        key = ", ".join(f'"{column}"' for column in self._tables[table].key)
        yield from self._database.rows(f'SELECT * FROM "{table}" ORDER BY {key}')

    def messages(self, first_seq: int = 0) -> Iterator[MessageRecord]:
        """The messages that were taken in, in order, each with the row changes it made; none of a
        view that does not keep them."""
        return history.read_messages(self._database, first_seq)

    def apply(
        self,
        seq: int,
        message: bytes,
        *,
        mark: bytes = b"",
        is_canonical: bool = False,
        check: Callable[[View], None] | None = None,
    ) -> Verdict:
        """Run the reducer on a message; `seq` must be above all before it (ValueError).

        `mark` is the caller's: it is in the stamp if the message is taken in. `is_canonical` says
        that the caller made the message itself, in the one form that there is. `check` looks at the
        tables as they would be, and may raise `ReducerFailed`.

        What a message changed is in the file when this returns, and survives the process; a crash
        of the machine may take the last ones back. A refusal and a failure are verdicts, and leave
        the tables as they were. Raises `ViewBroken` when the machine fails; the view must then be
        opened again.
        """
        if seq <= self._stamp.seq:
            raise ValueError(f"message {seq} comes after {self._stamp.seq}")
        database, sandbox = self._database, self._sandbox
        sandbox.fuel_used = 0
        try:
            with database.message():
                self._check_message(message, is_canonical)
                code = sandbox.reduce(message)
                if code:
                    return self._verdict(seq, code)
                changes = database.changes
                change_count = database.change_count
                if check is not None:
                    check(self)
                self._keep(seq, message, changes, mark)
                database.commit()
        except ReducerFailed as failed:
            verdict = self._verdict(seq, failure=failed.failure, detail=failed.detail)
            if self._run is not None and database.is_run_lost:
                self._begin_again(self._run)
            return verdict
        if self._run is not None:
            self._run.kept.append((seq, message, mark))
        self._stamp = replace(self._stamp, seq=seq, mark=mark)
        if self._keeps_changes:
            self._sum.note(changes)
            self._unsummed_count += 1
            if self._unsummed_count >= SUM_INTERVAL_COUNT:
                self._write_sum()
        return self._verdict(seq, change_count=change_count)

    def begin_run(self) -> None:
        """What is taken in from here on is kept as a whole, or dropped: nobody else sees it before.

        A run costs one commit. Raises `ViewBroken` when the machine fails.
        """
        assert self._run is None, "one run at a time"
        self._database.begin_run()
        self._run = _Run(self._stamp, self._sum.copy(), self._unsummed_count, [])

    def keep_run(self) -> None:
        """The run's messages are the view's; without a run nothing happens."""
        if self._run is not None:
            self._run = None
            self._database.keep_run()

    def drop_run(self) -> None:
        """The view is as it was before the run; without a run nothing happens."""
        run, self._run = self._run, None
        if run is not None:
            self._database.drop_run()
            self._stamp, self._sum = run.stamp, run.sum
            self._unsummed_count = run.unsummed_count

    def _begin_again(self, lost: _Run) -> None:
        """SQLite undid the run with a statement that it stopped: its messages are applied again."""
        self.drop_run()
        self.begin_run()
        for seq, message, mark in lost.kept:
            verdict = self.apply(seq, message, mark=mark, is_canonical=True)
            if not verdict.is_applied:
                raise ViewBroken(self._database.path, f"message {seq} was taken in before")

    def undo_after(self, seq: int) -> None:
        """Take the messages above `seq` back, the newest first: the tables are as they were.

        Only for a view that keeps its changes. Raises `ViewBroken` when the machine fails.
        """
        assert self._keeps_changes, "what was not kept cannot be taken back"
        assert self._run is None or self._run.stamp.seq <= seq, "before the run there is no way"
        if self._stamp.seq <= seq:
            return
        database = self._database
        with database.message():
            undone = undoing.undo_messages(database, self._tables, seq)
            self._sum.note(undone)
            last = history.last_seq(database)
            history.write_sum(database, last, self._sum)
            database.commit()
        if self._run is not None:
            self._run.kept = [kept for kept in self._run.kept if kept[0] <= seq]
        self._unsummed_count = 0
        self._stamp = replace(self._stamp, seq=last)

    def _keep(self, seq: int, message: bytes, changes: list[Change], mark: bytes) -> None:
        if not self._keeps_changes:
            history.keep_place(self._database, seq, mark)
            return
        history.keep_message(self._database, seq, message, changes)
        if mark != self._stamp.mark:
            history.keep_mark(self._database, mark)

    def _verdict(
        self,
        seq: int,
        code: int = 0,
        failure: Failure | None = None,
        change_count: int = 0,
        detail: str = "",
    ) -> Verdict:
        fuel, steps = self._sandbox.fuel_used, self._database.steps_used
        return Verdict(seq, code, failure, fuel, steps, change_count, detail)

    def _write_sum(self) -> None:
        history.write_sum(self._database, self._stamp.seq, self._sum)
        self._unsummed_count = 0

    def _check_message(self, message: bytes, is_canonical: bool) -> None:
        if len(message) > self._budget.message_bytes:
            raise ReducerFailed(Failure.MESSAGE_OVERSIZED, f"{len(message)} bytes")
        if not is_canonical:
            decode(message)

    def _make(self, module: ReducerModule) -> None:
        """Our tables and the reducer's, or neither."""
        database = self._database
        with database.message():
            history.make(database, self._stamp)
            code = self._sandbox.init() if module.has_init else 0
            if code:
                raise ReducerFailed(Failure.INIT_REFUSED, f"code {code}")
            read_schema(database)
            total = TableSum()
            total.note(database.changes)
            history.write_sum(database, self._stamp.seq, total)
            database.commit()

    def _check_stamp(self, path: str, module: ReducerModule) -> None:
        stamp = history.read_stamp(self._database)
        for field, found, expected in (
            ("code", stamp.code_hash.hex(), module.code_hash.hex()),
            ("engine", stamp.engine, engine_name()),
            ("budget", repr(stamp.budget), repr(self._budget)),
            ("keeps_changes", str(stamp.keeps_changes), str(self._keeps_changes)),
        ):
            if found != expected:
                raise StampMismatch(path, field, found, expected)

    def _load(self) -> None:
        self._stamp = history.read_stamp(self._database)
        if self._keeps_changes:
            self._sum = history.read_sum(self._database)
        self._tables = read_schema(self._database)
        self._schema = schema_sql(self._database)
