"""Moments as callers name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.moments import (
    COUNT_MAX,
    AtBlock,
    AtRecord,
    AtTime,
    Moment,
    date_text,
    parse_moment,
    utc_text,
)

TEN_MS = 1_795_255_200_000
"""2026-11-21, ten o'clock in Greenwich."""


@pytest.mark.parametrize(
    ("named", "moment"),
    [
        (0, AtRecord(0)),
        (1234, AtRecord(1234)),
        ("1234", AtRecord(1234)),
        (COUNT_MAX, AtRecord(COUNT_MAX)),
        ("2026-11-21T10:00:00Z", AtTime(TEN_MS)),
        ("2026-11-21T11:00:00+01:00", AtTime(TEN_MS)),
        ("2026-11-21 10:00Z", AtTime(TEN_MS)),
        ("2026-11-21T10:00:00.123Z", AtTime(TEN_MS + 123)),
        # What a message of ours calls a time: to the millisecond, not one less.
        ("2026-11-21T10:00:00.999999Z", AtTime(TEN_MS + 999)),
        (f"{TEN_MS // 1_000}s", AtTime(TEN_MS)),
        (f"{TEN_MS}ms", AtTime(TEN_MS)),
        ("0s", AtTime(0)),
        ("block:123", AtBlock(123)),
        ("block:0", AtBlock(0)),
    ],
)
def test_what_names_a_moment(named: int | str, moment: Moment) -> None:
    assert parse_moment(named) == moment


@pytest.mark.parametrize(
    "named",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "0x10",
        "1e3",
        "-1",
        "١٢",
        "block:",
        "block:-1",
        "block: 1",
        "BLOCK:1",
        "blocks:1",
        "12h",
        "1.5s",
        "2026-13-01T00:00:00Z",
        "2026-11-21T25:00:00Z",
        "yesterday",
        "9" * 5_000,
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "2026-11-21T10:00:00Z\x00",
    ],
)
def test_what_names_none_is_told_what_would(named: str) -> None:
    with pytest.raises(ValueError, match="block:123"):
        parse_moment(named)


@pytest.mark.parametrize("named", [-1, COUNT_MAX + 1, str(COUNT_MAX + 1), f"{COUNT_MAX}s"])
def test_numbers_have_bounds(named: int | str) -> None:
    with pytest.raises(ValueError, match="below 0 or above"):
        parse_moment(named)


def test_times_before_1970_are_below_the_bounds() -> None:
    with pytest.raises(ValueError, match="below 0"):
        parse_moment("1969-12-31T23:59:59Z")


@pytest.mark.parametrize("named", ["2026-11-21", "2026-11-21T10:00:00"])
def test_a_time_without_a_zone_is_refused(named: str) -> None:
    with pytest.raises(ValueError, match="no zone"):
        parse_moment(named)


@pytest.mark.slow
@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_refused(named: str) -> None:
    try:
        moment = parse_moment(named)
    except ValueError:
        return
    assert isinstance(moment, AtRecord | AtTime | AtBlock)


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_that_is_shown_can_be_given_back(time_ms: int) -> None:
    assert parse_moment(utc_text(time_ms)) == AtTime(time_ms)


def test_a_time_beyond_the_calendar_is_shown_too() -> None:
    assert utc_text(2**62) == f"{2**62}ms"
    assert parse_moment(f"{2**62}ms") == AtTime(2**62)


def test_a_time_of_the_chain_is_a_date_as_far_as_the_calendar_reaches() -> None:
    assert date_text(0) == "1970-01-01 00:00:00 UTC"
    assert date_text(1_704_070_800) == "2024-01-01 01:00:00 UTC"
    assert date_text(253_402_300_799) == "9999-12-31 23:59:59 UTC"
    for time_s in (253_402_300_800, 2**48, 2**256):
        assert date_text(time_s) == f"{time_s} s after 1970"


def test_a_moment_names_itself() -> None:
    assert list(map(str, (AtRecord(1), AtTime(TEN_MS), AtBlock(2)))) == [
        "record 1",
        "2026-11-21T10:00:00.000Z",
        "block 2",
    ]
