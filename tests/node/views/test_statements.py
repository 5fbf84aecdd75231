"""Two walls around a reducer's SQL, each held up without the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.views.errors import Failure, ReducerFailed
from node.views.limits import SQL_SIZE_BYTES_MAX
from node.views.statements import FUNCTIONS, Authoriser, Mode, is_foreign, statement_mode


@pytest.mark.parametrize(
    ("sql", "is_query", "mode"),
    [
        ("SELECT 1", True, Mode.QUERY),
        ("  select 1", True, Mode.QUERY),
        ("VALUES (1)", True, Mode.QUERY),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True, Mode.QUERY),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", False, Mode.WRITE),
        ("INSERT INTO t VALUES (1)", False, Mode.WRITE),
        ("\n\tREPLACE INTO t VALUES (1)", False, Mode.WRITE),
        ("UPDATE t SET k = 1", False, Mode.WRITE),
        ("DELETE FROM t", False, Mode.WRITE),
        ("CREATE TABLE t (k)", False, Mode.CREATE),
        ("CREATE UNIQUE INDEX i ON t (k)", False, Mode.CREATE),
    ],
)
def test_the_first_word_tells_what_a_statement_is(sql: str, is_query: bool, mode: Mode) -> None:
    assert statement_mode(sql, is_query, is_init=True) is mode


def test_a_statement_is_as_long_as_the_bound_and_no_longer() -> None:
    sql = "SELECT 1".ljust(SQL_SIZE_BYTES_MAX)
    assert statement_mode(sql, is_query=True, is_init=False) is Mode.QUERY
    with pytest.raises(ReducerFailed) as failed:
        statement_mode(sql + " ", is_query=True, is_init=False)
    assert failed.value.failure is Failure.SQL_OVERSIZED


@given(st.text(max_size=30), st.booleans(), st.booleans())
def test_whatever_is_no_statement_is_refused_by_name(sql: str, query: bool, init: bool) -> None:
    with suppress(ReducerFailed):
        assert statement_mode(sql, query, init) is not Mode.HOST


@pytest.fixture
def guarded() -> Iterator[tuple[apsw.Connection, Authoriser]]:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID")
    connection.execute("CREATE TABLE tally_stamp (k INTEGER PRIMARY KEY)")
    authoriser = Authoriser()
    connection.authorizer = authoriser
    yield connection, authoriser
    connection.close()


LET_THROUGH = [
    (Mode.QUERY, "SELECT k, v FROM t WHERE k > 1 ORDER BY v"),
    (Mode.QUERY, "SELECT count(*), sum(k), max(k) FROM t GROUP BY v"),
    (
        Mode.QUERY,
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION SELECT n + 1 FROM c LIMIT 3)"
        " SELECT count(*) FROM c",
    ),
    (Mode.QUERY, "SELECT row_number() OVER (ORDER BY k) FROM t"),
    (Mode.QUERY, "SELECT a.k FROM t a JOIN t b USING (k)"),
    (Mode.QUERY, "SELECT v COLLATE NOCASE FROM t"),
    (Mode.WRITE, "INSERT INTO t VALUES (1, 'a') ON CONFLICT (k) DO UPDATE SET v = excluded.v"),
    (Mode.WRITE, "INSERT INTO t SELECT k + 10, v FROM t"),
    (Mode.WRITE, "UPDATE t SET v = upper(v) FROM (SELECT 1 AS k) x WHERE x.k = t.k"),
    (Mode.WRITE, "DELETE FROM t WHERE k IN (SELECT k FROM t) RETURNING k"),
    (
        Mode.CREATE,
        "CREATE TABLE u (k TEXT PRIMARY KEY CHECK (length(k) > 1)) STRICT, WITHOUT ROWID",
    ),
    (Mode.CREATE, "CREATE INDEX ti ON t (v) WHERE abs(k) > 3"),
    (Mode.HOST, "PRAGMA table_list"),
]


@pytest.mark.parametrize(("mode", "sql"), LET_THROUGH)
def test_what_a_reducer_needs_is_let_through(
    guarded: tuple[apsw.Connection, Authoriser], mode: Mode, sql: str
) -> None:
    connection, authoriser = guarded
    authoriser.mode = mode
    connection.execute(sql).fetchall()
    assert authoriser.refused is None


# Whatever the first wall says: SQLite's own word on what a statement would do.
DENIED = [
    (Mode.QUERY, "INSERT INTO t VALUES (1, 'a')", Failure.SQL_WRITE_IN_QUERY),
    (Mode.QUERY, "UPDATE t SET k = 1", Failure.SQL_WRITE_IN_QUERY),
    (Mode.QUERY, "WITH x AS (SELECT 1) DELETE FROM t", Failure.SQL_WRITE_IN_QUERY),
    (Mode.QUERY, "SELECT random()", Failure.SQL_FUNCTION),
    (Mode.QUERY, "SELECT k FROM t WHERE v LIKE 'a%'", Failure.SQL_FUNCTION),
    (Mode.QUERY, "SELECT json_extract('[1]', '$[0]')", Failure.SQL_FUNCTION),
    (Mode.QUERY, "SELECT * FROM tally_stamp", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT 1 FROM Tally_Stamp", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT k FROM t WHERE k IN (SELECT k FROM tally_stamp)", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT 1 FROM sqlite_schema", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT name FROM sqlite_master", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT count(*) FROM pragma_database_list", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "SELECT value FROM json_each('[1]')", Failure.SQL_HOST_TABLE),
    (Mode.QUERY, "PRAGMA user_version", Failure.SQL_PRAGMA),
    (Mode.WRITE, "ATTACH ':memory:' AS other", Failure.SQL_ATTACH),
    (Mode.WRITE, "DETACH main", Failure.SQL_ATTACH),
    (Mode.WRITE, "PRAGMA user_version = 2", Failure.SQL_PRAGMA),
    (Mode.WRITE, "BEGIN", Failure.SQL_TRANSACTION),
    (Mode.WRITE, "SAVEPOINT x", Failure.SQL_TRANSACTION),
    (Mode.WRITE, "DELETE FROM tally_stamp", Failure.SQL_HOST_TABLE),
    (Mode.WRITE, "INSERT INTO t SELECT k, '' FROM tally_stamp", Failure.SQL_HOST_TABLE),
    (Mode.WRITE, "VACUUM", Failure.SQL_ATTACH),
    (Mode.WRITE, "ANALYZE t", Failure.SQL_HOST_TABLE),
    (Mode.WRITE, "REINDEX", Failure.SQL_MAINTENANCE),
    (Mode.WRITE, "CREATE TABLE u (k)", Failure.SQL_HOST_TABLE),
    (Mode.WRITE, "DROP TABLE t", Failure.SQL_HOST_TABLE),
    (Mode.WRITE, "ALTER TABLE t ADD COLUMN w", Failure.SQL_SCHEMA_CHANGE),
    (Mode.WRITE, "CREATE TEMP TABLE u (k)", Failure.SQL_TEMPORARY),
    (Mode.CREATE, "CREATE TEMP TABLE u (k)", Failure.SQL_TEMPORARY),
    (Mode.CREATE, "CREATE VIEW u AS SELECT 1", Failure.SQL_VIEW),
    (Mode.CREATE, "CREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END", Failure.SQL_TRIGGER),
    (Mode.CREATE, "CREATE VIRTUAL TABLE u USING fts5(a)", Failure.SQL_VIRTUAL_TABLE),
    (Mode.CREATE, "CREATE TABLE u AS SELECT 1", Failure.SQL_SCHEMA_CHANGE),
    (Mode.CREATE, "CREATE TABLE tally_u (k)", Failure.SQL_HOST_TABLE),
    (Mode.CREATE, "CREATE INDEX i ON tally_stamp (k)", Failure.SQL_HOST_TABLE),
    (Mode.CREATE, "CREATE TABLE u (k CHECK (instr(k, 'a')))", Failure.SQL_FUNCTION),
    (Mode.CREATE, "DROP TABLE t", Failure.SQL_HOST_TABLE),
    (Mode.CREATE, "PRAGMA user_version = 2", Failure.SQL_PRAGMA),
]


@pytest.mark.parametrize(("mode", "sql", "failure"), DENIED)
def test_what_a_statement_would_do_is_denied_by_name(
    guarded: tuple[apsw.Connection, Authoriser], mode: Mode, sql: str, failure: Failure
) -> None:
    connection, authoriser = guarded
    authoriser.mode = mode
    with pytest.raises((apsw.AuthError, apsw.SQLError)):
        connection.execute(sql).fetchall()
    assert authoriser.refused is not None
    assert authoriser.refused.failure is failure


def test_an_action_that_nobody_listed_is_denied() -> None:
    authoriser = Authoriser()
    authoriser.mode = Mode.WRITE
    assert authoriser(12_345, None, None, None, None) == apsw.SQLITE_DENY
    assert authoriser.refused is not None
    assert authoriser.refused.failure is Failure.SQL_REFUSED


def test_every_function_on_the_list_exists_and_says_the_same_twice() -> None:
    connection = apsw.Connection(":memory:")
    rows = connection.execute("SELECT name, type, flags FROM pragma_function_list").fetchall()
    assert {name for name, _, _ in rows} >= FUNCTIONS
    deterministic = 0x800
    # What SQLite tells of single calls only: sums and windows follow from the rows.
    single = {(name, flags) for name, kind, flags in rows if kind == "s" and name in FUNCTIONS}
    assert {name for name, _ in single} >= {"abs", "hex", "substr", "upper"}
    assert [name for name, flags in single if not flags & deterministic] == []
    connection.close()


@pytest.mark.parametrize("name", ["tally_x", "TALLY_X", "sqlite_master", "pragma_x", "json_each"])
def test_tables_that_are_not_the_reducers(name: str) -> None:
    assert is_foreign(name)
    assert not is_foreign("x_" + name)
