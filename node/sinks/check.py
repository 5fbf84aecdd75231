"""Whether PostgreSQL holds what the view held: the digest over rows that are read back.

For readers too: it takes no lock and writes nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from node.sinks.driver import connect
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.source import ViewSource
from node.sinks.target import Target, TargetStamp
from node.views.digest import TableSum, view_digest


class Checked(msgspec.Struct, frozen=True):
    """What was found of one moment."""

    seq: int
    """Of the last message that PostgreSQL has."""
    row_count: int
    """Rows that were read."""
    unheld_count: int
    """Of them, rows in `tally_unheld`."""
    digest: bytes
    """Over the rows that were read."""
    stamp_digest: bytes
    """What the stamp says it must be."""
    view_digest: bytes | None
    """The view's own after that message, empty if it never was there; None if no view was given."""

    @property
    def is_equal(self) -> bool:
        """Whether all that is known says the same."""
        of_view = self.digest if self.view_digest is None else self.view_digest
        return self.digest == self.stamp_digest == of_view


def check(conninfo: str, namespace: str, view: Path | None) -> Checked:
    """Read everything back in one transaction and compare. Raises `SinkError`."""
    connection = connect(conninfo)
    try:
        target = Target(connection, namespace)
        with target.transaction(for_reading=True):
            stamp = read_stamp(target)
            total = TableSum.of_rows(target.rows(stamp.tables))
            unheld_count = target.unheld_count()
    finally:
        connection.close()
    schema = stamp.origin.schema
    stamped = TableSum.from_bytes(stamp.row_sum, stamp.row_count)
    return Checked(
        seq=stamp.seq,
        row_count=total.row_count,
        unheld_count=unheld_count,
        digest=view_digest(schema, total),
        stamp_digest=view_digest(schema, stamped),
        view_digest=_digest_of_view(view, stamp) if view is not None else None,
    )


def read_stamp(target: Target) -> TargetStamp:
    """The stamp of a schema that has one. Raises `SinkError`."""
    stamp = target.read_stamp()
    if stamp is None:
        raise SinkError(SinkFailure.NOT_COPIED, f"there is no view in {target.namespace} yet")
    return stamp


def _digest_of_view(view: Path, stamp: TargetStamp) -> bytes:
    source = ViewSource(view)
    try:
        with source.moment():
            total = source.sum_at(stamp.seq)
            return b"" if total is None else view_digest(source.origin.schema, total)
    finally:
        source.close()


class Lag(msgspec.Struct, frozen=True):
    """How far PostgreSQL is behind a view."""

    seq: int
    """Of the last message that PostgreSQL has."""
    view_seq: int
    lag_s: float
    """Since a sink last changed something, if there is more to do; 0 if there is not."""
    row_count: int
    unheld_count: int
    copied_seq: int
    code_hash: bytes

    @property
    def lag_records(self) -> int:
        """Sequence numbers in between."""
        return max(self.view_seq - self.seq, 0)


def lag(conninfo: str, namespace: str, view: Path) -> Lag:
    """From the stamp and the view's file alone, beside a sink. Raises `SinkError`."""
    source = ViewSource(view)
    try:
        view_seq = source.seq
    finally:
        source.close()
    connection = connect(conninfo)
    try:
        target = Target(connection, namespace)
        with target.transaction(for_reading=True):
            stamp = read_stamp(target)
            unheld_count = target.unheld_count()
    finally:
        connection.close()
    is_behind = view_seq > stamp.seq
    return Lag(
        seq=stamp.seq,
        view_seq=view_seq,
        lag_s=max(stamp.applied_ago_s, 0.0) if is_behind else 0.0,
        row_count=stamp.row_count,
        unheld_count=unheld_count,
        copied_seq=stamp.copied_seq,
        code_hash=stamp.origin.code_hash,
    )
