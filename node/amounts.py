"""Amounts in words: exact, in the unit that reads best."""

from __future__ import annotations


def format_of(asset: str, amount: int) -> str:
    """Exactly: `format_amount` for the chain's own currency, 1000 units for a token."""
    return format_amount(amount) if int(asset, 16) == 0 else f"{amount} units"


def format_amount(amount_wei: int) -> str:
    """Exactly, in the unit that reads best: 1 ETH, 0.25 ETH, 3 gwei, 17 wei."""
    sign, size = ("-", -amount_wei) if amount_wei < 0 else ("", amount_wei)
    if size == 0 or size < 10**6:
        return f"{sign}{size} wei"
    unit, decimals = ("ETH", 18) if size >= 10**14 else ("gwei", 9)
    whole, rest = divmod(size, 10**decimals)
    fraction = f"{rest:0{decimals}d}".rstrip("0")
    return f"{sign}{whole}{'.' + fraction if fraction else ''} {unit}"
