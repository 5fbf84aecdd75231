"""The books as text: what a spreadsheet makes of it, and that others' text stays text."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.books import sheet
from node.books.entry import PAID, Entry, channel_account
from node.books.reading import Posted
from protocols.types import ZERO_ADDRESS

CHANNEL, PEER = b"\x11" * 32, b"\x22" * 20
OURS, THEIRS = channel_account(CHANNEL, "ours"), channel_account(CHANNEL, "theirs")


def posted(memo: str = "", reference: str = "0x0a") -> Posted:
    postings = ((OURS, -5), (PAID, 5), (THEIRS, 5), ("peer:0x22", -5))
    entry = Entry("payment", ZERO_ADDRESS, postings, CHANNEL, PEER, reference, memo)
    return Posted(7, 1_704_067_200_123, entry)


def read_back(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.header() + text)))


def test_every_posting_is_a_line_with_all_that_is_known() -> None:
    rows = read_back("".join(sheet.csv_lines(posted("coffee"))))
    assert [(row["account"], row["amount"]) for row in rows] == [
        (OURS, "-5"),
        (PAID, "5"),
        (THEIRS, "5"),
        ("peer:0x22", "-5"),
    ]
    assert rows[0]["seq"] == "7"
    assert rows[0]["time"] == "2024-01-01T00:00:00.123Z"
    assert rows[0]["channel"] == "0x" + CHANNEL.hex()
    assert rows[0]["counterparty"].lower() == "0x" + PEER.hex()
    assert (rows[0]["kind"], rows[0]["reference"], rows[0]["memo"]) == ("payment", "0x0a", "coffee")


def test_what_others_own_can_be_left_out_and_the_rest_still_balances() -> None:
    rows = read_back("".join(sheet.csv_lines(posted(), only_ours=True)))
    assert [row["account"] for row in rows] == [OURS, PAID]
    assert sum(int(row["amount"]) for row in rows) == 0


@pytest.mark.parametrize(
    "memo",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =cmd|' /C calc'!A0",
        "|x",
        "%0A",
        "\uff1d1",
    ],
)
def test_a_memo_is_never_a_formula(memo: str) -> None:
    assert read_back("".join(sheet.csv_lines(posted(memo))))[0]["memo"].startswith("'")


@given(memo=st.text(max_size=40), reference=st.text(max_size=40))
@example(memo='a "quoted", thing', reference="a\nb")
@example(memo="\u2028x", reference="'")
def test_any_text_is_one_cell_of_one_line(memo: str, reference: str) -> None:
    lines = list(sheet.csv_lines(posted(memo, reference)))
    assert all(line.count("\n") == 1 and line.endswith("\n") for line in lines)
    rows = list(csv.reader(io.StringIO("".join(lines))))
    assert [len(row) for row in rows] == [len(sheet.COLUMNS)] * 4
    for text in rows[0][-2:]:
        assert text == "" or text.lstrip()[:1] not in tuple("=+-@|%")


def test_json_has_the_same_values() -> None:
    values = sheet.entry_values(posted("coffee"))
    assert values["postings"][0] == {"account": OURS, "amount": "-5"}
    assert (values["seq"], values["time_ms"], values["memo"]) == (7, 1_704_067_200_123, "coffee")
    empty = sheet.entry_values(Posted(1, 2, Entry("gas", ZERO_ADDRESS, ())))
    assert (empty["channel_id"], empty["counterparty"]) == (None, None)


def test_balances_are_listed_by_asset_and_account() -> None:
    token = b"\x0a" * 20
    balances = {token: {OURS: 1}, ZERO_ADDRESS: {THEIRS: 2, OURS: -2}}
    rows = sheet.balance_values(balances)
    assert [(row["account"], row["balance"]) for row in rows] == [
        (OURS, "-2"),
        (THEIRS, "2"),
        (OURS, "1"),
    ]
    assert [row["account"] for row in sheet.balance_values(balances, only_ours=True)] == [OURS] * 2
