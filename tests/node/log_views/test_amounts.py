"""Amounts in SQL: exact, whatever their size."""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.log_views import amounts
from node.views.encoding import uint256

MAX = 2**256 - 1
UINT256 = st.integers(0, MAX)


@pytest.fixture(scope="module")
def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    amounts.register(made)
    return made


def one(connection: apsw.Connection, sql: str, *values: Any) -> Any:
    ((value,),) = connection.execute(sql, values).fetchall()
    return value


@given(numbers=st.lists(UINT256, max_size=6))
def test_a_sum_is_exact_or_an_error(connection: apsw.Connection, numbers: list[int]) -> None:
    rows = " UNION ALL ".join(["SELECT NULL AS a", *["SELECT ? AS a"] * len(numbers)])
    sql, values = f"SELECT amount_text(amount_sum(a)) FROM ({rows})", map(uint256, numbers)
    if sum(numbers) > MAX:
        with pytest.raises(amounts.NotAnAmount, match="256 bits"):
            one(connection, sql, *values)
    else:
        assert one(connection, sql, *values) == str(sum(numbers))


@given(first=UINT256, second=UINT256)
def test_numbers_go_in_and_come_out(connection: apsw.Connection, first: int, second: int) -> None:
    pair = uint256(first), uint256(second)
    assert one(connection, "SELECT amount(?)", str(first)) == pair[0]
    assert one(connection, "SELECT amount_minus(?, ?)", *pair) == str(first - second)
    assert one(connection, "SELECT ? < ?", *pair) == (first < second)


def test_a_running_sum_is_a_window() -> None:
    made = apsw.Connection(":memory:")
    amounts.register(made)
    made.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a BLOB)")
    made.executemany("INSERT INTO t VALUES (?, ?)", [(n, uint256(10**30 + n)) for n in range(4)])
    sql = (
        "SELECT amount_text(amount_sum(a) OVER two) FROM t "
        "WINDOW two AS (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    )
    assert [row[0] for row in made.execute(sql)] == [
        str(10**30),
        *(str(2 * 10**30 + n + n - 1) for n in range(1, 4)),
    ]


def test_nil_stays_nil_and_ids_are_hex(connection: apsw.Connection) -> None:
    for sql in ("amount_text(NULL)", "amount(NULL)", "amount_minus(NULL, x'00')", "id(NULL)"):
        assert one(connection, f"SELECT {sql}") is None
    assert one(connection, "SELECT id_text(id('0xAbcd'))") == "0xabcd"
    assert one(connection, "SELECT id_text(NULL)") is None


@pytest.mark.parametrize(
    "sql",
    [
        "amount_text(1)",
        "amount_text(x'00')",
        "amount('-1')",
        "amount('1.5')",
        "amount('')",
        "amount('" + "9" * 79 + "')",
        f"amount('{2**256}')",
        "amount_sum('1')",
        "id('abcd')",
        "id('0xzz')",
        "id_text('abc')",
    ],
)
def test_what_is_no_amount_or_id_is_an_error(connection: apsw.Connection, sql: str) -> None:
    with pytest.raises(ValueError, match=r"amount|id|bits|hex"):
        one(connection, f"SELECT {sql}")
