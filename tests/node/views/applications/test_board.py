"""The board: what is posted stays, in the order in which it came."""

from __future__ import annotations

import random
from typing import Any

import pytest

from node.views.errors import Failure
from tests.support.applications import Application

NO_SUCH_ACTION, EMPTY, TOO_LONG, NO_SUCH_POST = range(1, 5)


def test_posts_are_added_and_never_change() -> None:
    draw = random.Random(1)
    with Application("board", (5, 0)) as board:
        expected: list[tuple[Any, ...]] = []
        for number in range(1, 120):
            author, stamp_ms = draw.randrange(2), 1_700_000_000_000 + number // 3
            text = draw.choice(["a", "ü", "\0", "x" * 1_000, "'; DROP TABLE posts", "𝄞"])
            if expected and draw.random() < 0.5:
                reply_to = draw.randrange(1, number)
                verdict = board.say(author, ["reply", reply_to, text], stamp_ms)
            else:
                reply_to = None
                verdict = board.say(author, ["post", text], stamp_ms)
            assert verdict.is_applied
            expected.append((number, author, stamp_ms, reply_to, text))
            assert verdict.change_count == 1
        assert board.rows("posts") == expected
        assert board.payouts() == (5, 0)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ([], NO_SUCH_ACTION),
        (["edit", 1, "b"], NO_SUCH_ACTION),
        (["delete", 1], NO_SUCH_ACTION),
        (["post"], NO_SUCH_ACTION),
        (["post", "a", "b"], NO_SUCH_ACTION),
        (["reply", "a"], NO_SUCH_ACTION),
        (["post", ""], EMPTY),
        (["reply", 1, ""], EMPTY),
        (["post", "a" * 1_001], TOO_LONG),
        (["post", "ü" * 501], TOO_LONG),
        (["reply", 0, "a"], NO_SUCH_POST),
        (["reply", 2, "a"], NO_SUCH_POST),
        (["reply", -(2**63), "a"], NO_SUCH_POST),
    ],
)
def test_what_is_no_post_is_refused(payload: list[Any], code: int) -> None:
    with Application("board") as board:
        assert board.say(0, ["post", "first"]).is_applied
        before = board.rows("posts")
        assert board.say(1, payload).code == code
        assert board.rows("posts") == before


@pytest.mark.parametrize(
    "payload", ["post", ["post", 7], ["post", b"a"], ["reply", "1", "a"], [None]]
)
def test_a_message_of_another_form_is_a_failure(payload: Any) -> None:
    with Application("board") as board:
        assert board.say(0, payload).failure is Failure.TRAP_UNREACHABLE


def test_a_post_costs_the_same_however_many_there_are() -> None:
    with Application("board") as board:
        first = board.say(0, ["post", "a"])
        for _ in range(300):
            last = board.say(0, ["post", "a"])
        assert last.steps == first.steps
