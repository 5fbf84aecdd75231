"""What the two ends of a channel get, out of the reducer's table `payouts` (M23).

    payouts (participant INTEGER PRIMARY KEY, amount BLOB NOT NULL)

Two rows, 0 and 1, whose amounts of 32 bytes always sum to both deposits. Without the table each
gets back what it paid in.
"""

from __future__ import annotations

from collections.abc import Callable

from node.views.errors import Failure, ReducerFailed
from node.views.view import View

TABLE = "payouts"
_COLUMNS = ("participant", "amount")

Amounts = tuple[int, int]


def payouts_of(view: View, deposits: Amounts) -> Amounts:
    """What each end gets now. Raises `ReducerFailed` (payouts-unbalanced) for any other table."""
    table = view.tables.get(TABLE)
    if table is None:
        return deposits
    if table.columns != _COLUMNS or table.key != _COLUMNS[:1]:
        raise ReducerFailed(Failure.PAYOUTS_UNBALANCED, f"its columns are {table.columns}")
    rows = list(view.rows(TABLE))
    if [row[0] for row in rows] != [0, 1]:
        raise ReducerFailed(Failure.PAYOUTS_UNBALANCED, f"{len(rows)} rows, not one for each end")
    amounts = []
    for _, amount in rows:
        if not isinstance(amount, bytes) or len(amount) != 32:
            raise ReducerFailed(Failure.PAYOUTS_UNBALANCED, "an amount is not 32 bytes")
        amounts.append(int.from_bytes(amount, "big"))
    if sum(amounts) != sum(deposits):
        detail = f"{sum(amounts)} are paid out of {sum(deposits)}"
        raise ReducerFailed(Failure.PAYOUTS_UNBALANCED, detail)
    return amounts[0], amounts[1]


def check_payouts(deposits: Amounts) -> Callable[[View], None]:
    """What a message is checked with before it is taken in."""

    def check(view: View) -> None:
        payouts_of(view, deposits)

    return check
