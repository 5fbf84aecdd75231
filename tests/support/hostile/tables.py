"""What `init` makes."""

from __future__ import annotations

from node.views.errors import Failure
from node.views.limits import TABLE_COUNT_MAX
from tests.support.hostile.hostile import Hostile, Stage, made
from tests.support.reducers import TABLE, answering, writes

STRICT = "STRICT, WITHOUT ROWID"


def table(name: str, column: str, failure: Failure) -> Hostile:
    """A table that is sound but for this behind its key."""
    return made(name, f"CREATE TABLE x (k INTEGER PRIMARY KEY {column}) {STRICT}", failure=failure)


TABLES = [
    made(
        "not-strict",
        "CREATE TABLE x (k INTEGER PRIMARY KEY) WITHOUT ROWID",
        failure=Failure.TABLE_NOT_STRICT,
    ),
    made(
        "with-rowid",
        "CREATE TABLE x (k INTEGER PRIMARY KEY) STRICT",
        failure=Failure.TABLE_WITH_ROWID,
    ),
    made("without-key", "CREATE TABLE x (k INTEGER) STRICT", failure=Failure.TABLE_WITH_ROWID),
    made(
        "autoincrement",
        "CREATE TABLE x (k INTEGER PRIMARY KEY AUTOINCREMENT) STRICT",
        failure=Failure.SQL_HOST_TABLE,
    ),
    table("real-column", ", r REAL", Failure.TABLE_COLUMN_TYPE),
    table("any-column", ", r ANY", Failure.TABLE_COLUMN_TYPE),
    table("random-default", ", r INT DEFAULT (random())", Failure.SQL_FUNCTION),
    table("timestamp-default", ", r TEXT DEFAULT CURRENT_TIMESTAMP", Failure.SQL_FUNCTION),
    table("computed-default", ", r INT DEFAULT (abs(-1))", Failure.TABLE_DEFAULT),
    table("float-default", ", r TEXT DEFAULT 1.5", Failure.TABLE_DEFAULT),
    table("generated-column", ", r INT AS (k + 1)", Failure.TABLE_GENERATED),
    table("stored-column", ", r INT AS (k + 1) STORED", Failure.TABLE_GENERATED),
    table("generated-at-random", ", r INT AS (random())", Failure.SQL_FUNCTION),
    table("random-check", "CHECK (k > random())", Failure.SQL_FUNCTION),
    table("expensive-check", "CHECK (instr(k, 1))", Failure.SQL_FUNCTION),
    table("foreign-key", "REFERENCES x", Failure.TABLE_FOREIGN_KEY),
    table("odd-column-name", ', "a""b" INT', Failure.TABLE_NAME),
    table("many-columns", "".join(f", c{n} INT" for n in range(40)), Failure.COLUMN_COUNT),
    made("random-index", TABLE, "CREATE INDEX i ON t (random())", failure=Failure.SQL_FUNCTION),
    made(
        "index-where-now",
        TABLE,
        "CREATE INDEX i ON t (v) WHERE date('now') > v",
        failure=Failure.SQL_FUNCTION,
    ),
    made(
        "collation",
        f"CREATE TABLE x (k TEXT COLLATE NOCASE PRIMARY KEY) {STRICT}",
        failure=Failure.TABLE_COLLATION,
    ),
    made(
        "collation-of-an-index",
        TABLE,
        "CREATE UNIQUE INDEX i ON t (v COLLATE NOCASE)",
        failure=Failure.TABLE_COLLATION,
    ),
    made(
        "capital-name",
        f"CREATE TABLE Other (k INTEGER PRIMARY KEY) {STRICT}",
        failure=Failure.TABLE_NAME,
    ),
    made(
        "our-name",
        f"CREATE TABLE tally_x (k INTEGER PRIMARY KEY) {STRICT}",
        failure=Failure.SQL_HOST_TABLE,
    ),
    made(
        "index-on-our-table",
        "CREATE INDEX i ON tally_messages (message)",
        failure=Failure.SQL_HOST_TABLE,
    ),
    made(
        "table-from-a-question",
        "CREATE TABLE x AS SELECT 1 AS k",
        failure=Failure.SQL_SCHEMA_CHANGE,
    ),
    made(
        "many-tables",
        *(f"CREATE TABLE x{n} (k INT PRIMARY KEY) {STRICT}" for n in range(TABLE_COUNT_MAX + 1)),
        failure=Failure.TABLE_COUNT,
    ),
    made("drop-in-init", TABLE, "DROP TABLE t", failure=Failure.SQL_SCHEMA_CHANGE),
    Hostile(
        "refusing-init",
        answering(writes()).replace(r"\92\00\91", r"\92\05\91"),
        Failure.INIT_REFUSED,
        Stage.INIT,
    ),
]
