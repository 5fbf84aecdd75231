"""Who is paid what: two rows that sum to the deposits, or the deposits themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.apps.payouts import check_payouts, payouts_of
from node.views.errors import Failure, ReducerFailed
from node.views.view import View

COLUMNS = ("participant", "amount")


def amount(number: int) -> bytes:
    return number.to_bytes(32, "big")


def view(rows: list[tuple[Any, ...]] | None, columns: tuple[str, ...] = COLUMNS) -> View:
    """A view of which nothing but this table is looked at."""
    table = SimpleNamespace(columns=columns, key=columns[:1])
    tables = {} if rows is None else {"payouts": table}
    return cast(View, SimpleNamespace(tables=tables, rows=lambda name: iter(rows or ())))


def test_without_a_table_each_gets_its_deposit_back() -> None:
    assert payouts_of(view(None), (3, 4)) == (3, 4)


def test_the_table_says_who_gets_what() -> None:
    assert payouts_of(view([(0, amount(7)), (1, amount(0))]), (3, 4)) == (7, 0)
    check_payouts((3, 4))(view([(0, amount(1)), (1, amount(6))]))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, amount(7))],
        [(0, amount(7)), (1, amount(1))],
        [(0, amount(3)), (1, amount(3))],
        [(0, amount(3)), (2, amount(4))],
        [(0, amount(3)), (1, b"\x04")],
        [(0, amount(3)), (1, None)],
        [(0, amount(3)), (1, amount(4)), (2, amount(0))],
        [(0, amount(2**256 - 1)), (1, amount(8))],
    ],
    ids=["none", "one", "more", "less", "a third", "short", "nothing", "three", "overflow"],
)
def test_any_other_table_fails_the_message(rows: list[tuple[Any, ...]]) -> None:
    with pytest.raises(ReducerFailed) as caught:
        check_payouts((3, 4))(view(rows))
    assert caught.value.failure is Failure.PAYOUTS_UNBALANCED


def test_a_table_of_other_columns_fails_the_message() -> None:
    with pytest.raises(ReducerFailed):
        payouts_of(view([], ("who", "amount")), (3, 4))
