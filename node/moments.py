"""A moment in a node's life, as a caller names it: a record, a time, or a block of the chain.

    1234, "1234"                the state with records 0 to 1234, and none behind them
    "2026-11-21T10:00:00Z"      with every record that was written up to then
    "1763719200s", "...ms"      the same, as seconds or milliseconds since 1970
    "block:123"                 up to the record with which that block was processed

Which record that is, the log knows: see `node.history`. A time needs its zone: what an owner means
by ten o'clock, another machine cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

COUNT_MAX = 2**63 - 1
"""Of a record's number, a block's, and of milliseconds since 1970."""


BlocksUntil = Callable[[int], int | None]
"""How many blocks will be mined until that time of the chain, Unix seconds; None if not known."""


class AtRecord(Struct, frozen=True, gc=False):
    """Right after that record."""

    seq: int

    def __str__(self) -> str:
        return f"record {self.seq}"


class AtTime(Struct, frozen=True, gc=False):
    """Right after the last record that was written by then."""

    time_ms: int
    """Milliseconds since 1970."""

    def __str__(self) -> str:
        return utc_text(self.time_ms)


class AtBlock(Struct, frozen=True, gc=False):
    """Right after the record that says the block was processed, itself or with a later one."""

    block_num: int

    def __str__(self) -> str:
        return f"block {self.block_num}"


Moment = AtRecord | AtTime | AtBlock

_EXPECTED = (
    "expected a record number, a time with its zone such as 2026-11-21T10:00:00Z, "
    "1763719200s or 1763719200000ms since 1970, or block:123"
)
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_UNIX = re.compile(r"(?P<number>[0-9]{1,19})(?P<unit>s|ms)", re.ASCII)
_BLOCK = re.compile(r"block:(?P<number>[0-9]{1,19})", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9TZ:.+ -]{1,40}", re.ASCII)


def parse_moment(named: int | str) -> Moment:
    """The moment a caller names; ValueError says what is wrong with anything else."""
    if isinstance(named, int):
        return AtRecord(_bounded(named))
    if _DIGITS.fullmatch(named):
        return AtRecord(_bounded(int(named)))
    if unix := _UNIX.fullmatch(named):
        number = int(unix["number"])
        return AtTime(_bounded(number * 1_000 if unix["unit"] == "s" else number))
    if block := _BLOCK.fullmatch(named):
        return AtBlock(_bounded(int(block["number"])))
    if _DATE.fullmatch(named):
        return AtTime(_time_ms(named))
    raise ValueError(_EXPECTED)


def _bounded(number: int) -> int:
    if not 0 <= number <= COUNT_MAX:
        raise ValueError(f"{number} is below 0 or above 2^63 - 1")
    return number


def _time_ms(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if found.tzinfo is None:
        raise ValueError("the time has no zone: end it with Z for UTC, or with +01:00")
    try:
        elapsed = found.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        raise ValueError(_EXPECTED) from None
    # Whole numbers: as a float, a millisecond could be the one before.
    elapsed_ms = (elapsed.days * 86_400 + elapsed.seconds) * 1_000 + elapsed.microseconds // 1_000
    return _bounded(elapsed_ms)


def utc_text(time_ms: int) -> str:
    """A time as people read it, to the millisecond; it can be given back as a moment."""
    try:
        found = datetime.fromtimestamp(time_ms / 1_000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms}ms"
    return found.strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ms % 1_000:03}Z"


def date_text(time_s: int) -> str:
    """A time of the chain, Unix seconds, as a date; one that no calendar reaches as a number."""
    try:
        found = datetime.fromtimestamp(time_s, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_s} s after 1970"
    return found.strftime("%Y-%m-%d %H:%M:%S UTC")
