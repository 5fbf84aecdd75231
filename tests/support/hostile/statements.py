"""What a message asks of SQL."""

from __future__ import annotations

from node.views.errors import Failure
from tests.support.hostile.hand_overs import BOMB
from tests.support.hostile.hostile import Hostile, asked, written
from tests.support.reducers import writing

DIGITS = "WITH d(n) AS (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))"
SUM = "SELECT sum(n) FROM (SELECT 9223372036854775807 AS n UNION ALL SELECT 1)"
TWO_TEXTS = "CREATE TABLE w (k INTEGER PRIMARY KEY, a TEXT, b TEXT) STRICT, WITHOUT ROWID"
NEW_TABLE = "CREATE TABLE u (k INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID"
A_TRIGGER = "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END"
LONG = "x" * 3000

MISTAKES = [
    written("not-sql", "INSERT INTO", Failure.SQL_INVALID),
    written("no-such-table", "INSERT INTO nowhere VALUES (1)", Failure.SQL_INVALID),
    written("no-such-function", "INSERT INTO t VALUES (nope(1), '')", Failure.SQL_INVALID),
    written("too-few-values", "INSERT INTO t VALUES (?, ?)", Failure.SQL_BINDINGS, 1),
    Hostile(
        "twice-the-same-key",
        writing(("INSERT INTO t VALUES (1, '')", [[], []])),
        Failure.SQL_CONSTRAINT,
    ),
    written("text-for-an-integer", "INSERT INTO t VALUES ('one', '')", Failure.SQL_CONSTRAINT),
    written("float-for-an-integer", "INSERT INTO t VALUES (1.5, '')", Failure.SQL_CONSTRAINT),
    written("null-for-a-key", "INSERT INTO t VALUES (NULL, '')", Failure.SQL_CONSTRAINT),
    asked("sum-beyond-64-bits", SUM, Failure.SQL_INVALID),
    asked("rowid", "SELECT rowid FROM t", Failure.SQL_INVALID),
    written("two-statements", "DELETE FROM t; DELETE FROM t", Failure.SQL_MULTIPLE),
    written("nothing-at-all", "", Failure.SQL_STATEMENT),
    written("a-zero-byte", "DELETE FROM t\0", Failure.SQL_STATEMENT),
    written("a-comment-first", "/* */ DELETE FROM t", Failure.SQL_STATEMENT),
    written("an-unknown-word", "MERGE INTO t", Failure.SQL_STATEMENT),
    asked("write-in-a-question", "DELETE FROM t", Failure.SQL_WRITE_IN_QUERY),
    asked("create-in-a-question", NEW_TABLE, Failure.SQL_WRITE_IN_QUERY),
    asked(
        "write-hidden-in-a-question",
        "WITH x AS (SELECT 1) DELETE FROM t",
        Failure.SQL_WRITE_IN_QUERY,
    ),
    written("question-among-writes", "SELECT 1", Failure.SQL_QUERY_IN_WRITE),
]

BOMBS = [
    written("recursive-bomb", f"INSERT INTO t {BOMB} SELECT sum(n), '' FROM c", Failure.SQL_STEPS),
    asked("recursive-bomb-asked", f"{BOMB} SELECT count(*) FROM c", Failure.SQL_STEPS),
    asked(
        "join-bomb",
        f"{DIGITS} SELECT count(*) FROM d a, d b, d c, d e, d f, d g, d h, d i",
        Failure.SQL_STEPS,
    ),
    asked(
        "sort-bomb",
        f"{DIGITS} SELECT a.n FROM d a, d b, d c, d e, d f, d g ORDER BY hex(a.n || b.n || f.n)",
        Failure.SQL_STEPS,
    ),
    asked(
        "growing-text-bomb",
        "WITH RECURSIVE c(n, x) AS (SELECT 1, ? UNION ALL SELECT n + 1, x FROM c)"
        " SELECT max(length(hex(substr(x, n % 10)))) FROM c",
        Failure.SQL_STEPS,
        "x" * 2000,
    ),
    written("rows-without-end", f"INSERT INTO t {BOMB} SELECT n, '' FROM c", Failure.SQL_STEPS),
    written(
        "large-rows-without-end",
        f"INSERT INTO t {BOMB} SELECT n, ? FROM c",
        Failure.SQL_STEPS,
        "x" * 4000,
    ),
    Hostile(
        "many-small-statements",
        writing(*["DELETE FROM t WHERE k = 1"] * 900),
        Failure.SQL_STEPS,
    ),
    written("long-statement", "DELETE FROM t WHERE k = 1".ljust(5000), Failure.SQL_OVERSIZED),
    written("huge-text", "INSERT INTO t VALUES (1, ?)", Failure.SQL_OVERSIZED, "x" * 5000),
    Hostile(
        "row-of-large-values",
        writing(("INSERT INTO w VALUES (1, ?, ?)", [[LONG, LONG]]), init=[TWO_TEXTS]),
        Failure.SQL_OVERSIZED,
    ),
    written("text-joined", "INSERT INTO t VALUES (1, ? || ?)", Failure.SQL_OVERSIZED, LONG, LONG),
    written("zeroblob", "INSERT INTO t VALUES (1, zeroblob(1000000000))", Failure.SQL_FUNCTION),
    written("printf", "INSERT INTO t VALUES (1, printf('%9999999d', 1))", Failure.SQL_FUNCTION),
    asked("expensive-search", "SELECT instr(?, ?)", Failure.SQL_FUNCTION, "a" * 4000, "a" * 2000),
    asked("expensive-pattern", "SELECT ? LIKE ?", Failure.SQL_FUNCTION, "a" * 4000, "%a" * 30),
    written(
        "deep-expression",
        "DELETE FROM t WHERE k = " + "(1+" * 100 + "1" + ")" * 100,
        Failure.SQL_INVALID,
    ),
    asked("many-unions", " UNION ALL ".join(["SELECT 1"] * 40), Failure.SQL_INVALID),
    asked("many-joins", "SELECT 1 FROM " + ", ".join(["t"] * 65), Failure.SQL_INVALID),
]

