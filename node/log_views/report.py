"""What the process that keeps the node's views says to the daemon, which loads no view itself."""

from __future__ import annotations

from msgspec import Struct

from node.sinks.status import SinkStatus


class Report(Struct, frozen=True, omit_defaults=True):
    """One line of its output."""

    seq: int = -1
    """Of the last record in the views."""
    rebuilt: str = ""
    """Why they are made anew."""
    failure: str = ""
    """By name: views-in-use, view-broken, record-refused, log-unreadable."""
    detail: str = ""
    sink: SinkStatus | None = None
    """How far the copy in PostgreSQL is, if there is to be one."""
