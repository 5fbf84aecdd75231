"""Questions read and do nothing else, and end in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from node.log_views import reading
from node.log_views.keeper import NodeView
from node.log_views.reading import (
    QueryFailed,
    QueryRefused,
    QueryTooLarge,
    QueryTooSlow,
    ViewReader,
)

FOREVER = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = apsw.Connection(str(tmp_path / "view.db"))
    made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB) STRICT, WITHOUT ROWID")
    made.executemany("INSERT INTO t VALUES (?, ?)", [(n, bytes([n] * 32)) for n in range(100)])
    made.close()
    return tmp_path / "view.db"


@pytest.fixture
def reader(path: Path) -> Iterator[ViewReader]:
    with ViewReader(path) as made:
        yield made


def test_an_answer_has_columns_and_where_they_come_from(reader: ViewReader) -> None:
    answer = reader.ask("SELECT b AS x, a + 1 FROM t WHERE a < 2", 1)
    assert answer.columns == ("x", "a + 1")
    assert answer.origins == (("t", "b"), None)
    assert list(answer.rows) == [(bytes(32), 1), (b"\1" * 32, 2)]
    nothing = reader.ask("SELECT a FROM t WHERE 0", 1)
    assert (nothing.columns, list(nothing.rows)) == (("a",), [])


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1000, NULL)",
        "UPDATE t SET b = NULL",
        "DROP TABLE t",
        "CREATE TABLE u (a)",
        "CREATE TEMP TABLE u (a)",
        "PRAGMA writable_schema = 1",
        "SELECT * FROM pragma_database_list",
        "ATTACH '/etc/passwd' AS p",
        "VACUUM INTO '/tmp/never-written'",
        "BEGIN",
        "SELECT load_extension('x')",
        "REINDEX",
        "ANALYZE",
    ],
)
def test_whatever_does_more_than_read_is_refused(reader: ViewReader, sql: str) -> None:
    with pytest.raises(QueryRefused):
        list(reader.ask(sql, 1).rows)
    assert list(reader.ask("SELECT count(*) FROM t", 1).rows) == [(100,)]


@pytest.mark.parametrize("sql", ["SELECT 1; DELETE FROM t", "SELECT 1; SELECT 2", "", " ", "--"])
def test_it_is_one_statement(reader: ViewReader, sql: str) -> None:
    with pytest.raises(QueryFailed):
        list(reader.ask(sql, 1).rows)


@pytest.mark.parametrize("sql", ["SELEC", "SELECT nothing FROM t", "SELECT amount_text(a) FROM t"])
def test_a_wrong_question_says_why(reader: ViewReader, sql: str) -> None:
    with pytest.raises(QueryFailed, match=r"syntax|no such column|32 bytes"):
        list(reader.ask(sql, 1).rows)


@pytest.mark.parametrize(
    "sql",
    [
        FOREVER,
        "SELECT * FROM t a, t b, t c, t d, t e WHERE a.a + b.a + c.a + d.a + e.a < 0",
        "SELECT count(*) FROM t a, t b, t c, t d, t e",
    ],
)
def test_a_question_without_end_is_stopped(reader: ViewReader, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTooSlow, match="0.2 s"):
        list(reader.ask(sql, 0.2).rows)
    assert time.monotonic() - started < 3
    assert list(reader.ask("SELECT max(a) FROM t", 1).rows) == [(99,)]


def test_memory_and_rows_have_an_end(reader: ViewReader, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueryTooLarge):
        list(reader.ask("SELECT zeroblob(1000000000)", 1).rows)
    monkeypatch.setattr(reading, "QUERY_ROW_COUNT_MAX", 10)
    assert len(list(reader.ask("SELECT * FROM t LIMIT 10", 1).rows)) == 10
    with pytest.raises(QueryTooLarge, match="LIMIT"):
        list(reader.ask("SELECT * FROM t", 1).rows)


@pytest.mark.parametrize("keeps_changes", [False, True])
def test_a_view_tells_its_last_record(tmp_path: Path, keeps_changes: bool) -> None:
    path = tmp_path / "node.db"
    with NodeView(path, keeps_changes=keeps_changes) as kept, ViewReader(path) as reader:
        assert reader.seq() == -1
        for seq in (7, 9):
            assert kept.view.apply(seq, b"\x90").is_applied
            assert reader.seq() == seq


def test_a_file_that_is_no_view_has_no_last_record(reader: ViewReader) -> None:
    with pytest.raises(QueryFailed, match="no view"):
        reader.seq()


def test_what_is_no_view_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(QueryFailed):
        ViewReader(tmp_path / "missing.db")
    (tmp_path / "text.db").write_text("no database" * 1000)
    with pytest.raises(QueryFailed), ViewReader(tmp_path / "text.db") as reader:
        list(reader.ask("SELECT * FROM sqlite_schema", 1).rows)
