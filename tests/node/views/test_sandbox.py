"""One message, one instance: nothing but the tables is carried on."""

from __future__ import annotations

import dataclasses
import sys
import threading

import pytest

from node.views.database import ViewDatabase
from node.views.errors import Failure, ReducerFailed, ViewBroken
from node.views.limits import Budget
from node.views.sandbox import Sandbox
from node.views.view import View
from tests.support.reducers import (
    ADD,
    NOTE,
    TABLE,
    TAKE,
    calling,
    literal,
    message,
    module,
    pack,
    scores,
    wat,
    writes,
)


def test_what_a_module_remembers_is_gone_with_the_message() -> None:
    """Else a node that was started again would refuse what another one takes."""
    text = wat(
        "(i32.store8 (i32.const 32761) (i32.add (global.get $n) (i32.load8_u (i32.const 32761))))"
        " (global.set $n (i32.const 1)) (i32.store8 (i32.const 32761) (global.get $n))"
        f" (i64.const {(32_760 << 32) | 3})",
        extra='(global $n (mut i32) (i32.const 0)) (data (i32.const 32760) "\\92\\00\\90")',
    )
    with View(":memory:", module(text)) as view:
        assert [view.apply(seq, b"\x90").code for seq in range(3)] == [1, 1, 1]


def test_a_question_sees_what_was_written_in_the_same_message() -> None:
    add = pack(["INSERT INTO t VALUES (?, ?)", [[7, "seven"]]])
    ask = pack(["SELECT v, k FROM t WHERE k = ?", [7]])
    text = wat(
        f"(drop (call $exec (i32.const 20000) (i32.const {len(add)})))"
        f"(i64.or (i64.const {40_000 << 32}) (call $query (i32.const 30000) (i32.const {len(ask)})"
        " (i32.const 40000) (i32.const 100)))",
        init=writes(TABLE),
        extra=f'(data (i32.const 20000) "{literal(add)}")(data (i32.const 30000) "{literal(ask)}")',
    )
    with View(":memory:", module(text)) as view:
        verdict = view.apply(1, b"\x90")
        # The answer [["seven", 7]] was handed back as if it were a reply.
        assert verdict.failure is Failure.REPLY_MALFORMED
        assert "length 2, got 1" in verdict.detail


def test_an_answer_without_room_is_only_measured() -> None:
    text = calling("query", ["SELECT 'abcdef' AS v", []])
    text = text.replace("(i32.const 1000)", "(i32.const 3)").replace(
        "(drop (call $query", "(i64.store (i32.const 16) (call $query"
    )
    text = text.replace(f"(i64.const {(32_760 << 32) | 3})", "(i64.const 0)")
    database = ViewDatabase(":memory:", Budget())
    sandbox = Sandbox(module(text.replace("(i64.const 0)", ANSWER)), database)
    database.begin()
    assert sandbox.reduce(b"\x90") == len(pack([["abcdef"]]))
    sandbox.close()
    database.close()


ANSWER = (
    "(i32.store8 (i32.const 32761) (i32.load8_u (i32.const 16)))"
    f" (i32.store8 (i32.const 32762) (i32.const 0x90)) (i64.const {(32_760 << 32) | 3})"
)
"""Refuse with the number that the host gave."""


def test_the_host_tells_how_many_rows_changed() -> None:
    with View(":memory:", scores()) as view:
        view.apply(1, message(ADD, b"alice", 5))
        assert view.apply(2, message(TAKE, b"alice", 6)).code == 7
        assert view.apply(3, message(TAKE, b"alice", 5)).is_applied
        assert view.apply(4, message(NOTE, b"alice", 0)).is_applied
        assert list(view.rows("notes")) == [(b"alice", 0)]


def test_fuel_is_told_also_of_what_failed() -> None:
    database = ViewDatabase(":memory:", Budget())
    sandbox = Sandbox(module(wat("(unreachable)")), database)
    database.begin()
    with pytest.raises(ReducerFailed):
        sandbox.reduce(b"\x90")
    assert 0 < sandbox.fuel_used < 100
    sandbox.close()
    sandbox.close()
    database.close()


def test_a_message_of_no_bytes_needs_no_room() -> None:
    database = ViewDatabase(":memory:", Budget())
    text = wat(
        f"(i64.const {(16 << 32) | 3})",
        alloc="(i32.const 131072)",
        extra='(data (i32.const 16) "\\92\\00\\90")',
    )
    sandbox = Sandbox(module(text), database)
    database.begin()
    assert sandbox.reduce(b"") == 0
    sandbox.close()
    database.close()


def test_an_instance_that_the_machine_refuses_is_not_the_reducers_fault() -> None:
    sound = scores()
    database = ViewDatabase(":memory:", Budget())
    narrow = dataclasses.replace(sound, budget=Budget(memory_bytes=65_536))
    sandbox = Sandbox(narrow, database)
    with pytest.raises(ViewBroken):
        sandbox.reduce(message(ADD, b"alice", 5))
    sandbox.close()
    database.close()


def test_views_of_several_threads_do_not_get_each_others_failures() -> None:
    """wasmtime keeps what a host function raised last, for all threads together."""
    wanted = {
        "asks": (calling("query", ["SELECT 1.5", []]), Failure.VALUE_TYPE),
        "writes": (calling("exec", ["PRAGMA x", [[]]]), Failure.SQL_PRAGMA),
        "traps": (wat("(unreachable)"), Failure.TRAP_UNREACHABLE),
    }
    found: dict[str, set[Failure | None]] = {}

    def run(name: str) -> None:
        with View(":memory:", module(wanted[name][0])) as view:
            found[name] = {view.apply(seq, b"\x90").failure for seq in range(300)}

    threads = [threading.Thread(target=run, args=(name,)) for name in wanted]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == {name: {failure} for name, (_, failure) in wanted.items()}
