"""The books as text: lines of CSV that a spreadsheet takes as they are meant, and JSON values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from node.books.entry import is_ours
from node.books.reading import Posted
from protocols.types import Address, checksum_address, to_hex

COLUMNS = (
    "seq",
    "time",
    "kind",
    "account",
    "amount",
    "asset",
    "channel",
    "counterparty",
    "reference",
    "memo",
)
"""Of every line: one posting."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula; the last four are full-width forms."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def cell(text: str) -> str:
    """Text of others as one cell of CSV, never a formula and always on one line.

    What could be taken for a formula has an apostrophe before it; control characters are blanks.
    """
    if text[:1].isalnum() and text.replace(" ", "").isalnum():
        return text  # As most are: nothing in it means anything to anybody.
    cleaned = _CONTROL.sub(" ", text)
    if cleaned.lstrip().startswith(_FORMULA) or text[:1] in _FORMULA:
        cleaned = "'" + cleaned
    if any(mark in cleaned for mark in ",\"'"):
        cleaned = '"' + cleaned.replace('"', '""') + '"'
    return cleaned


def csv_lines(posted: Posted, *, only_ours: bool = False) -> Iterator[str]:
    """One line a posting, each ended; amounts are whole numbers of the asset's smallest unit."""
    entry = posted.entry
    head = f"{posted.seq},{time_text(posted.time_ms)},{entry.kind}"
    where = _where(entry.asset, entry.channel_id, entry.counterparty)
    reference = cell(entry.reference) if entry.reference else ""
    tail = f"{where},{reference},{cell(entry.memo) if entry.memo else ''}\n"
    for account, amount in entry.postings:
        if not only_ours or is_ours(account):
            yield f"{head},{account},{amount},{tail}"


def header() -> str:
    """The first line."""
    return ",".join(COLUMNS) + "\n"


def entry_values(posted: Posted, *, only_ours: bool = False) -> dict[str, Any]:
    """The same as JSON values; amounts are decimal strings."""
    entry = posted.entry
    return {
        "seq": posted.seq,
        "time_ms": posted.time_ms,
        "kind": entry.kind,
        "asset": checksum_address(entry.asset),
        "postings": [
            {"account": account, "amount": str(amount)}
            for account, amount in entry.postings
            if not only_ours or is_ours(account)
        ],
        "channel_id": to_hex(entry.channel_id) if entry.channel_id else None,
        "counterparty": checksum_address(entry.counterparty) if entry.counterparty else None,
        "reference": entry.reference,
        "memo": entry.memo,
    }


def balance_values(
    balances: Mapping[Address, Mapping[str, int]], *, only_ours: bool = False
) -> list[dict[str, str]]:
    """Every account that holds anything, by asset and name."""
    return [
        {"asset": checksum_address(asset), "account": account, "balance": str(balance)}
        for asset, accounts in sorted(balances.items())
        for account, balance in sorted(accounts.items())
        if not only_ours or is_ours(account)
    ]


def time_text(time_ms: int) -> str:
    """UTC, to the millisecond, as ISO 8601 writes it."""
    return f"{_second_text(time_ms // 1_000)}.{time_ms % 1_000:03}Z"


@lru_cache(maxsize=16)
def _second_text(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1_024)
def _where(asset: Address, channel_id: bytes, counterparty: bytes) -> str:
    channel = to_hex(channel_id) if channel_id else ""
    other = checksum_address(counterparty) if counterparty else ""
    return f"{checksum_address(asset)},{channel},{other}"
