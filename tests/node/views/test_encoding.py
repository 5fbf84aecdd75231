"""One form for each value, and nothing else is let through."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.views.encoding import check_row, decode, encode, uint256
from node.views.errors import Failure, ReducerFailed
from node.views.limits import DEPTH_MAX

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(),
    st.binary(max_size=300),
)
MESSAGES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=20), max_leaves=40)


@given(MESSAGES)
def test_a_message_comes_back_as_it_was(value: Any) -> None:
    assert decode(encode(value)) == value


@given(MESSAGES)
def test_another_library_writes_the_same_bytes(value: Any) -> None:
    assert msgpack.packb(value) == encode(value)


@given(st.binary(max_size=40))
def test_bytes_are_a_message_in_one_form_or_none(data: bytes) -> None:
    with suppress(ReducerFailed):
        assert encode(decode(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xcc\x01",  # 1 in two bytes
        b"\xd1\x00\x01",  # 1 with a sign
        b"\xd9\x01a",  # text of one byte, counted by a byte of its own
        b"\xc5\x00\x01a",  # bytes counted by two
        b"\xdc\x00\x01\x01",  # an array counted by two
        b"\xca\x3f\x80\x00\x00",  # 1.0
        b"\xcb" + bytes(8),
        b"\x80",  # a map
        b"\xd4\x01\x00",  # an extension
        b"\xd6\xff\x00\x00\x00\x00",  # a time
        b"\xc1",  # never used
        b"\xa1\xff",  # no text
        b"\x01\x01",  # two
        b"\x92\x01",  # half
        b"\xdd\xff\xff\xff\xff",  # a list of four billion
        b"\x91" * 100_000,
    ],
)
def test_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(ReducerFailed) as failed:
        decode(data)
    assert failed.value.failure is Failure.MESSAGE_NOT_CANONICAL


def test_arrays_go_as_deep_as_the_bound_and_no_deeper() -> None:
    assert decode(b"\x91" * DEPTH_MAX + b"\x01")
    with pytest.raises(ReducerFailed):
        decode(b"\x91" * (DEPTH_MAX + 1) + b"\x01")


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_amounts_sort_as_their_bytes_do(one: int, other: int) -> None:
    assert (one < other) == (uint256(one) < uint256(other))
    assert len(uint256(one)) == 32
    assert int.from_bytes(decode(encode(uint256(one))), "big") == one


@pytest.mark.parametrize("number", [-1, 2**256])
def test_an_amount_has_256_bits_and_no_sign(number: int) -> None:
    with pytest.raises(OverflowError):
        uint256(number)


def test_a_row_holds_what_sql_can_hold() -> None:
    check_row([None, 0, -(2**63), 2**63 - 1, "", b""])


@pytest.mark.parametrize(
    ("value", "failure"),
    [
        (True, Failure.VALUE_TYPE),
        (1.5, Failure.VALUE_TYPE),
        ([], Failure.VALUE_TYPE),
        ({}, Failure.VALUE_TYPE),
        (2**63, Failure.VALUE_RANGE),
        (-(2**63) - 1, Failure.VALUE_RANGE),
    ],
)
def test_a_row_holds_nothing_else(value: Any, failure: Failure) -> None:
    with pytest.raises(ReducerFailed) as failed:
        check_row([1, value])
    assert failed.value.failure is failure
