"""A view takes messages in whole or not at all, and follows from them alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from node.views.errors import Failure, ReducerFailed, StampMismatch, ViewBroken
from node.views.limits import SUM_INTERVAL_COUNT, Budget
from node.views.view import Verdict, View
from node.views.wasm import engine_name
from tests.support.reducers import (
    ADD,
    ADD_AND_TRAP,
    NEW,
    NOTE,
    REFUSE,
    SPIN,
    TAKE,
    TRAP,
    message,
    module,
    scores,
    wat,
    writing,
)


def test_messages_make_tables() -> None:
    with View(":memory:", scores()) as view:
        assert view.apply(0, message(ADD, b"alice", 5)) == Verdict(
            0, fuel=812, steps=203, change_count=1
        )
        assert view.apply(1, message(ADD, b"bob", 300)).is_applied
        assert view.apply(5, message(ADD, b"alice", -2)).is_applied
        assert view.apply(6, message(NOTE, b"alice", 0)).is_applied
        assert list(view.rows("scores")) == [(b"alice", 3), (b"bob", 300)]
        assert list(view.rows("notes")) == [(b"alice", 3)]
        assert sorted(view.tables) == ["notes", "scores"]
        assert view.stamp.seq == 6
        assert view.stamp.code_hash == scores().code_hash
        assert view.stamp.engine == engine_name()


REFUSED = [
    (message(REFUSE, b"a", 77), 77, None),
    (message(TAKE, b"alice", 6), 7, None),
    (message(NOTE, b"zoe", 0), 8, None),
    (message(TRAP, b"", 0), 0, Failure.TRAP_UNREACHABLE),
    (message(SPIN, b"", 0), 0, Failure.OUT_OF_FUEL),
    (message(ADD_AND_TRAP, b"alice", 1), 0, Failure.TRAP_UNREACHABLE),
    (message(NEW, b"alice", 1), 0, Failure.SQL_CONSTRAINT),
    (message(ADD, b"alice", 2**63 - 1), 0, Failure.SQL_CONSTRAINT),
    (message(ADD, b"alice", 2**63), 0, Failure.VALUE_RANGE),
    (b"\xc1", 0, Failure.MESSAGE_NOT_CANONICAL),
    (b"\xc6" + bytes(70_000), 0, Failure.MESSAGE_OVERSIZED),
]


@pytest.mark.parametrize(("refused", "code", "failure"), REFUSED)
def test_what_is_not_taken_in_leaves_no_trace(
    refused: bytes, code: int, failure: Failure | None
) -> None:
    with View(":memory:", scores()) as view:
        view.apply(1, message(ADD, b"alice", 5))
        digest = view.digest
        for seq in (2, 3):
            verdict = view.apply(seq, refused)
            assert (verdict.code, verdict.failure) == (code, failure)
            assert not verdict.is_applied
            assert verdict.change_count == 0
        assert view.digest == view.computed_digest() == digest
        assert view.stamp.seq == 1
        assert [record.seq for record in view.messages()] == [1]
        # The number is not used up either.
        assert view.apply(2, message(TAKE, b"alice", 5)).is_applied
        assert list(view.rows("scores")) == [(b"alice", 0)]


def test_messages_come_in_order() -> None:
    with View(":memory:", scores()) as view:
        view.apply(4, message(ADD, b"alice", 5))
        for seq in (3, 4):
            with pytest.raises(ValueError, match="comes after 4"):
                view.apply(seq, message(ADD, b"alice", 5))
        assert list(view.rows("scores")) == [(b"alice", 5)]


def test_the_three_levels_are_read_beside_each_other() -> None:
    with View(":memory:", scores()) as view:
        view.apply(1, message(ADD, b"alice", 5))
        view.apply(2, message(TAKE, b"alice", 2))
        view.apply(3, message(TAKE, b"alice", 20))
        first, second = view.messages()
        assert (first.seq, first.message) == (1, message(ADD, b"alice", 5))
        assert first.changes == [("scores", None, (b"alice", 5))]
        assert second.changes == [("scores", (b"alice", 5), (b"alice", 3))]
        assert list(view.messages(2)) == [second]
        assert list(view.rows("scores")) == [(b"alice", 3)]


def test_a_view_goes_on_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    for seq in range(5):
        with View(path, scores()) as view:
            assert view.stamp.seq == seq - 1
            view.apply(seq, message(ADD, b"alice", 5))
            digest = view.digest
    with View(path, scores()) as view:
        assert view.digest == view.computed_digest() == digest
        assert list(view.rows("scores")) == [(b"alice", 25)]


def test_a_process_that_dies_loses_nothing_that_was_applied(tmp_path: Path) -> None:
    path, copy = tmp_path / "view.db", tmp_path / "copy.db"
    with View(path, scores()) as view:
        for seq in range(SUM_INTERVAL_COUNT + 10):
            view.apply(seq, message(ADD, seq.to_bytes(2, "big"), seq))
        digest = view.digest
        for end in ("", "-wal"):
            (tmp_path / f"copy.db{end}").write_bytes((tmp_path / f"view.db{end}").read_bytes())
    with View(copy, scores()) as view:
        assert view.stamp.seq == SUM_INTERVAL_COUNT + 9
        assert view.digest == view.computed_digest() == digest


def test_another_reducer_budget_or_engine_does_not_go_on(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    View(path, scores()).close()
    with pytest.raises(StampMismatch) as mismatch:
        View(path, module(writing()))
    assert mismatch.value.field == "code"
    with pytest.raises(StampMismatch) as mismatch:
        View(path, scores(Budget(fuel=5_000_000)))
    assert mismatch.value.field == "budget"
    with View(path, scores()) as view:
        view._database.host("UPDATE tally_stamp SET engine = 'wasmtime-1'")
    with pytest.raises(StampMismatch) as mismatch:
        View(path, scores())
    assert (mismatch.value.field, mismatch.value.found) == ("engine", "wasmtime-1")


def test_init_makes_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    first = "CREATE TABLE t (k INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID"
    with pytest.raises(ReducerFailed) as failed:
        View(path, module(writing(init=[first, "CREATE TABLE nonsense"])))
    assert failed.value.failure is Failure.SQL_INVALID
    # Nothing is left of it: another reducer makes its own.
    with View(path, scores()) as view:
        assert sorted(view.tables) == ["notes", "scores"]


def test_rows_that_init_writes_are_in_the_digest() -> None:
    table = "CREATE TABLE t (k INTEGER PRIMARY KEY) STRICT, WITHOUT ROWID"
    with (
        View(":memory:", module(writing(init=[table, "INSERT INTO t VALUES (1)"]))) as one,
        View(":memory:", module(writing(init=[table]))) as other,
    ):
        assert one.digest == one.computed_digest() != other.digest == other.computed_digest()


def test_a_reducer_without_init_has_no_tables() -> None:
    text = wat(f"(i64.const {(16 << 32) | 3})", extra='(data (i32.const 16) "\\92\\00\\90")')
    with View(":memory:", module(text)) as view:
        assert view.apply(1, b"\x90").is_applied
        assert view.tables == {}
        assert view.digest == view.computed_digest()


@pytest.mark.parametrize(
    ("budget", "failure"),
    [
        (Budget(), None),
        (Budget(fuel=812), None),
        (Budget(fuel=750), Failure.OUT_OF_FUEL),
        (Budget(message_bytes=10), None),
        (Budget(message_bytes=9), Failure.MESSAGE_OVERSIZED),
        (Budget(reply_bytes=276), None),
        (Budget(row_bytes=400), None),
        (Budget(change_count=0), Failure.SQL_CHANGES),
    ],
)
def test_a_smaller_budget_fails_what_a_larger_one_takes(
    budget: Budget, failure: Failure | None
) -> None:
    with View(":memory:", scores(budget)) as view:
        assert view.apply(1, message(ADD, b"alice", 5)).failure is failure
        assert view.digest == view.computed_digest()


def test_when_the_machine_fails_nothing_follows_about_the_message(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    with View(path, scores()) as view:
        view.apply(1, message(ADD, b"alice", 5))
        digest = view.digest
        view._database.host(f"PRAGMA max_page_count = {pages(view)}")
        with pytest.raises(ViewBroken):
            apply_many(view)
        assert view.digest == view.computed_digest()
        last = view.stamp.seq
    with View(path, scores()) as view:
        assert view.stamp.seq == last
        assert view.digest == view.computed_digest()
        assert last > 1 or view.digest == digest
        assert view.apply(last + 1, message(ADD, bytes(200), 1)).is_applied


def apply_many(view: View) -> None:
    for seq in range(2, 1_000):
        view.apply(seq, message(ADD, seq.to_bytes(200, "big"), 1))


def pages(view: View) -> int:
    return int(view._database.host("PRAGMA page_count")[0][0])


def test_other_programs_read_the_file_while_messages_are_applied(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    with View(path, scores()) as view, closing(sqlite3.connect(path)) as reader:
        view.apply(1, message(ADD, b"alice", 5))
        reading = reader.execute("SELECT points FROM scores UNION ALL SELECT 1")
        assert reading.fetchone() == (5,)
        # It is still reading: neither waits for the other.
        assert view.apply(2, message(ADD, b"alice", 1)).is_applied
        assert reading.fetchall() == [(1,)]
        assert reader.execute("SELECT points FROM scores").fetchall() == [(6,)]
        assert reader.execute("SELECT seq FROM tally_messages").fetchall() == [(1,), (2,)]


def test_a_sum_that_cannot_be_written_down_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    view = View(path, scores())
    view.apply(1, message(ADD, b"alice", 5))
    digest = view.digest
    view._database.host("PRAGMA query_only = ON")
    view.close()
    with View(path, scores()) as again:
        assert again.digest == again.computed_digest() == digest


def test_a_view_is_closed_twice_without_harm(tmp_path: Path) -> None:
    view = View(tmp_path / "view.db", scores())
    view.apply(1, message(ADD, b"alice", 5))
    view.close()
    view.close()
