"""A sink: step by step, PostgreSQL's tables are made level with a view's file.

    connect, be the only one, read the stamp
    if the tables cannot have come from this view: copy it anew, and say why
    else apply the changes since, a transaction for the messages of a step

After a failure everything is read again: what the stamp says is true, not what was meant.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from node.sinks.changes import net_changes
from node.sinks.copying import copy_view
from node.sinks.driver import connect, translated
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.limits import CANCEL_S
from node.sinks.source import ViewSource
from node.sinks.status import CopyReason
from node.sinks.target import Target, TargetStamp
from node.views.digest import TableSum
from node.views.history import NO_MESSAGE_SEQ


class SinkSettings(msgspec.Struct, frozen=True):
    """From where to where."""

    view: Path
    """The view's file."""
    conninfo: str
    """libpq's, without a password."""
    namespace: str
    """The schema."""


class Step(msgspec.Struct, frozen=True):
    """What a step did."""

    seq: int
    """Of the last message that PostgreSQL has."""
    change_count: int = 0
    """Row changes that were applied."""
    copied: CopyReason | None = None
    row_count: int = 0
    """Rows copied."""


class _Session:
    """One connection and one open view, and what both hold."""

    def __init__(self, settings: SinkSettings) -> None:
        with ExitStack() as undo:
            self.source = ViewSource(settings.view)
            undo.callback(self.source.close)
            self.connection = connect(settings.conninfo)
            undo.pop_all()
        self.target = Target(self.connection, settings.namespace)
        self.seq = NO_MESSAGE_SEQ
        self.sum = TableSum()
        self.reason: CopyReason | None = None
        """Why the view is to be copied before anything else."""

    def open(self) -> None:
        """Be the only one, and find out what is there. Raises `SinkError`."""
        if not self.target.lock():
            detail = f"another sink fills {self.target.namespace}"
            raise SinkError(SinkFailure.SINK_BUSY, detail)
        self.stamp = self.target.read_stamp()
        with self.source.moment():
            self.reason = self._reason_to_copy(self.stamp)
        if self.stamp is not None:
            self.seq = self.stamp.seq
            self.sum = TableSum.from_bytes(self.stamp.row_sum, self.stamp.row_count)

    def _reason_to_copy(self, stamp: TargetStamp | None) -> CopyReason | None:
        if stamp is None:
            return CopyReason.FIRST
        ours, theirs = self.source.origin, stamp.origin
        if ours.code_hash != theirs.code_hash:
            return CopyReason.CODE
        if (ours.engine, ours.budget) != (theirs.engine, theirs.budget):
            return CopyReason.ENGINE
        if ours.schema != theirs.schema or stamp.tables != list(self.source.tables.values()):
            return CopyReason.SCHEMA
        then = self.source.sum_at(stamp.seq)
        if then is None or (then.to_bytes(), then.row_count) != (stamp.row_sum, stamp.row_count):
            return CopyReason.HISTORY
        return None

    def close(self) -> None:
        self.connection.close()
        self.source.close()


class Sink:
    """Makes PostgreSQL level with a view. For one thread, except `cancel`."""

    def __init__(
        self, settings: SinkSettings, note_copy: Callable[[CopyReason], None] | None = None
    ) -> None:
        """`note_copy` is told when a copy of the whole view begins: it may take minutes."""
        self.settings = settings
        self._note_copy = note_copy
        self._session: _Session | None = None
        self._are_rows_wrong = False
        self._are_tables_wrong = False

    def step(self) -> Step | None:
        """Copy the view, or apply what fits into a transaction; None if there was nothing to do.

        Raises `SinkError`, whereupon the next step begins with a new connection.
        """
        try:
            session = self._opened()
            if session.reason is not None:
                return self._copy(session, session.reason)
            return self._apply(session)
        except SinkError as error:
            if error.failure is SinkFailure.ROWS_DIFFER:
                # What even a copy cannot put right is not in the rows.
                self._are_tables_wrong = self._are_rows_wrong
                self._are_rows_wrong = True
            self.close()
            raise

    def seqs(self) -> tuple[int, int]:
        """Of the last message that PostgreSQL has, and that the view has. Raises `SinkError`."""
        session = self._opened()
        return session.seq, session.source.seq

    def ping(self) -> None:
        """Ask PostgreSQL for a sign of life. Raises `SinkError`, as a step does."""
        session = self._session
        if session is None:
            return
        try:
            with translated():
                session.connection.execute("SELECT 1")
        except SinkError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of both sides. A second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def cancel(self) -> None:
        """From another thread: let the statement that runs fail. Raises `SinkError`."""
        session = self._session
        if session is not None:
            with translated():
                session.connection.cancel_safe(timeout=CANCEL_S)

    def _opened(self) -> _Session:
        if self._session is not None and self._session.source.is_replaced:
            self.close()
        if self._session is None:
            with ExitStack() as undo:
                session = _Session(self.settings)
                undo.callback(session.close)
                session.open()
                undo.pop_all()
            if self._are_rows_wrong and session.reason is None:
                session.reason = CopyReason.ROWS
            self._session = session
        return self._session

    def _copy(self, session: _Session, reason: CopyReason) -> Step:
        if self._note_copy is not None:
            self._note_copy(reason)
        session.seq, session.sum = copy_view(
            session.source,
            session.target,
            session.stamp,
            keeps_tables=not self._are_tables_wrong,
        )
        session.reason = None
        self._are_rows_wrong = self._are_tables_wrong = False
        return Step(session.seq, copied=reason, row_count=session.sum.row_count)

    def _apply(self, session: _Session) -> Step | None:
        batch = session.source.batch(session.seq)
        if batch is None:
            return None
        by_table, net = net_changes(batch.changes, session.source.tables)
        session.sum.note(net)
        with session.target.transaction():
            # First: whoever has moved the stamp is the only one from there on.
            session.target.move_stamp(session.seq, batch.last_seq, session.sum)
            for name, changes in by_table.items():
                session.target.apply(session.source.tables[name], changes)
        session.seq = batch.last_seq
        return Step(session.seq, change_count=len(batch.changes))
