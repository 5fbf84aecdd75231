"""SQL functions for readers: amounts are 32 bytes, and SQLite counts to 2^63.

    amount_text(amount)    the number in decimal
    amount_sum(amount)     the sum of a column, exact, as an amount; nil counts as nothing
    amount('1000')         the 32 bytes of a number, to compare with
    amount_minus(a, b)     the difference in decimal, with its sign
    id_text(id)            0x and hex digits
    id('0x...')            the bytes of an id or address

Bytes of amounts compare as the numbers do: ORDER BY, max and < need no function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from node.views.encoding import UINT256_SIZE_BYTES, uint256

UINT256_DIGIT_COUNT_MAX = 78


class NotAnAmount(ValueError):
    """A value that is no amount of 32 bytes, or a number that fits none."""


def _number(value: Any) -> int:
    if type(value) is not bytes or len(value) != UINT256_SIZE_BYTES:
        raise NotAnAmount("an amount is 32 bytes")
    return int.from_bytes(value, "big")


def amount_text(value: Any) -> str | None:
    """32 bytes -> decimal; nil -> nil. Raises `NotAnAmount`."""
    return None if value is None else str(_number(value))


def amount(text: Any) -> bytes | None:
    """Decimal -> 32 bytes; nil -> nil. Raises `NotAnAmount`."""
    if text is None:
        return None
    digits = str(text)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= UINT256_DIGIT_COUNT_MAX):
        raise NotAnAmount("amount('1000') takes decimal digits")
    try:
        return uint256(int(digits))
    except OverflowError:
        raise NotAnAmount("it has more than 256 bits") from None


def amount_minus(one: Any, other: Any) -> str | None:
    """The difference in decimal; nil if either is. Raises `NotAnAmount`."""
    return None if one is None or other is None else str(_number(one) - _number(other))


def id_text(value: Any) -> str | None:
    """Bytes -> 0x hex; nil -> nil. Raises ValueError for anything else."""
    if value is not None and type(value) is not bytes:
        raise ValueError("an id is bytes")
    return None if value is None else "0x" + value.hex()


def id_bytes(text: Any) -> bytes | None:
    """0x hex -> bytes; nil -> nil. Raises ValueError."""
    if text is None:
        return None
    if type(text) is not str or not text.startswith("0x"):
        raise ValueError("id('0x...') takes hex digits behind 0x")
    return bytes.fromhex(text[2:])


class AmountSum:
    """The aggregate: also over a window, from which rows leave again."""

    def __init__(self) -> None:
        self._total = 0

    def step(self, value: Any) -> None:
        """One more row."""
        self._total += 0 if value is None else _number(value)

    def inverse(self, value: Any) -> None:
        """One that left the window."""
        self._total -= 0 if value is None else _number(value)

    def value(self) -> bytes:
        """The sum so far; raises `NotAnAmount` above 256 bits."""
        try:
            return uint256(self._total)
        except OverflowError:
            raise NotAnAmount("the sum has more than 256 bits") from None

    final = value


def register(connection: apsw.Connection) -> None:
    """Give the functions to a connection."""
    functions: tuple[tuple[str, Callable[..., Any], int], ...] = (
        ("amount_text", amount_text, 1),
        ("amount", amount, 1),
        ("amount_minus", amount_minus, 2),
        ("id_text", id_text, 1),
        ("id", id_bytes, 1),
    )
    for name, function, count in functions:
        connection.create_scalar_function(name, function, count, deterministic=True)
    connection.create_window_function("amount_sum", AmountSum, 1)
