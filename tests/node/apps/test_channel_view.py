"""A channel's view is what the log's messages lead to: taken back, derived anew, gone on with."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from node.apps.channel_view import ChannelView
from node.apps.errors import HistoryDiffers
from node.views.module import ReducerModule, load_module
from node.views.view import View
from protocols.inputs import AppVerdict
from tests.support.tills import CHANNEL, CODE, DEPOSITS, given, run_of


@pytest.fixture(scope="module")
def module() -> ReducerModule:
    return load_module(CODE)


def view_at(path: Path, module: ReducerModule) -> ChannelView:
    return ChannelView(path / "view.db", module, CHANNEL, DEPOSITS)


def run(view: ChannelView, *amounts: int, **how: Any) -> tuple[AppVerdict, ...]:
    """A run after all that the view holds and keeps."""
    base_count = how.pop("base_count", view.count)
    asked = run_of(bytes(32), base_count, *amounts, **how)
    return view.run(asked, lambda: (), lambda: False)


def seen_by_others(path: Path) -> int:
    """Messages of the channel that whoever asks the view finds."""
    with contextlib.closing(sqlite3.connect(f"file:{path / 'view.db'}?mode=ro", uri=True)) as file:
        return int(file.execute("SELECT max(seq) FROM tally_messages").fetchone()[0])


def test_messages_move_money_and_refused_ones_do_not(tmp_path: Path, module: ReducerModule) -> None:
    view = view_at(tmp_path, module)
    assert view.point()[0] == DEPOSITS
    (taken,) = run(view, 30)
    assert (taken.is_applied, (taken.amounts, taken.digest)) == (True, view.point())
    assert view.point()[0] == (70, 80)
    point, count = view.point(), view.count
    refused, failed = run(view, 71, 0)
    assert (refused.code, refused.failure) == (1, "")
    assert (failed.code, failed.failure) == (0, "trap-unreachable")
    assert (view.point(), view.count) == (point, count)
    view.close()


def test_equal_messages_lead_to_equal_digests(tmp_path: Path, module: ReducerModule) -> None:
    digests = set()
    for name in ("one", "two"):
        view = view_at(tmp_path / name, module)
        run(view, 1, 2, 3)
        digests.add(view.point()[1])
        view.close()
        reopened = view_at(tmp_path / name, module)
        digests.add(reopened.point()[1])
        reopened.close()
    assert len(digests) == 1


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_what_the_log_does_not_hold_is_taken_back(
    tmp_path: Path, module: ReducerModule, kept: int
) -> None:
    messages = given(5, 6, 7, 8)
    ahead, plain = view_at(tmp_path / "ahead", module), view_at(tmp_path / "plain", module)
    run(ahead, 5, 6, 7, 8)
    run(plain, *(5, 6, 7, 8)[:kept])
    ahead.bring_to(kept, iter(messages[:kept]))
    assert (ahead.count, ahead.point()) == (kept, plain.point())
    for view in (ahead, plain):
        run(view, 40)
    assert ahead.point() == plain.point()
    ahead.close()
    with View(tmp_path / "ahead" / "view.db", module) as opened:
        assert opened.digest == opened.computed_digest()
    plain.close()


def test_what_is_missing_is_applied_again(tmp_path: Path, module: ReducerModule) -> None:
    messages = given(5, 6, 7, 8)
    behind, plain = view_at(tmp_path / "behind", module), view_at(tmp_path / "plain", module)
    run(behind, 5)
    run(plain, 5, 6, 7, 8)
    behind.bring_to(4, iter(messages))
    assert behind.point() == plain.point()
    behind.close()
    plain.close()


def test_a_history_that_does_not_hold_is_told(tmp_path: Path, module: ReducerModule) -> None:
    view = view_at(tmp_path, module)
    with pytest.raises(HistoryDiffers, match="message 2 is not taken in"):
        view.bring_to(2, iter(given(1, 1_000)))
    with pytest.raises(HistoryDiffers, match="1 of 3"):
        view.bring_to(3, iter(given(1)))
    view.close()


def test_a_damaged_file_is_derived_anew(tmp_path: Path, module: ReducerModule) -> None:
    view = view_at(tmp_path, module)
    run(view, 5)
    view.close()
    (tmp_path / "view.db").write_bytes(b"nothing that SQLite knows" * 100)
    (tmp_path / "view.db-wal").unlink(missing_ok=True)
    again = view_at(tmp_path, module)
    again.bring_to(1, iter(given(5)))
    assert again.point()[0] == (95, 55)
    again.close()


REFUSES = """(module (memory (export "memory") 2)
  (data (i32.const 16) "\\92\\04\\90")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "reduce") (param i32 i32) (result i64) (i64.const 0x10_00000003)))"""


def test_a_reducer_that_does_not_play_refuses_every_message(tmp_path: Path) -> None:
    view = view_at(tmp_path, load_module(wasmtime.wat2wasm(REFUSES)))
    (verdict,) = run(view, 1)
    assert (verdict.is_applied, verdict.failure) == (False, "opening-refused 4")
    view.bring_to(0, iter(()))
    view.close()


# --- messages that are still to be offered ---


def test_nobody_sees_what_is_not_agreed_on_until_it_is(
    tmp_path: Path, module: ReducerModule
) -> None:
    view = view_at(tmp_path, module)
    run(view, 5)
    offered = run(view, 6, 1_000, 7, is_offer=True)
    assert [verdict.is_applied for verdict in offered] == [True, False, True]
    assert seen_by_others(tmp_path) == 1
    # What our reducer refused is not offered; the rest is taken in by both.
    agreed = run(view, 6, 7, base_count=1)
    assert agreed == (offered[0], offered[2])
    assert (seen_by_others(tmp_path), view.count) == (3, 3)
    assert view.point() == (agreed[-1].amounts, agreed[-1].digest)
    view.close()


def test_what_is_agreed_on_is_not_run_again(
    tmp_path: Path, module: ReducerModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = view_at(tmp_path, module)
    run(view, 6, 7, is_offer=True)
    monkeypatch.setattr(View, "apply", lambda *given, **how: pytest.fail("it ran"))
    assert len(run(view, 6, 7, base_count=0)) == 2
    view.close()


@pytest.mark.parametrize(
    ("amounts", "how"),
    [
        ((6,), {}),
        ((8, 9), {}),
        ((6, 7), {"is_offer": True}),
        ((6, 7), {"expected": (bytes(32), bytes(32))}),
    ],
    ids=["the first alone", "others", "offered anew", "the other end's"],
)
def test_what_is_not_agreed_on_leaves_no_trace(
    tmp_path: Path, module: ReducerModule, amounts: tuple[int, ...], how: dict[str, Any]
) -> None:
    view, plain = view_at(tmp_path / "view", module), view_at(tmp_path / "plain", module)
    run(view, 6, 7, is_offer=True)
    run(view, *amounts, base_count=0, **how)
    run(plain, *amounts, **how)
    assert (view.count, view.point()) == (plain.count, plain.point())
    view.close()
    plain.close()
    for name in ("view", "plain"):
        with View(tmp_path / name / "view.db", module) as opened:
            assert opened.digest == opened.computed_digest()
            kept = 0 if "is_offer" in how or "expected" in how else len(amounts)
            assert opened.stamp.seq == kept


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_run_ends_with_the_first_message_that_comes_to_something_else(
    tmp_path: Path, module: ReducerModule, wrong: int
) -> None:
    here, there = view_at(tmp_path / "here", module), view_at(tmp_path / "there", module)
    expected = [verdict.digest for verdict in run(there, 1, 2, 3)]
    expected[wrong] = bytes(32)
    verdicts = run(here, 1, 2, 3, expected=tuple(expected))
    assert len(verdicts) == wrong + 1
    assert verdicts[-1].is_applied
    assert here.count == wrong
    there.bring_to(wrong, iter(given(1, 2, 3)))
    assert here.point() == there.point()
    here.close()
    there.close()


def test_a_run_ends_with_the_first_message_that_is_refused_against_expectation(
    tmp_path: Path, module: ReducerModule
) -> None:
    view = view_at(tmp_path, module)
    verdicts = run(view, 1_000, 1, expected=(bytes(32), bytes(32)))
    assert [(v.code, v.digest) for v in verdicts] == [(1, b"")]
    assert view.count == 0
    view.close()
