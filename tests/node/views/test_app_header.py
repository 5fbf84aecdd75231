"""app.h, which reducers of app channels are written with, against Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.reducer_compiler import compile_reducer
from node.reducers.envelopes import envelope, opening
from node.views.encoding import encode, uint256
from node.views.errors import Failure
from node.views.module import load_module
from node.views.view import Verdict, View
from protocols.crypto import keccak256
from scripts.reducers import fetch_zig

EXERCISE = Path(__file__).parent / "shipped" / "app_exercise.c"
CHANNEL_ID, STAMP_MS = b"\x07" * 32, 1_700_000_000_000

pytestmark = pytest.mark.slow


class Exerciser:
    def __init__(self) -> None:
        self.view = View(":memory:", load_module(compile_reducer(fetch_zig(), EXERCISE)))
        self.seq = -1

    def payouts(self) -> list[tuple[int, int]]:
        rows = list(self.view.rows("payouts"))
        return [(place, int.from_bytes(amount, "big")) for place, amount in rows]

    def apply(self, message: bytes) -> Verdict:
        self.seq += 1
        return self.view.apply(self.seq, message)

    def ask(self, what: str, value: Any, channel_id: bytes = CHANNEL_ID, sender: int = 1) -> bytes:
        message = envelope(channel_id, sender, STAMP_MS, [what, value])
        assert self.apply(message).is_applied
        ((_, *said, found),) = self.view.rows("result")
        assert said == [sender, STAMP_MS, channel_id]
        assert isinstance(found, bytes)
        return found


@pytest.fixture(scope="module")
def exerciser() -> Iterator[Exerciser]:
    made = Exerciser()
    yield made
    made.view.close()


@pytest.mark.parametrize("size", [0, 1, 7, 8, 66, 135, 136, 137, 271, 272, 273, 4_000])
def test_keccak_is_ethereums(exerciser: Exerciser, size: int) -> None:
    data = bytes(number * 7 % 251 for number in range(size))
    assert exerciser.ask("keccak", data) == keccak256(data)


@settings(max_examples=60)
@given(amount=st.integers(0, 2**256 - 1), factor=st.integers(0, 2**32 - 1))
def test_amounts_are_multiplied_or_too_large(
    exerciser: Exerciser, amount: int, factor: int
) -> None:
    if amount * factor < 2**256:
        found = exerciser.ask("times", factor, uint256(amount))
        assert found == uint256(amount * factor)
    else:
        message = envelope(uint256(amount), 0, STAMP_MS, ["times", factor])
        assert exerciser.apply(message).failure is Failure.TRAP_UNREACHABLE


def test_where_a_contract_judges_the_game_there_is_no_time(exerciser: Exerciser) -> None:
    message = envelope(CHANNEL_ID, 1, 0, ["keccak", b""])
    assert exerciser.apply(message).is_applied
    assert next(iter(exerciser.view.rows("result")))[2] == 0


def test_whether_a_question_has_a_row(exerciser: Exerciser) -> None:
    exerciser.ask("keccak", b"", sender=0)
    assert exerciser.ask("has row", 0, sender=0) == uint256(1)
    assert exerciser.ask("has row", 1, sender=0) == uint256(0)


def test_payouts_begin_with_the_deposits_and_all_goes_to_one() -> None:
    exerciser = Exerciser()
    assert exerciser.payouts() == []
    assert exerciser.apply(opening(CHANNEL_ID, (0, 40))).code == 8
    assert exerciser.payouts() == []
    assert exerciser.apply(opening(CHANNEL_ID, (2**200, 40))).is_applied
    assert exerciser.payouts() == [(0, 2**200), (1, 40)]
    assert exerciser.ask("paid to", 0) == uint256(2**200)
    assert exerciser.ask("paid to", 1) == uint256(40)
    assert exerciser.ask("pay all", 1) == uint256(2**200 + 40)
    assert exerciser.payouts() == [(0, 0), (1, 2**200 + 40)]
    assert exerciser.ask("pay all", 0) == uint256(2**200 + 40)
    assert exerciser.payouts() == [(0, 2**200 + 40), (1, 0)]
    exerciser.view.close()


@pytest.mark.parametrize(
    "message",
    [
        [CHANNEL_ID, None, 0, [uint256(1)]],
        [CHANNEL_ID, None, 0, [uint256(1), uint256(2), uint256(3)]],
        [CHANNEL_ID, None, 1, [uint256(1), uint256(2)]],
        [CHANNEL_ID, None, 0, [1, 2]],
        [CHANNEL_ID, 0, STAMP_MS, ["keccak", b"", 1]],
        [b"short", 0, STAMP_MS, ["keccak", b""]],
        [CHANNEL_ID, 2, STAMP_MS, ["keccak", b""]],
        [CHANNEL_ID, 0, -1, ["keccak", b""]],
        [CHANNEL_ID, 0, ["keccak", b""]],
        [CHANNEL_ID, 0, STAMP_MS, ["keccak", b""], 1],
        [CHANNEL_ID, 0, STAMP_MS, ["keccak"]],
        ["keccak", b""],
    ],
)
def test_what_is_no_message_of_an_app_channel_is_a_trap(
    exerciser: Exerciser, message: list[Any]
) -> None:
    assert exerciser.apply(encode(message)).failure is Failure.TRAP_UNREACHABLE
