"""Messages that are taken back leave tables, sums and stamps as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.views.module import load_module
from node.views.view import View
from protocols.app_data import reducer_opening
from tests.support import tills

MODULE = load_module(tills.CODE)


def state_of(view: View) -> tuple[object, ...]:
    rows = {name: list(view.rows(name)) for name in view.tables}
    return rows, view.digest, view.stamp.seq, [m.seq for m in view.messages()]


def begun() -> View:

    view = View(":memory:", MODULE)
    assert view.apply(0, reducer_opening(tills.CHANNEL, tills.DEPOSITS)).is_applied
    return view


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(-1, 9))
def test_any_tail_can_be_taken_back_and_said_again(amounts: list[int], seq: int) -> None:
    view, states = begun(), []
    states.append(state_of(view))
    for number, message in enumerate(tills.given(*amounts), start=1):
        view.apply(number, message)
        states.append(state_of(view))
    last = states[-1]
    kept = min(max(seq, 0), len(amounts))
    view.undo_after(kept)
    assert state_of(view) == states[kept]
    assert view.digest == view.computed_digest()
    for number in range(kept + 1, len(amounts) + 1):
        view.apply(number, tills.given(*amounts)[number - 1])
    assert state_of(view) == last
    view.close()


def test_it_holds_after_the_file_was_closed(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    with View(path, MODULE) as view:
        for seq, message in enumerate((b"\xc0",)):
            assert not view.apply(seq, message).is_applied
    with View(path, MODULE) as view:
        view.undo_after(-1)
        assert view.stamp.seq == -1


def test_a_view_without_changes_takes_nothing_back() -> None:
    with View(":memory:", MODULE, keeps_changes=False) as view, pytest.raises(AssertionError):
        view.undo_after(-1)
