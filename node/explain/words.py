"""Words for what records hold: short names, amounts with units, texts of others made harmless."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from node.amounts import format_of
from protocols.types import Address, checksum_address, to_hex

SHORT_DIGIT_COUNT = 4
"""Digits at either end of a shortened name."""
TEXT_LENGTH_MAX = 200
"""Characters of somebody else's text within a sentence."""
_HARMLESS_SPACE = " "
_CALENDAR_END_MS = 253_402_300_799_999
"""The end of the year 9999."""


def short(identifier: str) -> str:
    """0x1234…abcd for an id, an address or a hash."""
    if len(identifier) <= 2 * SHORT_DIGIT_COUNT + 3:
        return identifier
    return f"{identifier[: SHORT_DIGIT_COUNT + 2]}…{identifier[-SHORT_DIGIT_COUNT:]}"


def short_bytes(identifier: bytes) -> str:
    """0x1234…abcd for the raw bytes of an id or a hash."""
    return short(to_hex(identifier))


def short_address(address: Address) -> str:
    """0x1234…abcd in EIP-55 letters."""
    return short(checksum_address(address))


def amount_words(asset: Address, amount: int) -> str:
    """The amount with its unit: 1 ETH, 3 gwei, 17 wei; smallest units of a token."""
    return format_of(to_hex(asset), amount)


def harmless(text: str) -> str:
    """A text of somebody else on one line: no control, format or private characters, bounded.

    What a terminal would obey, or what turns the direction of writing, becomes a space.
    """
    cut = text[: TEXT_LENGTH_MAX + 1]
    shown = "".join(
        _HARMLESS_SPACE if unicodedata.category(letter)[0] in "CZ" else letter for letter in cut
    )
    return shown if len(cut) <= TEXT_LENGTH_MAX else shown[:TEXT_LENGTH_MAX] + "…"


def quoted(text: str) -> str:
    """A harmless text in quotation marks."""
    return f'"{harmless(text)}"'


def counted(count: int, thing: str) -> str:
    """1 payment, 1,240 payments."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def moment(time_ms: int) -> str:
    """Unix milliseconds as 2026-01-31 23:59:59.999, UTC; what no calendar reaches as a number."""
    if not 0 <= time_ms <= _CALENDAR_END_MS:
        return f"{time_ms} ms after 1970"
    found = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{found:%Y-%m-%d %H:%M:%S}.{time_ms % 1000:03d}"


def span(duration_ms: int) -> str:
    """How long something took, rounded down: 12 ms, 3.2 s, 5 min, 2 h, 3 days."""
    if duration_ms < 1_000:
        return f"{duration_ms} ms"
    if duration_ms < 60_000:
        return f"{duration_ms / 1000:.1f} s"
    if duration_ms < 2 * 3_600_000:
        return f"{duration_ms // 60_000} min"
    if duration_ms < 2 * 86_400_000:
        return f"{duration_ms // 3_600_000} h"
    return f"{duration_ms // 86_400_000} days"
