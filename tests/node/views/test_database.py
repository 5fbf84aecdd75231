"""A reducer's SQL runs within limits that count alike everywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgpack
import pytest

from node.views.database import ViewDatabase
from node.views.errors import Failure, ReducerFailed, ViewBroken
from node.views.limits import STATEMENT_STEP_COUNT, STEP_GRAIN, Budget

TABLE = "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID"
PUT = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
COUNT = (
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ?) SELECT max(n) FROM c"
)


def opened(path: Path | str = ":memory:", budget: Budget | None = None) -> ViewDatabase:
    database = ViewDatabase(path, budget or Budget())
    database.host("CREATE TABLE IF NOT EXISTS " + TABLE.removeprefix("CREATE TABLE "))
    database.begin()
    return database


@pytest.fixture
def database() -> Iterator[ViewDatabase]:
    made = opened()
    yield made
    made.close()


def failure_of(database: ViewDatabase, sql: str, *rows: list[object]) -> Failure:
    with pytest.raises(ReducerFailed) as failed:
        database.write(sql, rows or [[]])
    return failed.value.failure


def test_rows_are_written_and_changes_told_in_their_order(database: ViewDatabase) -> None:
    assert database.write(PUT, [[2, "b"], [1, "a"], [2, "c"]]) == 3
    assert database.write("DELETE FROM t WHERE k = ?", [[1], [9]]) == 1
    assert database.write("REPLACE INTO t VALUES (2, 'd'), (3, 'e')", [[]]) == 3
    assert database.write("UPDATE t SET k = k + 10 WHERE k = 3 RETURNING k", [[]]) == 1
    assert database.changes == [
        ("t", None, (2, "b")),
        ("t", None, (1, "a")),
        ("t", (2, "b"), (2, "c")),
        ("t", (1, "a"), None),
        ("t", (2, "c"), None),
        ("t", None, (2, "d")),
        ("t", None, (3, "e")),
        ("t", (3, "e"), (13, "e")),
    ]
    assert database.host("SELECT * FROM t") == [(2, "d"), (13, "e")]


def test_no_rows_to_write_are_no_changes(database: ViewDatabase) -> None:
    assert database.write(PUT, []) == 0
    assert database.changes == []


def test_our_own_writes_are_no_changes(database: ViewDatabase) -> None:
    database.host("CREATE TABLE tally_x (k INTEGER PRIMARY KEY)")
    database.host("INSERT INTO tally_x VALUES (1)")
    assert database.changes == []


def test_everything_is_deleted_row_by_row(database: ViewDatabase) -> None:
    database.write(PUT, [[n, ""] for n in range(100)])
    assert database.write("DELETE FROM t", [[]]) == 100


def test_an_answer_is_encoded_rows(database: ViewDatabase) -> None:
    database.write(PUT, [[1, "a"], [2, None]])
    sql = "SELECT k, v, x'ff' AS b FROM t ORDER BY k DESC"
    assert msgpack.unpackb(database.query(sql, [], 100)) == [[2, None, b"\xff"], [1, "a", b"\xff"]]
    assert msgpack.unpackb(database.query("SELECT k FROM t WHERE k = ?", [7], 100)) == []


def test_an_answer_has_a_size(database: ViewDatabase) -> None:
    database.write(PUT, [[n, "x" * 98] for n in range(10)])
    sql = "SELECT v FROM t"
    size = len(database.query(sql, [], 10_000))
    assert size == 1 + 10 * 101
    assert len(database.query(sql, [], size - 1)) == size
    with pytest.raises(ReducerFailed) as failed:
        database.query(sql, [], size - 2)
    assert failed.value.failure is Failure.REPLY_OVERSIZED


def test_a_rollback_leaves_nothing(database: ViewDatabase) -> None:
    database.write(PUT, [[1, "a"]])
    database.rollback()
    assert database.host("SELECT * FROM t") == []
    database.rollback()


def test_an_interrupted_write_takes_nothing_with_it_but_its_message(tmp_path: Path) -> None:
    database = opened(tmp_path / "view.db", Budget(sql_steps=5_000))
    database.write(PUT, [[1, "kept"]])
    database.commit()
    database.begin()
    assert (
        failure_of(database, f"INSERT INTO t {COUNT.replace('?', '100000')}") is Failure.SQL_INVALID
    )
    many = "WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c) INSERT INTO t"
    assert failure_of(database, f"{many} SELECT n, '' FROM c") is Failure.SQL_STEPS
    # SQLite has rolled the transaction back by itself.
    assert not database.connection.in_transaction
    database.rollback()
    assert database.host("SELECT * FROM t") == [(1, "kept")]
    database.close()


def test_changes_are_counted(database: ViewDatabase) -> None:
    small = opened(budget=Budget(change_count=10))
    assert small.write(PUT, [[n, ""] for n in range(10)]) == 10
    assert failure_of(small, PUT, [11, ""]) is Failure.SQL_CHANGES
    small.rollback()
    small.begin()
    assert failure_of(small, PUT, *[[n, ""] for n in range(5_000)]) is Failure.SQL_CHANGES
    assert len(small.changes) == 10
    small.close()


def test_instructions_are_counted_from_the_beginning_each_time(tmp_path: Path) -> None:
    """A statement prepared before goes on counting where it stopped: it must be prepared anew."""
    path = tmp_path / "view.db"
    database = opened(path)
    used = []
    for _ in range(5):
        database.query(COUNT, [70], 100)
        database.query(COUNT, [70], 100)
        used.append(database.steps_used)
        database.rollback()
        database.begin()
    database.close()
    again = opened(path)
    again.query(COUNT, [70], 100)
    again.query(COUNT, [70], 100)
    assert used == [again.steps_used] * 5
    assert used[0] > 2 * STEP_GRAIN
    again.close()


def test_a_statement_is_prepared_once_for_all_its_rows_and_anew_for_each_message() -> None:
    database = opened()
    authoriser = database.connection.authorizer
    asked = [0]

    def count(*arguments: object) -> int:
        asked[0] += arguments[0] == apsw.SQLITE_INSERT
        return int(authoriser(*arguments))  # type: ignore[misc, arg-type]

    database.connection.authorizer = count
    used = []
    for message in range(4):
        database.rollback()
        database.begin()
        database.write(PUT, [[n, "x"] for n in range(60)])
        database.write("DELETE FROM t WHERE k < ?" + " " * 4_000, [[n] for n in range(2)])
        assert asked[0] == message + 1
        used.append(database.steps_used)
    assert len(set(used)) == 1
    assert used[0] > STEP_GRAIN
    database.close()


def test_what_init_makes_is_kept_as_it_was_written() -> None:
    database = ViewDatabase(":memory:", Budget())
    database.begin()
    index = "CREATE INDEX i ON t (v) -- as it is"
    database.write(TABLE, [[]], is_init=True)
    database.write(index, [[]], is_init=True)
    texts = [row[0] for row in database.host("SELECT sql FROM sqlite_schema ORDER BY name")]
    assert "/*" not in "".join(filter(None, texts))
    database.close()


def test_prepared_once_it_would_be_counted_differently() -> None:
    connection = apsw.Connection(":memory:")
    calls = [0]

    def count() -> bool:
        calls[-1] += 1
        return False

    connection.set_progress_handler(count, STEP_GRAIN)
    for _ in range(5):
        connection.execute(COUNT, (70,)).fetchall()
        calls.append(0)
    connection.close()
    assert len(set(calls[:-1])) == 2


def test_another_process_counts_the_same() -> None:
    code = (
        "from tests.node.views.test_database import *\n"
        "d = opened()\n"
        "d.write(PUT, [[n, 'x' * n] for n in range(60)])\n"
        "d.query('SELECT a.k FROM t a JOIN t b ON a.v < b.v ORDER BY a.v LIMIT 5', [], 1000)\n"
        "print(d.steps_used)"
    )
    command = [sys.executable, "-c", code]
    counts = {subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)}
    assert len(counts) == 1
    assert int(counts.pop()) > 10_000


def test_a_statement_costs_something_though_it_does_nothing(database: ViewDatabase) -> None:
    sql = "DELETE FROM t WHERE k = 1"
    database.write(sql, [])
    assert database.steps_used == STATEMENT_STEP_COUNT + len(sql)


def test_after_a_failure_our_own_statements_have_their_limits_back(database: ViewDatabase) -> None:
    assert failure_of(database, PUT, [1, "x" * 5_000]) is Failure.SQL_OVERSIZED
    assert failure_of(database, "DELETE FROM tally_x") is Failure.SQL_INVALID
    database.rollback()
    assert database.host("SELECT length(?)", ("x" * 100_000,)) == [(100_000,)]
    assert database.host("PRAGMA user_version") == [(0,)]


def test_text_may_hold_anything_that_is_text(database: ViewDatabase) -> None:
    texts = ["", "\0", "a\0b", "\u00e9\U0001f600", "'; DROP TABLE t"]
    database.write(PUT, [[n, text] for n, text in enumerate(texts)])
    assert [row[1] for row in database.host("SELECT * FROM t")] == texts
    assert [change[2] for change in database.changes] == list(enumerate(texts))


@pytest.mark.parametrize("name", ["directory/absent/view.db", "."])
def test_a_file_that_cannot_be_had_is_the_machines_fault(tmp_path: Path, name: str) -> None:
    with pytest.raises(ViewBroken):
        ViewDatabase(tmp_path / name, Budget())


def test_a_file_of_something_else_is_the_machines_fault(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    path.write_bytes(b"something else" * 1_000)
    with pytest.raises(ViewBroken):
        ViewDatabase(path, Budget())


def test_a_full_disk_is_the_machines_fault(tmp_path: Path) -> None:
    database = opened(tmp_path / "view.db")
    database.commit()
    database.host("PRAGMA max_page_count = 6")
    database.begin()
    with pytest.raises(ViewBroken) as broken:
        database.write(PUT, [[n, "x" * 1_000] for n in range(100)])
    assert "FullError" in str(broken.value)
    database.rollback()
    assert database.host("SELECT count(*) FROM t") == [(0,)]
    database.close()


def test_rows_told_one_by_one_fail_as_the_machine_does(database: ViewDatabase) -> None:
    assert list(database.rows("VALUES (1), (2)")) == [(1,), (2,)]
    with pytest.raises(ViewBroken):
        list(database.rows("SELECT * FROM nowhere"))
    with pytest.raises(ViewBroken):
        database.host("SELECT * FROM nowhere")
