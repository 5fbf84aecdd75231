"""Amounts as people write them: 1000, 3gwei, 0.5 eth. Exact: whole numbers only, no fractions.

The command line alone knows these spellings; on the wire an amount is a decimal string of the
asset's smallest unit: wei, or whatever a token counts in.
"""

from __future__ import annotations

import re

from node.amounts import format_amount as format_amount
from node.amounts import format_of as format_of

UNIT_DECIMALS = {"wei": 0, "gwei": 9, "eth": 18, "ether": 18}
"""Digits behind the point of each unit."""
AMOUNT_MAX = 2**256 - 1
BRIEF_DIGIT_COUNT = 6
"""Digits of an amount in a narrow column."""
_TEXT_LENGTH_MAX = 200
_UNITS = re.compile(r"[0-9]+", re.ASCII)
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([a-z]*)", re.ASCII | re.IGNORECASE)


def parse_amount(text: str) -> int:
    """The amount in wei; ValueError with the reason for anything that is not exactly one."""
    found = _AMOUNT.fullmatch(text.strip()) if len(text) <= _TEXT_LENGTH_MAX else None
    if found is None:
        raise ValueError(f"{text[:60]!r} is no amount: write 1000 (wei), 3gwei or 0.5eth")
    whole, fraction, unit = found[1], found[2] or "", found[3].lower() or "wei"
    if unit not in UNIT_DECIMALS:
        raise ValueError(f"unknown unit {found[3]!r}: there are wei, gwei and eth")
    decimals = UNIT_DECIMALS[unit]
    if fraction[decimals:].strip("0"):
        raise ValueError(f"{text.strip()} is not a whole number of wei")
    amount = int(whole + fraction[:decimals].ljust(decimals, "0"))
    if amount > AMOUNT_MAX:
        raise ValueError("an amount is at most 2^256 - 1 wei")
    return amount


def parse_units(text: str) -> int:
    """An amount of a token in its smallest unit; ValueError for anything but a whole number.

    How many of them make one token only the token knows, so no other unit is taken.
    """
    if len(text) > _TEXT_LENGTH_MAX or _UNITS.fullmatch(text.strip()) is None:
        raise ValueError(f"{text[:60]!r} is no amount of a token: write its smallest units, 1000")
    amount = int(text)
    if amount > AMOUNT_MAX:
        raise ValueError("an amount is at most 2^256 - 1 units")
    return amount


def brief_of(asset: str, amount: int) -> str:
    """`format_of` for a narrow column: of a long number of units the first digits and how many."""
    if int(asset, 16) == 0:
        return brief_amount(amount)
    digits = str(amount)
    if len(digits) <= BRIEF_DIGIT_COUNT:
        return f"{digits} units"
    point = f"{digits[0]}.{digits[1:BRIEF_DIGIT_COUNT]}".rstrip("0").rstrip(".")
    cut = "" if not digits[BRIEF_DIGIT_COUNT:].strip("0") else "…"
    return f"{point}{cut}e{len(digits) - 1} units"


def brief_amount(amount_wei: int) -> str:
    """`format_amount` for a narrow column: what does not fit is cut, and an ellipsis says so."""
    number, unit = format_amount(amount_wei).split(" ")
    whole, point, fraction = number.partition(".")
    room = max(1, BRIEF_DIGIT_COUNT - len(whole))
    cut = fraction[:room] + "…" if len(fraction) > room else fraction
    return f"{whole}{point}{cut} {unit}"


def format_eth(amount_wei: int) -> str:
    """All 18 decimals and no unit: for a column of ether in which the points stand in line."""
    whole, rest = divmod(abs(amount_wei), 10**18)
    return f"{'-' if amount_wei < 0 else ''}{whole}.{rest:018d}"