ESCAPES = [
    written("attach", "ATTACH '/tmp/other.db' AS other", Failure.SQL_ATTACH),
    written("detach", "DETACH main", Failure.SQL_ATTACH),
    written("pragma", "PRAGMA synchronous = OFF", Failure.SQL_PRAGMA),
    asked("pragma-asked", "PRAGMA database_list", Failure.SQL_PRAGMA),
    asked("pragma-as-a-table", "SELECT file FROM pragma_database_list", Failure.SQL_HOST_TABLE),
    asked("pragma-counted", "SELECT count(*) FROM pragma_database_list", Failure.SQL_HOST_TABLE),
    asked("load-extension", "SELECT load_extension('/lib/x.so')", Failure.SQL_FUNCTION),
    written("begin", "BEGIN", Failure.SQL_TRANSACTION),
    written("commit", "COMMIT", Failure.SQL_TRANSACTION),
    written("rollback", "ROLLBACK", Failure.SQL_TRANSACTION),
    written("savepoint", "SAVEPOINT mine", Failure.SQL_TRANSACTION),
    written("release", "RELEASE mine", Failure.SQL_TRANSACTION),
    Hostile(
        "rollback-on-conflict",
        writing("INSERT INTO t VALUES (1, '')", "INSERT OR ROLLBACK INTO t VALUES (1, '')"),
        Failure.SQL_CONSTRAINT,
    ),
    asked("explain", "EXPLAIN SELECT 1", Failure.SQL_EXPLAIN),
    written("vacuum", "VACUUM", Failure.SQL_MAINTENANCE),
    written("vacuum-into", "VACUUM INTO '/tmp/stolen.db'", Failure.SQL_MAINTENANCE),
    written("analyze", "ANALYZE", Failure.SQL_MAINTENANCE),
    written("reindex", "REINDEX", Failure.SQL_MAINTENANCE),
    written("create-midway", NEW_TABLE, Failure.SQL_SCHEMA_CHANGE),
    written("index-midway", "CREATE INDEX ti ON t (v)", Failure.SQL_SCHEMA_CHANGE),
    written("drop-midway", "DROP TABLE t", Failure.SQL_SCHEMA_CHANGE),
    written("alter-midway", "ALTER TABLE t ADD COLUMN w INTEGER", Failure.SQL_SCHEMA_CHANGE),
    written("temporary-table", "CREATE TEMP TABLE x (a)", Failure.SQL_TEMPORARY),
    written("view", "CREATE VIEW x AS SELECT 1", Failure.SQL_VIEW),
    written("trigger", A_TRIGGER, Failure.SQL_TRIGGER),
    written("virtual-table", "CREATE VIRTUAL TABLE x USING fts5(a)", Failure.SQL_VIRTUAL_TABLE),
    asked("read-our-stamp", "SELECT sum_seq FROM tally_stamp", Failure.SQL_HOST_TABLE),
    asked("count-our-messages", "SELECT count(*) FROM Tally_Messages", Failure.SQL_HOST_TABLE),
    written("write-our-stamp", "UPDATE tally_stamp SET sum_seq = 1000", Failure.SQL_HOST_TABLE),
    written("delete-our-messages", "DELETE FROM main.tally_messages", Failure.SQL_HOST_TABLE),
    asked("read-the-schema", "SELECT sql FROM sqlite_schema", Failure.SQL_HOST_TABLE),
    written("write-the-schema", "DELETE FROM sqlite_master", Failure.SQL_INVALID),
    asked("json-as-a-table", "SELECT 1 FROM json_each('[1]')", Failure.SQL_HOST_TABLE),
    asked("pages-as-a-table", "SELECT data FROM sqlite_dbpage", Failure.SQL_INVALID),
]

DIFFERENCES = [
    written("random", "INSERT INTO t VALUES (random(), '')", Failure.SQL_FUNCTION),
    asked("randomblob", "SELECT randomblob(8)", Failure.SQL_FUNCTION),
    written("date-now", "INSERT INTO t VALUES (1, date('now'))", Failure.SQL_FUNCTION),
    written("now", "INSERT INTO t VALUES (1, CURRENT_TIMESTAMP)", Failure.SQL_FUNCTION),
    asked("sqlite-version", "SELECT sqlite_version()", Failure.SQL_FUNCTION),
    asked("changes", "SELECT total_changes()", Failure.SQL_FUNCTION),
    asked("last-rowid", "SELECT last_insert_rowid()", Failure.SQL_FUNCTION),
    asked("average", "SELECT avg(k) FROM t", Failure.SQL_FUNCTION),
    asked("logarithm", "SELECT ln(2)", Failure.SQL_FUNCTION),
    asked("joined-in-any-order", "SELECT group_concat(v) FROM t", Failure.SQL_FUNCTION),
]

STATEMENTS = [*MISTAKES, *BOMBS, *ESCAPES, *DIFFERENCES]
