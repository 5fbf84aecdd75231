"""The hash over all tables follows the changes, and equals what the tables alone give."""

from __future__ import annotations

import hashlib

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from node.views.database import ViewDatabase
from node.views.digest import TERM_SIZE_BYTES, TableSum, encode_row, term, view_digest
from node.views.limits import Budget

SCHEMA = [("t", "CREATE TABLE t")]
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "INSERT OR IGNORE INTO t VALUES (?1, ?2, ?3)",
                "INSERT OR REPLACE INTO t VALUES (?1, ?2, ?3)",
                "INSERT INTO t VALUES (?1, ?2, ?3) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
                " ON CONFLICT (u) DO NOTHING",
                "UPDATE OR IGNORE t SET v = ?2, u = ?3 WHERE k = ?1",
                "UPDATE OR REPLACE t SET u = ?3 WHERE k >= ?1 AND ?2 IS NOT NULL",
                "UPDATE OR REPLACE t SET k = ?3 WHERE k = ?1 AND ?2 IS NOT NULL",
                "DELETE FROM t WHERE k = ?1 OR (v = ?2 AND u = ?3)",
            ]
        ),
        st.integers(0, 4),
        st.sampled_from(["", "a", "\0", "\u00e9"]),
        st.integers(0, 4),
    ),
    max_size=25,
)


@given(OPERATIONS, st.integers(1, 5))
def test_it_follows_whatever_sql_does(
    operations: list[tuple[str, int, str, int]], every: int
) -> None:
    database = ViewDatabase(":memory:", Budget())
    database.host("CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT, u INT) STRICT, WITHOUT ROWID")
    database.host("CREATE UNIQUE INDEX tu ON t (u)")
    total = TableSum()
    for number, (sql, k, v, u) in enumerate(operations):
        database.begin()
        database.write(sql, [[k, v, u]])
        total.note(database.changes)
        database.commit()
        if number % every == 0:
            total.to_bytes()
    rows = [("t", row) for row in database.host("SELECT * FROM t")]
    assert view_digest(SCHEMA, total) == view_digest(SCHEMA, TableSum.of_rows(rows))
    assert total.row_count == len(rows)
    database.close()


def test_it_is_what_the_decision_says() -> None:
    row = msgpack.packb(["t", 1, None, b"\x01"])
    assert encode_row("t", (1, None, b"\x01")) == row
    number = int.from_bytes(hashlib.shake_128(row).digest(512), "big")
    assert term(row) == number
    total = TableSum.of_rows([("t", (1, None, b"\x01")), ("t", (1, None, b"\x01"))])
    sum_bytes = (2 * number % 2**4096).to_bytes(512, "big")
    assert total.to_bytes() == sum_bytes
    parts = msgpack.packb(["tally-view-1", [["t", "CREATE TABLE t"]], sum_bytes, 2])
    assert view_digest(SCHEMA, total) == hashlib.sha256(parts).digest()


def test_neither_the_order_nor_what_came_and_went_matters() -> None:
    one, other = TableSum(), TableSum()
    one.note([("t", None, (1,)), ("t", None, (2,)), ("t", (1,), (3,)), ("t", (3,), None)])
    other.note([("t", None, (2,))])
    assert one.to_bytes() == other.to_bytes()
    assert one.row_count == other.row_count == 1


def test_tables_and_kinds_of_values_are_told_apart() -> None:
    rows = [("t", (1,)), ("u", (1,)), ("t", ("1",)), ("t", (b"1",)), ("t", (None,)), ("t", (1, 1))]
    sums = {TableSum.of_rows([row]).to_bytes() for row in rows}
    assert len(sums) == len(rows)


def test_empty_views_differ_by_their_tables() -> None:
    assert view_digest(SCHEMA, TableSum()) != view_digest([], TableSum())


def test_a_sum_is_written_down_and_read_again() -> None:
    total = TableSum.of_rows([("t", (n,)) for n in range(5)])
    again = TableSum.from_bytes(total.to_bytes(), total.row_count)
    again.note([("t", (4,), None)])
    assert again.to_bytes() == TableSum.of_rows([("t", (n,)) for n in range(4)]).to_bytes()
    assert len(TableSum().to_bytes()) == TERM_SIZE_BYTES
