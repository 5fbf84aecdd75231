"""Amounts in words."""

import pytest

from node.amounts import format_amount, format_of


@pytest.mark.parametrize(
    ("amount_wei", "text"),
    [(0, "0 wei"), (17, "17 wei"), (3 * 10**9, "3 gwei"), (25 * 10**16, "0.25 ETH")],
)
def test_the_unit_is_the_one_that_reads_best(amount_wei: int, text: str) -> None:
    assert format_amount(amount_wei) == format_of("0x00", amount_wei) == text
    assert format_amount(-amount_wei) in (f"-{text}", "0 wei")


def test_a_token_is_counted_in_its_smallest_units() -> None:
    assert format_of("0x" + "11" * 20, 10**18) == f"{10**18} units"
