"""Amounts as people write them, exact to the wei."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.amounts import (
    AMOUNT_MAX,
    brief_amount,
    brief_of,
    format_amount,
    format_eth,
    format_of,
    parse_amount,
    parse_units,
)


@pytest.mark.parametrize(
    ("text", "amount_wei"),
    [
        ("0", 0),
        ("1000", 1000),
        ("17wei", 17),
        ("3gwei", 3 * 10**9),
        ("0.000000001 gwei", 1),
        ("1eth", 10**18),
        ("0.5 eth", 5 * 10**17),
        ("1.000000000000000001 ETH", 10**18 + 1),
        ("0.1ether", 10**17),
        (" 2.50 eth ", 25 * 10**17),
        ("007", 7),
        ("1.0", 1),
        (
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            2**256 - 1,
        ),
    ],
)
def test_what_people_write_is_exact(text: str, amount_wei: int) -> None:
    assert parse_amount(text) == amount_wei


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no amount"),
        ("-1", "no amount"),
        ("+1", "no amount"),
        ("1e18", "no amount|unknown unit"),
        ("0x10", "no amount|unknown unit"),
        (".5eth", "no amount"),
        ("1.eth", "no amount"),
        ("1,000", "no amount"),
        ("1 000", "no amount"),
        ("1_000", "no amount"),
        ("\u0661", "no amount"),
        ("nan", "no amount"),
        ("1 finney", "unknown unit"),
        ("1.5", "not a whole number"),
        ("1.5wei", "not a whole number"),
        ("0.0000000000000000001 eth", "not a whole number"),
        (str(2**256), "at most"),
        ("9" * 300, "no amount"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_amount(text)


@given(st.integers(min_value=0, max_value=AMOUNT_MAX))
def test_what_is_printed_can_be_typed_again(amount_wei: int) -> None:
    assert parse_amount(format_amount(amount_wei)) == amount_wei


@pytest.mark.parametrize(
    ("amount_wei", "text"),
    [
        (0, "0 wei"),
        (999_999, "999999 wei"),
        (3 * 10**9 + 1, "3.000000001 gwei"),
        (10**18, "1 ETH"),
        (-25 * 10**16, "-0.25 ETH"),
        (10**21, "1000 ETH"),
    ],
)
def test_the_unit_that_reads_best_is_chosen(amount_wei: int, text: str) -> None:
    assert format_amount(amount_wei) == text


@pytest.mark.parametrize(
    ("amount_wei", "text"),
    [
        (0, "0 wei"),
        (10**18, "1 ETH"),
        (10**18 - 1, "0.99999… ETH"),
        (1000 * 10**18 + 10**16, "1000.01 ETH"),
        (123_456_789_123, "123.456… gwei"),
        (99_999_999_999_999, "99999.9… gwei"),
        (1_234_567 * 10**18 + 10**16, "1234567.0… ETH"),
    ],
)
def test_a_brief_amount_says_that_it_is_cut(amount_wei: int, text: str) -> None:
    assert brief_amount(amount_wei) == text


@given(st.integers(min_value=-AMOUNT_MAX, max_value=AMOUNT_MAX))
def test_a_column_of_ether_is_exact_and_in_line(amount_wei: int) -> None:
    whole, _, fraction = format_eth(amount_wei).partition(".")
    assert len(fraction) == 18
    assert int(whole + fraction) == amount_wei


NATIVE, TOKEN = "0x" + "00" * 20, "0x" + "70" * 20


@pytest.mark.parametrize(("text", "amount"), [("0", 0), (" 1000 ", 1000), ("007", 7)])
def test_units_of_a_token_are_whole_numbers(text: str, amount: int) -> None:
    assert parse_units(text) == amount


@pytest.mark.parametrize("text", ["", "1eth", "1 wei", "1.0", "-1", "0x10", str(2**256), "9" * 300])
def test_a_token_knows_no_other_unit(text: str) -> None:
    with pytest.raises(ValueError, match=r"smallest units|at most"):
        parse_units(text)


def test_an_amount_is_shown_as_its_asset_counts() -> None:
    assert format_of(NATIVE, 10**18) == brief_of(NATIVE, 10**18) == "1 ETH"
    assert format_of(TOKEN, 10**18) == f"{10**18} units"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 units"),
        (999_999, "999999 units"),
        (10**18, "1e18 units"),
        (1_500_000, "1.5e6 units"),
        (1_234_567, "1.23456…e6 units"),
        (10**18 + 1, "1…e18 units"),
    ],
)
def test_a_brief_amount_of_a_token_says_that_it_is_cut(amount: int, text: str) -> None:
    assert brief_of(TOKEN, amount) == text
