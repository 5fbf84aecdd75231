"""Messages and the row changes they made stay readable, in their order."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

from node.views import history
from node.views.database import Change, ViewDatabase
from node.views.digest import TableSum
from node.views.history import NO_MESSAGE_SEQ, MessageRecord, Stamp
from node.views.limits import Budget

STAMP = Stamp(NO_MESSAGE_SEQ, bytes(32), "engine", Budget(fuel=7))
CHANGES: list[Change] = [("t", None, (1, None, b"\0", "a")), ("t", (1,), (2,)), ("t", (2,), None)]


@pytest.fixture
def database(tmp_path: Path) -> ViewDatabase:
    made = ViewDatabase(tmp_path / "view.db", Budget())
    assert not history.is_made(made)
    history.make(made, STAMP)
    return made


def test_what_made_a_view_is_read_as_it_was_written(database: ViewDatabase) -> None:
    assert history.is_made(database)
    assert history.read_stamp(database) == STAMP
    history.keep_message(database, 0, b"m", [])
    history.keep_message(database, 12, b"n", [])
    assert history.read_stamp(database) == Stamp(12, bytes(32), "engine", Budget(fuel=7))
    database.close()


def test_messages_come_in_order_from_where_one_asks(database: ViewDatabase) -> None:
    for seq in (3, 5, 9):
        history.keep_message(database, seq, b"message %d" % seq, CHANGES)
    assert list(history.read_messages(database, 4)) == [
        MessageRecord(5, b"message 5", CHANGES),
        MessageRecord(9, b"message 9", CHANGES),
    ]
    assert list(history.read_messages(database, 10)) == []
    database.close()


def test_another_program_reads_the_changes(database: ViewDatabase) -> None:
    history.keep_message(database, 1, b"m", CHANGES)
    stored = database.host("SELECT changes FROM tally_messages WHERE seq = 1")[0][0]
    assert msgpack.unpackb(stored) == [
        ["t", None, [1, None, b"\0", "a"]],
        ["t", [1], [2]],
        ["t", [2], None],
    ]
    database.close()


def test_a_sum_is_brought_up_to_the_last_message(database: ViewDatabase) -> None:
    history.keep_message(database, 1, b"m", [("t", None, (1,))])
    total = TableSum.of_rows([("t", (1,))])
    history.write_sum(database, 1, total)
    history.keep_message(database, 2, b"m", [("t", (1,), (2,)), ("t", None, (3,))])
    found = history.read_sum(database)
    assert found.to_bytes() == TableSum.of_rows([("t", (2,)), ("t", (3,))]).to_bytes()
    assert found.row_count == 2
    database.close()
