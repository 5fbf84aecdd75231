"""Reducers in C: the library they include does what it says, against Python and msgspec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.reducer_compiler import CompilationFailed, compile_reducer
from node.views.encoding import encode, uint256
from node.views.errors import Failure
from node.views.module import load_module
from node.views.view import Verdict, View
from scripts.reducers import fetch_zig

EXERCISE = Path(__file__).parent / "views" / "shipped" / "exercise.c"
UINT256 = st.one_of(
    st.integers(0, 2**256 - 1),
    st.sampled_from([0, 1, 2**64 - 1, 2**64, 2**128, 2**192 - 1, 2**256 - 2**64, 2**256 - 1]),
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def code() -> bytes:
    return compile_reducer(fetch_zig(), EXERCISE)


class Exerciser:
    """A view of the exercise; asks one thing after the other."""

    def __init__(self, code: bytes) -> None:
        self.view = View(":memory:", load_module(code))
        self.seq = -1

    def apply(self, *message: Any) -> Verdict:
        self.seq += 1
        return self.view.apply(self.seq, encode(message))

    def ask(self, *message: Any) -> tuple[Any, ...]:
        verdict = self.apply(*message)
        assert verdict.is_applied, verdict
        ((_, number, value),) = self.view.rows("result")
        return number, value


@pytest.fixture(scope="module")
def exerciser(code: bytes) -> Iterator[Exerciser]:
    made = Exerciser(code)
    yield made
    made.view.close()


VALUES = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, -32, -33, -128, -129])
    | st.sampled_from([-32768, -32769, -(2**31), -(2**31) - 1])
    | st.text(max_size=40)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20),
    max_leaves=40,
)


@settings(max_examples=150, deadline=None)
@given(value=VALUES)
def test_what_is_read_is_written_again_in_the_same_form(exerciser: Exerciser, value: Any) -> None:
    if len(encode(value)) > 4_000:
        return
    is_at_end, written = exerciser.ask("echo", value)
    assert is_at_end == 1
    assert written == encode(value) == msgpack.packb(value)


@pytest.mark.parametrize("size", [31, 32, 255, 256, 4_000])
def test_sizes_of_text_and_bytes_have_their_shortest_form(exerciser: Exerciser, size: int) -> None:
    for value in ("a" * size, b"a" * size):
        if len(encode(value)) <= 4_096:
            assert exerciser.ask("echo", value) == (1, encode(value))


@settings(max_examples=150, deadline=None)
@given(one=UINT256, other=UINT256)
def test_amounts_are_pythons_integers(exerciser: Exerciser, one: int, other: int) -> None:
    pair = uint256(one), uint256(other)
    total, rest = one + other, one - other
    assert exerciser.ask("add", *pair) == (int(total >> 256 > 0), uint256(total % 2**256))
    assert exerciser.ask("sub", *pair) == (int(rest < 0), uint256(rest % 2**256))
    assert exerciser.ask("compare", *pair)[0] == (one > other) - (one < other)
    assert exerciser.ask("min", *pair) == (0, uint256(min(one, other)))


def test_a_question_sees_what_earlier_messages_wrote(exerciser: Exerciser) -> None:
    exerciser.ask("echo", "before")
    written = exerciser.ask("echo", "before")[1]
    size, answer = exerciser.ask("ask")
    assert msgpack.unpackb(answer) == [[1, written]]
    assert size == len(answer)


def test_a_refusal_leaves_nothing(exerciser: Exerciser) -> None:
    before = exerciser.ask("echo", 1)
    assert exerciser.apply("refuse", 77).code == 77
    ((_, *after),) = exerciser.view.rows("result")
    assert tuple(after) == before


def test_memory_is_clean_and_ends_where_the_budget_says(exerciser: Exerciser) -> None:
    assert exerciser.ask("take", 10_000_000) == (1, b"")
    assert exerciser.ask("take", 10_000_000) == (1, b"")
    assert exerciser.apply("take", 17_000_000).failure is Failure.TRAP_UNREACHABLE


@pytest.mark.parametrize(
    "message", [(), ("add", b"short", bytes(32)), ("echo",), ("take", "text"), ("refuse", -1)]
)
def test_a_message_of_another_shape_is_a_trap(
    exerciser: Exerciser, message: tuple[Any, ...]
) -> None:
    assert exerciser.apply(*message).failure is Failure.TRAP_UNREACHABLE


def test_the_same_source_gives_the_same_bytes_wherever_it_lies(code: bytes, tmp_path: Path) -> None:
    moved = tmp_path / "exercise.c"
    moved.write_bytes(EXERCISE.read_bytes())
    assert compile_reducer(fetch_zig(), moved) == code
    assert len(code) < 16_384


def test_what_does_not_compile_says_why(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    wrong.write_text('#include "abi.h"\nint main(void) { return unknown; }\n')
    with pytest.raises(CompilationFailed, match="unknown"):
        compile_reducer(fetch_zig(), wrong)
    with pytest.raises(CompilationFailed):
        compile_reducer(fetch_zig(), tmp_path / "missing.c")
    with pytest.raises(CompilationFailed, match="no-such-zig"):
        compile_reducer(["no-such-zig"], wrong)
