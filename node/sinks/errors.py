"""What can go wrong with a sink, each with a name, and whether time may mend it.

A view never fails because of its sink: nothing here reaches who writes it.
"""

from dataclasses import dataclass
from enum import StrEnum


class SinkFailure(StrEnum):
    """Stable names of failures."""

    DRIVER_MISSING = "driver-missing"
    CONNINFO_INVALID = "conninfo-invalid"
    CONNINFO_PASSWORD = "conninfo-has-password"
    NAMESPACE_INVALID = "schema-name-invalid"
    VIEW_ABSENT = "view-absent"
    VIEW_UNREADABLE = "view-unreadable"
    VIEW_WITHOUT_CHANGES = "view-without-changes"

    UNREACHABLE = "postgres-unreachable"
    LOGIN_REFUSED = "login-refused"
    DATABASE_ABSENT = "database-absent"
    PERMISSION_DENIED = "permission-denied"
    DISK_FULL = "disk-full"
    EXHAUSTED = "postgres-exhausted"
    READ_ONLY = "postgres-read-only"
    TABLES_LOCKED = "tables-locked"
    VERSION_TOO_OLD = "postgres-too-old"
    ENCODING_UNFIT = "encoding-not-utf8"
    REFUSED = "postgres-refused"

    SINK_BUSY = "another-sink"
    SINK_OVERTAKEN = "sink-overtaken"
    NAMESPACE_TAKEN = "schema-taken"
    TABLES_NEEDED = "tables-needed"
    FORMAT_UNKNOWN = "stamp-format-unknown"
    ROWS_DIFFER = "rows-differ"
    NOT_COPIED = "not-copied"


_NEXT_STEPS = {
    SinkFailure.DRIVER_MISSING: "pip install 'tallystick[postgres]'",
    SinkFailure.CONNINFO_PASSWORD: (
        "leave it out, and set PGPASSWORD or PGPASSFILE, or name a service of pg_service.conf"
    ),
    SinkFailure.NAMESPACE_INVALID: "name one with --schema: small letters, digits, underscores",
    SinkFailure.VIEW_ABSENT: "give the view's file; its writer makes it when it starts",
    SinkFailure.VIEW_WITHOUT_CHANGES: (
        "let it be made anew by a writer that keeps them: a node does when views.postgres is set"
    ),
    SinkFailure.UNREACHABLE: "start PostgreSQL, or give another host and port",
    SinkFailure.LOGIN_REFUSED: "check the user, PGPASSWORD or PGPASSFILE, and pg_hba.conf",
    SinkFailure.DATABASE_ABSENT: "create it: createdb --encoding UTF8 NAME",
    SinkFailure.PERMISSION_DENIED: (
        "let the role own the schema: CREATE SCHEMA name AUTHORIZATION role"
    ),
    SinkFailure.DISK_FULL: "make room on PostgreSQL's disk; what is missing is applied then",
    SinkFailure.READ_ONLY: "give the primary server, not a standby",
    SinkFailure.TABLES_LOCKED: "end what holds the locks: see pg_locks",
    SinkFailure.ENCODING_UNFIT: "create a database with --encoding UTF8",
    SinkFailure.SINK_BUSY: "end the other sink, or give another schema",
    SinkFailure.NAMESPACE_TAKEN: "give a schema of its own with --schema",
    SinkFailure.TABLES_NEEDED: "drop what depends on the tables, and make it anew afterwards",
    SinkFailure.NOT_COPIED: "run: tally sink run --once",
    SinkFailure.FORMAT_UNKNOWN: "run the newer Tallystick that made it, or drop the schema",
}

_TRANSIENT = frozenset(
    {
        SinkFailure.VIEW_ABSENT,
        SinkFailure.UNREACHABLE,
        SinkFailure.DISK_FULL,
        SinkFailure.EXHAUSTED,
        SinkFailure.READ_ONLY,
        SinkFailure.TABLES_LOCKED,
        SinkFailure.SINK_BUSY,
        SinkFailure.SINK_OVERTAKEN,
        SinkFailure.ROWS_DIFFER,
    }
)


@dataclass(eq=False)
class SinkError(Exception):
    """Why a sink cannot go on now. What it committed stays, and is not applied again."""

    failure: SinkFailure
    detail: str
    """For people: the server's words, or ours."""

    def __str__(self) -> str:
        return f"{self.failure}: {self.detail}"

    @property
    def is_transient(self) -> bool:
        """Whether it may go away without anybody changing the settings."""
        return self.failure in _TRANSIENT

    @property
    def next_step(self) -> str:
        """What to do about it; empty if there is nothing but to wait."""
        return _NEXT_STEPS.get(self.failure, "")
