"""Words: short names, times, and texts of others made harmless."""

import pytest

from node.explain.words import (
    TEXT_LENGTH_MAX,
    counted,
    harmless,
    moment,
    quoted,
    short,
    short_address,
    short_bytes,
    span,
)
from tests.support.actors import ALICE


def test_long_names_are_cut_in_the_middle_and_short_ones_left() -> None:
    assert short_bytes(bytes(range(32))) == "0x0001…1e1f"
    assert short("0x12345678") == "0x12345678"
    assert short_address(ALICE.address)[:2] == "0x"


def test_what_a_terminal_would_obey_becomes_a_space() -> None:
    assert harmless("a\x1b[2Jb\nc\u202ed\u2028e\x00") == "a [2Jb c d e "
    assert quoted('tea "hot"') == '"tea "hot""'


def test_a_long_text_is_cut_and_says_so() -> None:
    assert harmless("x" * TEXT_LENGTH_MAX) == "x" * TEXT_LENGTH_MAX
    assert harmless("x" * 10**6) == "x" * TEXT_LENGTH_MAX + "…"


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (3_250, "3.2 s"),
        (300_000, "5 min"),
        (86_400_000, "24 h"),
        (3 * 86_400_000, "3 days"),
    ],
)
def test_spans_are_told_in_the_unit_that_fits(duration_ms: int, text: str) -> None:
    assert span(duration_ms) == text


def test_moments_are_utc_and_no_number_is_too_large_for_them() -> None:
    assert moment(1_704_067_200_123) == "2024-01-01 00:00:00.123"
    assert moment(2**63) == f"{2**63} ms after 1970"


def test_counts_have_their_plural() -> None:
    assert [counted(n, "payment") for n in (0, 1, 1_240)] == [
        "0 payments",
        "1 payment",
        "1,240 payments",
    ]
