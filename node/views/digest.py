"""One hash over all tables of a view, kept up to date by what changed (ADR 0078).

    sum over rows of shake_128([table, *row], 512 bytes), modulo 2**4096

A sum needs no order and costs two hashes for a changed row. 4,096 bits, so that nobody finds rows
that add up to the same, though he chooses them: with 256 it takes some 2^32 steps.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from node.views.database import Change, RowValues
from node.views.encoding import encode

TERM_SIZE_BYTES = 512
_MODULUS = 2 ** (8 * TERM_SIZE_BYTES)


def term(encoded_row: bytes) -> int:
    """What one row adds to the sum."""
    return int.from_bytes(hashlib.shake_128(encoded_row).digest(TERM_SIZE_BYTES), "big")


def encode_row(table: str, row: RowValues) -> bytes:
    """A row with the name of its table, as it is hashed."""
    return encode((table, *row))


class TableSum:
    """The sum over all rows. What changes is hashed when somebody asks, and then once."""

    def __init__(self, total: int = 0, row_count: int = 0) -> None:
        self._total, self._row_count = total, row_count
        self._pending: Counter[bytes] = Counter()
        """Encoded rows: how many more, or fewer, there are than the sum holds."""

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, RowValues]]) -> TableSum:
        """From nothing but the tables."""
        total = row_count = 0
        for table, row in rows:
            total += term(encode_row(table, row))
            row_count += 1
        return cls(total % _MODULUS, row_count)

    @classmethod
    def from_bytes(cls, total: bytes, row_count: int) -> TableSum:
        """As `to_bytes` gave it."""
        return cls(int.from_bytes(total, "big"), row_count)

    def copy(self) -> TableSum:
        """The same sum, to go on from on its own."""
        return TableSum(self.total, self._row_count)

    def note(self, changes: Iterable[Change]) -> None:
        """Take in what changed."""
        pending = self._pending
        for table, before, after in changes:
            if before is not None:
                pending[encode_row(table, before)] -= 1
            if after is not None:
                pending[encode_row(table, after)] += 1

    @property
    def total(self) -> int:
        """The sum over all rows."""
        for encoded, count in self._pending.items():
            if count:
                self._total += count * term(encoded)
                self._row_count += count
        self._total %= _MODULUS
        self._pending.clear()
        return self._total

    @property
    def row_count(self) -> int:
        """Rows in all tables."""
        return self._row_count + self._pending.total()

    def to_bytes(self) -> bytes:
        """The sum, for `from_bytes`."""
        return self.total.to_bytes(TERM_SIZE_BYTES, "big")


def view_digest(schema: list[tuple[str, str]], total: TableSum) -> bytes:
    """32 bytes that are equal when two views have the same tables with the same rows."""
    parts = ("tally-view-1", schema, total.to_bytes(), total.row_count)
    return hashlib.sha256(encode(parts)).digest()
