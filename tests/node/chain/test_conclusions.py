"""A conclusion's two logs are one fact, and amounts of anything else are nobody's."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from node.chain.conclusions import joined
from tests.support.builders import chain_log

CONCLUDED = chain_log("Concluded", 9, log_index=4, number=7)
AMOUNTS = chain_log("OutcomeConcluded", 9, log_index=5, amounts=(6, 4))
DEPOSITED = chain_log("Deposited", 9, log_index=3, amount=1)
PAID = chain_log("OutcomePaid", 9, log_index=6, indices=(0,), amounts=(6,))


def test_a_conclusion_has_the_amounts_that_follow_it() -> None:
    found = tuple(joined((DEPOSITED, CONCLUDED, AMOUNTS, PAID)))
    assert found == (DEPOSITED, replace(CONCLUDED, amounts=(6, 4)), PAID)


def test_two_conclusions_in_one_transaction_keep_their_own() -> None:
    other = {"channel_id": b"\x01" * 32}
    second = replace(CONCLUDED, log_index=6, **other)
    theirs = replace(AMOUNTS, log_index=7, amounts=(1,), **other)
    found = tuple(joined((CONCLUDED, AMOUNTS, second, theirs)))
    assert [log.amounts for log in found] == [(6, 4), (1,)]


@pytest.mark.parametrize(
    "fields",
    [
        {"log_index": 6},
        {"tx_hash": b"\x01" * 32},
        {"block_hash": b"\x01" * 32},
        {"channel_id": b"\x01" * 32},
    ],
)
def test_amounts_from_elsewhere_are_nobodys(fields: dict[str, Any]) -> None:
    assert tuple(joined((CONCLUDED, replace(AMOUNTS, **fields)))) == (CONCLUDED,)


def test_amounts_without_a_conclusion_are_left_out() -> None:
    assert tuple(joined((AMOUNTS,))) == ()
    assert tuple(joined((DEPOSITED, replace(AMOUNTS, log_index=4)))) == (DEPOSITED,)
    assert tuple(joined((CONCLUDED,))) == (CONCLUDED,)
