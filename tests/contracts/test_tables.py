"""The contract tables: every row's call gives the result, the events and the changes it says."""

from __future__ import annotations

import pytest

from tests.support.contract_rows import PACKINGS, ROWS, TABLES, put_word
from tests.support.contract_tables import Row, packed, play
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import Nitro, deploy_nitro

PUBLISHED_COUNTS = {
    "deposit": 10,
    "challenge": 13,
    "checkpoint": 10,
    "conclude": 8,
    "transfer": 18,
    "redemption": 15,
}
"""How many rows Nitro's own tables have."""


@pytest.fixture(scope="module")
def ours() -> Nitro:
    return deploy_nitro(EvmRpc())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_does_what_it_says_and_nothing_else(ours: Nitro, row: Row) -> None:
    case, done = play(ours, row)
    assert done.reason == case.reason
    assert done.events == case.events
    assert done.changes == case.changes


@pytest.mark.parametrize("table", PUBLISHED_COUNTS)
def test_no_table_is_shorter_than_nitros(table: str) -> None:
    assert len(TABLES[table]) >= PUBLISHED_COUNTS[table]


@pytest.mark.parametrize("word", PACKINGS.values(), ids=PACKINGS)
def test_a_status_word_is_packed_as_published(ours: Nitro, word: tuple[int, int, int]) -> None:
    channel_id = put_word(ours, word)
    assert ours.adjudicator.call("statusOf", channel_id) == packed(word)
    assert ours.adjudicator.call("unpackStatus", channel_id) == word
    assert ours.adjudicator.call("firstFingerprintOf", channel_id) == 0


def test_the_paid_bit_never_shows(ours: Nitro) -> None:
    channel_id = put_word(ours, (5, 2**47 + 1_700_000_000, 77))
    assert ours.adjudicator.call("unpackStatus", channel_id) == (5, 1_700_000_000, 0)
    assert ours.adjudicator.call("statusOf", channel_id) == packed((5, 1_700_000_000, 0))
    assert ours.adjudicator.call("firstFingerprintOf", channel_id) == 77
