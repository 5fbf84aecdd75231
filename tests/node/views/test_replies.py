"""What a reducer hands over is taken apart without trust."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.views.errors import Failure, ReducerFailed
from node.views.limits import CODE_MAX
from node.views.replies import decode_question, decode_reply, decode_write
from tests.support.reducers import pack

ROWS = st.lists(
    st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=5), st.binary(max_size=5)
    ),
    max_size=3,
)
WRITES = st.tuples(st.text(max_size=10), st.lists(ROWS, max_size=3)).map(list)


@given(st.integers(0, CODE_MAX), st.lists(WRITES, max_size=3))
def test_a_reply_is_its_code_and_its_writes(code: int, writes: list[Any]) -> None:
    reply = decode_reply(pack([code, writes]))
    assert reply.code == code
    assert [[write.sql, write.rows] for write in reply.writes] == writes


@given(WRITES)
def test_a_write_is_its_statement_and_its_rows(write: list[Any]) -> None:
    decoded = decode_write(pack(write))
    assert [decoded.sql, decoded.rows] == write


@given(st.text(max_size=10), ROWS)
def test_a_question_is_its_statement_and_its_values(sql: str, row: list[Any]) -> None:
    decoded = decode_question(pack([sql, row]))
    assert (decoded.sql, decoded.row) == (sql, row)


@given(st.binary(max_size=50))
def test_no_bytes_do_more_than_fail(data: bytes) -> None:
    for decode in (decode_reply, decode_write, decode_question):
        with suppress(ReducerFailed):
            decode(data)


@pytest.mark.parametrize("value", [-1, CODE_MAX + 1, 0.0, True, None, "0"])
def test_a_code_is_a_number_of_31_bits(value: Any) -> None:
    with pytest.raises(ReducerFailed) as failed:
        decode_reply(pack([value, []]))
    assert failed.value.failure is Failure.REPLY_MALFORMED


@pytest.mark.parametrize("value", [1.5, True, [1], {"a": 1}, 2**63])
def test_a_value_in_a_row_is_checked_wherever_rows_are(value: Any) -> None:
    for data, decode in (
        (pack([0, [["x", [[1], [value]]]]]), decode_reply),
        (pack(["x", [[value]]]), decode_write),
        (pack(["x", [value]]), decode_question),
    ):
        with pytest.raises(ReducerFailed) as failed:
            decode(data)
        assert failed.value.failure in {Failure.VALUE_TYPE, Failure.VALUE_RANGE}


ANY_VALUE = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([2**63 - 1, 2**63, -(2**63)]),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.booleans(),
    st.floats(allow_nan=False),
    st.lists(st.integers(), max_size=0),
)


@given(st.lists(st.lists(ANY_VALUE, min_size=1, max_size=3), min_size=2, max_size=5))
def test_many_rows_are_judged_as_one_after_the_other(rows: list[list[Any]]) -> None:
    def verdict(some: list[list[Any]]) -> Failure | None:
        try:
            decode_reply(pack([0, [["INSERT", some]]]))
        except ReducerFailed as failed:
            return failed.failure
        return None

    each = [verdict([row]) for row in rows]
    assert verdict(rows) == next((failure for failure in each if failure is not None), None)
