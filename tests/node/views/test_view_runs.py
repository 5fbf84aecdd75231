"""Messages of one run are kept or dropped together, and come to what they come to alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.views.errors import Failure
from node.views.limits import Budget
from node.views.module import ReducerModule
from node.views.view import Verdict, View
from tests.support.reducers import module, obeying, writes

BUDGET = Budget(sql_steps=20_000)
"""Little, so that a bomb is soon over."""
BOMB = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
PUT = "INSERT INTO t VALUES (?, ?) ON CONFLICT DO UPDATE SET v = ?2"


def obedient() -> ReducerModule:
    return module(obeying(), BUDGET)


def put(key: int, value: str = "x") -> bytes:
    return writes((PUT, [[key, value]]))


STOPPED = writes((PUT, [[9, "y"]]), f"INSERT INTO t {BOMB} SELECT n + 100, '' FROM c")
"""A write that SQLite is told to interrupt: it undoes the whole transaction."""
CONSTRAINED = writes((PUT, [[8, "y"]]), "INSERT INTO t VALUES (8, 'z')")
REFUSED = writes((PUT, [[7, "y"]]), code=5)


def rows(view: View) -> list[tuple[object, ...]]:
    return list(view.rows("t"))


@pytest.mark.parametrize(
    ("broken", "failure"), [(STOPPED, Failure.SQL_STEPS), (CONSTRAINED, Failure.SQL_CONSTRAINT)]
)
def test_a_failure_undoes_its_own_message_and_no_other_of_the_run(
    broken: bytes, failure: Failure
) -> None:
    with View(":memory:", obedient()) as view:
        view.apply(1, put(1))
        view.begin_run()
        view.apply(2, put(2), mark=b"two")
        assert view.apply(3, broken).failure is failure
        assert view.apply(3, REFUSED).code == 5
        view.apply(3, put(3))
        assert view.apply(4, broken).failure is failure
        assert rows(view) == [(1, "x"), (2, "x"), (3, "x")]
        view.keep_run()
        assert rows(view) == [(1, "x"), (2, "x"), (3, "x")]
        assert view.digest == view.computed_digest()
        assert [record.seq for record in view.messages()] == [1, 2, 3]
        assert (view.stamp.seq, view.stamp.mark) == (3, b"")


def test_a_run_that_is_dropped_was_never_there() -> None:
    with View(":memory:", obedient()) as view:
        view.apply(1, put(1))
        before = (view.digest, view.stamp, rows(view))
        for broken in (STOPPED, put(3)):
            view.begin_run()
            view.apply(2, put(2), mark=b"two")
            view.apply(3, broken)
            view.drop_run()
            assert (view.digest, view.stamp, rows(view)) == before
        view.drop_run()
        view.keep_run()
        assert view.apply(2, put(1, "again")).is_applied
        assert view.digest == view.computed_digest()


def test_nobody_else_sees_a_run_before_it_is_kept_and_nobody_ever_one_that_was_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "view.db"

    def seen() -> int:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
            return int(file.execute("SELECT count(*) FROM t").fetchone()[0])

    view = View(path, obedient())
    view.begin_run()
    view.apply(1, put(1))
    assert seen() == 0
    view.keep_run()
    assert seen() == 1
    view.begin_run()
    view.apply(2, put(2))
    view.close()
    assert seen() == 1
    with View(path, obedient()) as again:
        assert again.stamp.seq == 1
        assert again.digest == again.computed_digest()


def test_the_last_messages_of_a_run_can_be_taken_back_in_it() -> None:
    with View(":memory:", obedient()) as view:
        view.begin_run()
        for seq in (1, 2, 3):
            view.apply(seq, put(seq))
        view.undo_after(2)
        assert view.apply(3, STOPPED).failure is Failure.SQL_STEPS
        view.keep_run()
        assert rows(view) == [(1, "x"), (2, "x")]
        assert view.digest == view.computed_digest()


def outcome(verdict: Verdict) -> tuple[object, ...]:
    """What nodes agree on."""
    return verdict.code, verdict.failure, verdict.fuel, verdict.steps, verdict.change_count


MESSAGES = st.sampled_from(
    [put(1), put(2), put(1, "y"), put(3, "z" * 40), STOPPED, CONSTRAINED, REFUSED, b"\xc1"]
)


@given(st.lists(st.tuples(st.lists(MESSAGES, max_size=5), st.booleans()), max_size=5))
def test_messages_of_runs_come_to_what_they_come_to_alone(
    runs: list[tuple[list[bytes], bool]],
) -> None:
    with View(":memory:", obedient()) as plain, View(":memory:", obedient()) as view:
        for messages, is_kept in runs:
            view.begin_run()
            for message in messages:
                verdict = view.apply(view.stamp.seq + 1, message)
                if is_kept:
                    assert outcome(verdict) == outcome(plain.apply(plain.stamp.seq + 1, message))
            if is_kept:
                view.keep_run()
            else:
                view.drop_run()
            assert (view.digest, view.stamp) == (plain.digest, plain.stamp)
        assert list(view.messages()) == list(plain.messages())
        assert view.digest == view.computed_digest()
