"""psycopg: loaded when a sink starts, never with the node. Connections, and its errors as ours."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from node.sinks.errors import SinkError, SinkFailure
from node.sinks.limits import (
    CONNECT_TIMEOUT_S,
    DETAIL_SIZE_MAX,
    IDLE_IN_TRANSACTION_MS,
    KEEPALIVE_S,
    LOCK_TIMEOUT_MS,
    SERVER_VERSION_MIN,
)

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
"""Settings that others see in a list of processes."""

_CONNECTION = {
    "application_name": "tallystick sink",
    "client_encoding": "utf8",
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": KEEPALIVE_S,
    "keepalives_interval": KEEPALIVE_S,
    "keepalives_count": 3,
    "tcp_user_timeout": KEEPALIVE_S * 4_000,
}
"""What a connection has unless it is given otherwise. Without them one that was cut off silently
would be waited for two hours."""

_SESSION = {
    # No function or operator that somebody put into another schema.
    "search_path": "",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    "tcp_keepalives_idle": str(KEEPALIVE_S),
    "tcp_keepalives_interval": str(KEEPALIVE_S),
    "tcp_keepalives_count": "3",
}

_BY_STATE = {
    # "Insufficient data left in message": a value that was copied into a column of another type.
    "08P01": SinkFailure.ROWS_DIFFER,
    "25006": SinkFailure.READ_ONLY,
    "2BP01": SinkFailure.TABLES_NEEDED,
    "3D000": SinkFailure.DATABASE_ABSENT,
    "40001": SinkFailure.TABLES_LOCKED,
    "40P01": SinkFailure.TABLES_LOCKED,
    "42501": SinkFailure.PERMISSION_DENIED,
    "42P07": SinkFailure.NAMESPACE_TAKEN,
    "53100": SinkFailure.DISK_FULL,
    "55P03": SinkFailure.TABLES_LOCKED,
}
_BY_CLASS = {
    "08": SinkFailure.UNREACHABLE,
    # Our values and names fit the tables as we made them.
    "22": SinkFailure.ROWS_DIFFER,
    "23": SinkFailure.ROWS_DIFFER,
    "42": SinkFailure.ROWS_DIFFER,
    "28": SinkFailure.LOGIN_REFUSED,
    "53": SinkFailure.EXHAUSTED,
    "57": SinkFailure.UNREACHABLE,
}
"""SQLSTATEs (PostgreSQL's manual, appendix A), whole and by their first two characters."""

_BY_WORDS = (
    (r"authentication failed|no password supplied|pg_hba\.conf", SinkFailure.LOGIN_REFUSED),
    (r"is not permitted to log in|role \S+ does not exist", SinkFailure.LOGIN_REFUSED),
    (r"permission denied for database", SinkFailure.PERMISSION_DENIED),
    (r"database \S+ does not exist", SinkFailure.DATABASE_ABSENT),
    (r"too many (clients|connections)|connection slots", SinkFailure.EXHAUSTED),
)
"""libpq tells no SQLSTATE of a refused connection. A server that speaks another language than
English counts as unreachable; its words are told in any case."""


def load_driver() -> Any:
    """psycopg; raises `SinkError` (driver-missing)."""
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        detail = f"PostgreSQL's driver cannot be loaded ({error})"
        raise SinkError(SinkFailure.DRIVER_MISSING, detail) from None


def check_conninfo(conninfo: str) -> None:
    """Raise `SinkError` for what is no connection string, or holds a secret."""
    driver = load_driver()
    try:
        settings = driver.conninfo.conninfo_to_dict(conninfo)
    except driver.Error as error:
        # What libpq could not read may hold a password: it is not repeated.
        words = "not of the form 'host=... dbname=...' or postgresql://host/dbname"
        raise SinkError(SinkFailure.CONNINFO_INVALID, words) from error
    for name in _SECRETS:
        if settings.get(name):
            words = f"{name} would be seen by everybody who can list processes or read settings"
            raise SinkError(SinkFailure.CONNINFO_PASSWORD, words)


def connect(conninfo: str) -> Connection:
    """A connection that is fit for a sink. Raises `SinkError`."""
    check_conninfo(conninfo)
    driver = load_driver()
    given = driver.conninfo.conninfo_to_dict(conninfo)
    with translated(), ExitStack() as undo:
        made: Connection = driver.connect(**{**_CONNECTION, **given}, autocommit=True)
        undo.callback(made.close)
        _fit(made)
        undo.pop_all()
    return made


def _fit(made: Connection) -> None:
    if made.info.server_version < SERVER_VERSION_MIN:
        detail = f"version {made.info.server_version // 10_000}; 13 is the oldest that fits"
        raise SinkError(SinkFailure.VERSION_TOO_OLD, detail)
    encoding = made.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SinkError(SinkFailure.ENCODING_UNFIT, f"the database's encoding is {encoding}")
    calls = ", ".join("pg_catalog.set_config(%s, %s, false)" for _ in _SESSION)
    made.execute(f"SELECT {calls}", [word for pair in _SESSION.items() for word in pair])


@contextmanager
def translated() -> Iterator[None]:
    """Whatever psycopg raises inside is raised as `SinkError`."""
    driver = load_driver()
    try:
        yield
    except driver.Error as error:
        raise as_sink_error(error) from error


def as_sink_error(error: Any) -> SinkError:
    """psycopg's error by its SQLSTATE, or by its words where there is none."""
    detail = " ".join(str(error).split())[:DETAIL_SIZE_MAX]
    return SinkError(_failure(error.sqlstate, detail), detail)


def _failure(state: str | None, detail: str) -> SinkFailure:
    if state is not None:
        by_class = _BY_CLASS.get(state[:2], SinkFailure.REFUSED)
        return _BY_STATE.get(state, by_class)
    for pattern, failure in _BY_WORDS:
        if re.search(pattern, detail):
            return failure
    return SinkFailure.UNREACHABLE
