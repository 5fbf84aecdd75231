"""A channel's view is what the log's messages lead to: taken back, derived anew, gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from node.apps.channel_view import ChannelView
from node.apps.errors import HistoryDiffers
from node.views.module import ReducerModule, load_module
from node.views.view import View
from tests.support.tills import CHANNEL, CODE, DEPOSITS, given


@pytest.fixture(scope="module")
def module() -> ReducerModule:
    return load_module(CODE)


def view_at(path: Path, module: ReducerModule) -> ChannelView:
    return ChannelView(path / "view.db", module, CHANNEL, DEPOSITS)


def test_messages_move_money_and_refused_ones_do_not(tmp_path: Path, module: ReducerModule) -> None:
    view = view_at(tmp_path, module)
    assert view.point()[0] == DEPOSITS
    assert view.judge(given(30)[0]).is_applied
    assert view.point()[0] == (70, 80)
    point, count = view.point(), view.count
    refused, failed = view.judge(given(71)[0]), view.judge(given(0)[0])
    assert (refused.code, refused.failure) == (1, "")
    assert (failed.code, failed.failure) == (0, "trap-unreachable")
    assert (view.point(), view.count) == (point, count)
    view.close()


def test_equal_messages_lead_to_equal_digests(tmp_path: Path, module: ReducerModule) -> None:
    digests = set()
    for name in ("one", "two"):
        view = view_at(tmp_path / name, module)
        for message in given(1, 2, 3):
            view.judge(message)
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
    for message in messages:
        ahead.judge(message)
    for message in messages[:kept]:
        plain.judge(message)
    ahead.bring_to(kept, iter(messages[:kept]))
    assert (ahead.count, ahead.point()) == (kept, plain.point())
    for view in (ahead, plain):
        view.judge(given(40)[0])
    assert ahead.point() == plain.point()
    ahead.close()
    with View(tmp_path / "ahead" / "view.db", module) as opened:
        assert opened.digest == opened.computed_digest()
    plain.close()


def test_what_is_missing_is_applied_again(tmp_path: Path, module: ReducerModule) -> None:
    messages = given(5, 6, 7, 8)
    behind, plain = view_at(tmp_path / "behind", module), view_at(tmp_path / "plain", module)
    behind.judge(messages[0])
    for message in messages:
        plain.judge(message)
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
    view.judge(given(5)[0])
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
    verdict = view.judge(given(1)[0])
    assert (verdict.is_applied, verdict.failure) == (False, "opening-refused 4")
    view.bring_to(0, iter(()))
    view.close()
