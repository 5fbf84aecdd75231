"""Tables whose rows are all there is to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.views.database import ViewDatabase
from node.views.errors import Failure, ReducerFailed
from node.views.limits import Budget
from node.views.schema import read_schema, schema_sql

SOUND = (
    "CREATE TABLE moves (game BLOB, turn INT, piece TEXT NOT NULL DEFAULT 'king', "
    "worth INTEGER DEFAULT -1, note TEXT DEFAULT NULL, mark BLOB DEFAULT x'00', "
    "PRIMARY KEY (turn, game)) STRICT, WITHOUT ROWID"
)


@pytest.fixture
def database() -> Iterator[ViewDatabase]:
    made = ViewDatabase(":memory:", Budget())
    yield made
    made.close()


def test_sound_tables_are_told_by_name_with_their_key_in_its_order(database: ViewDatabase) -> None:
    database.host("CREATE TABLE tally_stamp (k INTEGER PRIMARY KEY)")
    database.host(SOUND)
    database.host("CREATE TABLE a (k TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")
    database.host("CREATE INDEX by_piece ON moves (piece)")
    tables = read_schema(database)
    assert list(tables) == ["a", "moves"]
    assert tables["moves"].columns == ("game", "turn", "piece", "worth", "note", "mark")
    assert tables["moves"].key == ("turn", "game")
    names = [name for name, _ in schema_sql(database)]
    assert names == ["a", "by_piece", "moves"]


@pytest.mark.parametrize(
    ("sql", "failure"),
    [
        ("CREATE TABLE x (k INT PRIMARY KEY) WITHOUT ROWID", Failure.TABLE_NOT_STRICT),
        ("CREATE TABLE x (k INT PRIMARY KEY) STRICT", Failure.TABLE_WITH_ROWID),
        (
            "CREATE TABLE x (k INT PRIMARY KEY DEFAULT (random())) STRICT, WITHOUT ROWID",
            Failure.TABLE_DEFAULT,
        ),
        (
            "CREATE TABLE x (k TEXT PRIMARY KEY DEFAULT CURRENT_TIME) STRICT, WITHOUT ROWID",
            Failure.TABLE_DEFAULT,
        ),
        (
            "CREATE TABLE x (k INT PRIMARY KEY DEFAULT 0x10) STRICT, WITHOUT ROWID",
            Failure.TABLE_DEFAULT,
        ),
        ("CREATE TABLE x (k REAL PRIMARY KEY) STRICT, WITHOUT ROWID", Failure.TABLE_COLUMN_TYPE),
        ('CREATE TABLE "x y" (k INT PRIMARY KEY) STRICT, WITHOUT ROWID', Failure.TABLE_NAME),
        ("CREATE TABLE \u00e9 (k INT PRIMARY KEY) STRICT, WITHOUT ROWID", Failure.TABLE_NAME),
    ],
)
def test_other_tables_are_refused_by_name(
    database: ViewDatabase, sql: str, failure: Failure
) -> None:
    """Made by nobody's leave: this wall stands though the others fell."""
    database.host(sql)
    with pytest.raises(ReducerFailed) as failed:
        read_schema(database)
    assert failed.value.failure is failure


def test_a_row_has_no_number_that_sqlite_draws(database: ViewDatabase) -> None:
    """Where there is one, the number behind the largest is drawn at random."""
    drawn = set()
    for _ in range(3):
        database.host("DROP TABLE IF EXISTS x")
        database.host("CREATE TABLE x (k INTEGER PRIMARY KEY, v TEXT) STRICT")
        database.host("INSERT INTO x VALUES (9223372036854775807, 'largest'), (NULL, 'next')")
        drawn.add(database.host("SELECT k FROM x WHERE v = 'next'")[0][0])
    assert len(drawn) == 3
    with pytest.raises(ReducerFailed):
        read_schema(database)
