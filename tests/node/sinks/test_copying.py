"""A whole view anew: readers see the old one until the new one is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from node.sinks import copying
from node.sinks.check import check
from node.sinks.copying import copy_view
from node.sinks.driver import connect
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.source import ViewSource
from node.sinks.target import Target
from tests.support.postgres_server import PostgresServer
from tests.support.view_files import ViewFile

WORDS = (
    'CREATE TABLE "select" ("from" TEXT, "order" INTEGER, "ctid" BLOB, '
    'PRIMARY KEY ("from", "ctid")) STRICT, WITHOUT ROWID',
    'CREATE INDEX "Unsinn, DROP -- ä" ON "select" ("order")',
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, data BLOB NOT NULL, n INTEGER) "
    "STRICT, WITHOUT ROWID",
)


@pytest.fixture
def target(postgres: PostgresServer, namespace: str) -> Iterator[Target]:
    with connect(postgres.conninfo) as connection:
        yield Target(connection, namespace)


def copy(view: ViewFile, target: Target) -> int:
    source = ViewSource(view.path)
    try:
        return copy_view(source, target, target.read_stamp())[0]
    finally:
        source.close()


def digest(view: ViewFile, target: Target) -> bytes:
    found = check(target._connection.info.dsn, target.namespace, view.path)
    assert found.is_equal
    return found.digest


def test_a_copy_equals_the_view(
    view: ViewFile, target: Target, ask: Callable[..., list[Any]]
) -> None:
    view.put((1, "a", b"", -(2**63)), (2, None, b"\0\xff", 2**63 - 1))
    view.put((3, "b\0", b"", 0))
    assert copy(view, target) == 1
    assert digest(view, target) == view.digest()
    assert ask("SELECT id, name, data, n FROM items ORDER BY id") == [
        (1, "a", b"", -(2**63)),
        (2, None, b"\0\xff", 2**63 - 1),
    ]
    assert ask("SELECT table_name FROM tally_unheld") == [("items",)]


def test_more_rows_than_fit_at_once_lie_beside(
    view: ViewFile, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "COPY_CHUNK_COUNT", 2)
    view.put(*[(number, "\0", b"", None) for number in range(5)], (9, "", b"", None))
    copy(view, target)
    assert target.unheld_count() == 5
    assert digest(view, target) == view.digest()


def test_text_is_ordered_by_its_bytes(
    view: ViewFile, target: Target, ask: Callable[..., list[Any]]
) -> None:
    names = ["b", "B", "a", "ä", "é", "\U0001f600", "\uffff", ""]
    view.put(*[(number, name, b"", None) for number, name in enumerate(names)])
    copy(view, target)
    found = [name for (name,) in ask("SELECT name FROM items ORDER BY name")]
    assert found == sorted(names, key=str.encode)


def test_words_of_sql_name_tables_and_columns(
    tmp_path: Path, target: Target, ask: Callable[..., list[Any]]
) -> None:
    view = ViewFile(tmp_path / "words.db", WORDS)
    view.message(('INSERT INTO "select" VALUES (?, ?, ?)', [["a'; DROP", 1, b"%s"], ["b", 2, b""]]))
    copy(view, target)
    assert digest(view, target) == view.digest()
    assert ask('SELECT "order", "ctid$" FROM "select" ORDER BY "from"') == [(1, b"%s"), (2, b"")]
    indexes = ask("SELECT indexdef FROM pg_indexes WHERE tablename = 'select' ORDER BY indexdef")
    assert len(indexes) == 2
    assert 'btree ("from", "ctid$")' in indexes[1][0]
    view.close()


def test_tables_that_stay_keep_their_grants_and_what_is_built_on_them(
    view: ViewFile, target: Target, tmp_path: Path, ask: Callable[..., list[Any]]
) -> None:
    view.put((1, "a", b"", 1), (2, "\0", b"", 1))
    copy(view, target)
    ask("CREATE VIEW mine AS SELECT n FROM items")
    other = ViewFile(tmp_path / "other.db", code_hash=b"o" * 32)
    other.put((7, "z", b"", 70))
    copy(other, target)
    assert ask("SELECT n FROM mine") == [(70,)]
    assert target.unheld_count() == 0
    assert digest(other, target) == other.digest()
    other.close()


def test_tables_that_change_are_made_anew_and_others_go(
    view: ViewFile, target: Target, tmp_path: Path, ask: Callable[..., list[Any]]
) -> None:
    view.put((1, "a", b"", 1))
    copy(view, target)
    other = ViewFile(tmp_path / "other.db", WORDS)
    copy(other, target)
    assert digest(other, target) == other.digest()
    # Without its index the table is another one.
    third = ViewFile(
        tmp_path / "third.db", ["CREATE TABLE t (a BLOB PRIMARY KEY) STRICT, WITHOUT ROWID"]
    )
    copy(third, target)
    assert digest(third, target) == third.digest()
    tables = {
        name for (name,) in ask("SELECT tablename FROM pg_tables WHERE schemaname = current_schema")
    }
    assert tables == {"t", "tally_stamp", "tally_unheld"}
    other.close()
    third.close()


def test_what_others_need_is_not_dropped(
    view: ViewFile, target: Target, tmp_path: Path, ask: Callable[..., list[Any]]
) -> None:
    view.put((1, "a", b"", 1))
    copy(view, target)
    ask("CREATE VIEW mine AS SELECT n FROM items")
    other = ViewFile(tmp_path / "other.db", WORDS)
    with pytest.raises(SinkError) as caught:
        copy(other, target)
    assert caught.value.failure is SinkFailure.TABLES_NEEDED
    assert "mine" in caught.value.detail
    # Nothing was done by halves.
    assert digest(view, target) == view.digest()
    assert ask("SELECT n FROM mine") == [(1,)]
    other.close()


def test_a_table_of_somebody_else_in_the_way_is_named(
    view: ViewFile, target: Target, tmp_path: Path, ask: Callable[..., list[Any]]
) -> None:
    copy(view, target)
    ask("CREATE TABLE t (mine int)")
    other = ViewFile(
        tmp_path / "other.db", ["CREATE TABLE t (a BLOB PRIMARY KEY) STRICT, WITHOUT ROWID"]
    )
    with pytest.raises(SinkError) as caught:
        copy(other, target)
    assert caught.value.failure is SinkFailure.NAMESPACE_TAKEN
    assert ask("SELECT * FROM t") == []
    other.close()


def test_readers_see_the_old_view_until_the_new_one_is_whole(
    view: ViewFile,
    target: Target,
    tmp_path: Path,
    postgres: PostgresServer,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view.put((1, "old", b"", 1))
    copy(view, target)
    changed = ViewFile(tmp_path / "changed.db", [*WORDS, "CREATE INDEX more ON items (n)"])
    changed.message(
        ("INSERT INTO items VALUES (?, ?, ?, ?)", [(1, "new", b"", 1), (2, "n", b"", 1)])
    )
    same = ViewFile(tmp_path / "same.db", code_hash=b"s" * 32)
    same.put((3, "same", b"", 1))
    seen = []
    with psycopg.connect(postgres.conninfo, autocommit=True) as reader:
        reader.execute("SET statement_timeout = '2s'")
        copy_table = copying._copy_table

        def watched(*arguments: Any) -> None:
            copy_table(*arguments)
            seen.append(reader.execute(f"SELECT id, name FROM {namespace}.items").fetchall())

        monkeypatch.setattr(copying, "_copy_table", watched)
        for made, before in ((changed, [(1, "old")]), (same, [(1, "new"), (2, "n")])):
            seen.clear()
            copy(made, target)
            assert seen
            assert all(rows == before for rows in seen)
        assert reader.execute(f"SELECT id, name FROM {namespace}.items").fetchall() == [(3, "same")]
    changed.close()
    same.close()
