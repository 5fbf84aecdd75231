"""What a view keeps beside the reducer's tables, in the same file and the same transactions.

    tally_stamp     what made the view, and the sum over its rows after some message
    tally_messages  each message that was taken in, and the row changes it made, in their order

So three levels can be read: the messages, the ordered changes, the tables. A view that keeps no
changes has the stamp alone: its messages are somewhere else, and its sum is made when it is asked
for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from node.views.database import Change, ViewDatabase
from node.views.digest import TableSum
from node.views.encoding import encode
from node.views.limits import Budget

_SCHEMA = (
    "CREATE TABLE tally_stamp (id INTEGER PRIMARY KEY CHECK (id = 1), code_hash BLOB NOT NULL, "
    "engine TEXT NOT NULL, budget BLOB NOT NULL, sum_seq INTEGER NOT NULL, row_sum BLOB NOT NULL, "
    "row_count INTEGER NOT NULL, keeps_changes INTEGER NOT NULL, mark BLOB NOT NULL) STRICT",
    "CREATE TABLE tally_messages (seq INTEGER PRIMARY KEY, message BLOB NOT NULL, "
    "changes BLOB NOT NULL) STRICT",
)
NO_MESSAGE_SEQ = -1
"""Of a view that has taken in no message yet."""


class Stamp(Struct, frozen=True):
    """What a view was made from."""

    seq: int
    """Of the last message taken in; -1 before the first."""
    code_hash: bytes
    engine: str
    """What a result depends on besides code, messages and budget: versions (`wasm.engine_name`)."""
    budget: Budget
    keeps_changes: bool = True
    """Whether `tally_messages` is filled."""
    mark: bytes = b""
    """What the caller gave with that message: where it stood when it did."""


class MessageRecord(Struct, frozen=True):
    """A message and what came of it."""

    seq: int
    message: bytes
    changes: list[Change]


_decode_budget = msgspec.msgpack.Decoder(Budget).decode
_decode_changes = msgspec.msgpack.Decoder(list[tuple[str, Any, Any]]).decode


def is_made(database: ViewDatabase) -> bool:
    """Whether there is a view in the file."""
    sql = "SELECT 1 FROM sqlite_schema WHERE name = 'tally_stamp'"
    return bool(database.host(sql))


def make(database: ViewDatabase, stamp: Stamp) -> None:
    """Make our tables."""
    for sql in _SCHEMA:
        database.host(sql)
    made = (stamp.code_hash, stamp.engine, encode(stamp.budget))
    values = (*made, stamp.seq, b"", 0, int(stamp.keeps_changes), stamp.mark)
    database.host("INSERT INTO tally_stamp VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def read_stamp(database: ViewDatabase) -> Stamp:
    """Who made the view, and the last message that was taken in."""
    columns = "code_hash, engine, budget, keeps_changes, mark, sum_seq"
    ((code_hash, engine, budget, keeps_changes, mark, last),) = database.host(
        f"SELECT {columns} FROM tally_stamp"
    )
    if keeps_changes:
        last = last_seq(database)
    return Stamp(last, code_hash, engine, _decode_budget(budget), bool(keeps_changes), mark)


def read_sum(database: ViewDatabase) -> TableSum:
    """The sum over all rows: as it was written down, and what changed since."""
    seq, total, row_count = database.host("SELECT sum_seq, row_sum, row_count FROM tally_stamp")[0]
    found = TableSum.from_bytes(total, row_count)
    for record in read_messages(database, seq + 1):
        found.note(record.changes)
    return found


def write_sum(database: ViewDatabase, seq: int, total: TableSum) -> None:
    """Write down the sum over all rows after that message."""
    values = (seq, total.to_bytes(), total.row_count)
    database.host("UPDATE tally_stamp SET sum_seq = ?, row_sum = ?, row_count = ?", values)


def keep_mark(database: ViewDatabase, mark: bytes) -> None:
    """Where the caller stands, with the message that is taken in."""
    database.host("UPDATE tally_stamp SET mark = ?", (mark,))


def keep_place(database: ViewDatabase, seq: int, mark: bytes) -> None:
    """The last message that was taken in, of a view that keeps no changes."""
    database.host("UPDATE tally_stamp SET sum_seq = ?, mark = ?", (seq, mark))


def keep_message(database: ViewDatabase, seq: int, message: bytes, changes: list[Change]) -> None:
    """A message that was taken in, and its changes in order."""
    sql = "INSERT INTO tally_messages VALUES (?, ?, ?)"
    database.host(sql, (seq, message, encode(changes)))


def last_seq(database: ViewDatabase) -> int:
    """Of the last message that is kept; -1 for none."""
    seq = database.host("SELECT max(seq) FROM tally_messages")[0][0]
    return NO_MESSAGE_SEQ if seq is None else int(seq)


def forget_messages(database: ViewDatabase, seq: int) -> None:
    """Those above that one were taken back."""
    database.host("DELETE FROM tally_messages WHERE seq > ?", (seq,))


def read_messages(database: ViewDatabase, first_seq: int) -> Iterator[MessageRecord]:
    """From that sequence number on, in order."""
    sql = "SELECT seq, message, changes FROM tally_messages WHERE seq >= ? ORDER BY seq"
    for seq, message, changes in database.rows(sql, (first_seq,)):
        decoded = [(table, _row(old), _row(new)) for table, old, new in _decode_changes(changes)]
        yield MessageRecord(seq, message, decoded)


def _row(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
