"""What the books know of a channel, and which change undoes which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.books.channel import Change, ChannelBook
from protocols.state import FixedPart

LEFT, RIGHT = b"\x01" * 32, b"\x02" * 32
ADDED = Change(2, "add", b"\x03" * 32, 100, LEFT, RIGHT, 90, 7, "", is_refused=True)
MOVED = Change(2, "move", bytes(32), 5, LEFT, RIGHT, 0, 0, "rent", is_refused=True)


def book(my_index: int, count: int = 3) -> ChannelBook:
    people = tuple(bytes([number]) * 20 for number in range(1, count + 1))
    fixed = FixedPart(people, 1, b"\x09" * 20, 86_400)
    return ChannelBook(fixed.channel_id(), fixed, my_index, is_ledger=False)


@pytest.mark.parametrize(
    ("my_index", "counterparty", "hub"), [(0, 3, False), (1, 3, True), (2, 1, False)]
)
def test_everybody_has_somebody_at_the_other_end(
    my_index: int, counterparty: int, hub: bool
) -> None:
    found = book(my_index)
    assert found.counterparty == bytes([counterparty]) * 20
    assert (found.is_hub, found.is_payer) == (hub, my_index == 0)


def test_a_refused_change_is_undone_by_its_inverse_alone() -> None:
    inverse = replace(ADDED, kind="remove", turn_num=3, is_refused=False)
    assert ADDED.is_undone_by(inverse)
    assert not replace(ADDED, is_refused=False).is_undone_by(inverse)
    for other in (
        replace(inverse, target=bytes(32)),
        replace(inverse, amount=99),
        replace(inverse, left_amount=89),
        replace(inverse, fee=6),
        replace(inverse, kind="add"),
    ):
        assert not ADDED.is_undone_by(other)
    back = replace(MOVED, left=RIGHT, right=LEFT, turn_num=3)
    assert MOVED.is_undone_by(back)
    assert not MOVED.is_undone_by(replace(MOVED, turn_num=3))
    assert not MOVED.is_undone_by(inverse)


def test_a_guarantees_accounts_name_the_ledger_and_the_channel() -> None:
    channel, ledger = book(0), book(0, 2)
    ours, theirs = channel.carried_by(ledger)
    for account in (ours, theirs):
        assert channel.channel_id.hex() in account
        assert ledger.channel_id.hex() in account
    assert ours != theirs
