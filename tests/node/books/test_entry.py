"""Names of accounts, and whose they are."""

import pytest

from node.books import entry

ID, TARGET = b"\x11" * 32, b"\x22" * 32


@pytest.mark.parametrize(
    ("account", "ours"),
    [
        (entry.WALLET, True),
        (entry.GAS, True),
        (entry.FEES_EARNED, True),
        (entry.FORWARDED, True),
        (entry.channel_account(ID, "ours"), True),
        (entry.guarantee_account(ID, TARGET, "ours"), True),
        (entry.OUTSIDE, False),
        (entry.peer_account(b"\x33" * 20), False),
        (entry.channel_account(ID, "theirs"), False),
        (entry.channel_account(ID, "surplus"), False),
        (entry.channel_account(ID, "leaving"), False),
        (entry.guarantee_account(ID, TARGET, "theirs"), False),
    ],
)
def test_what_others_own_is_told_from_ours(account: str, ours: bool) -> None:
    assert entry.is_ours(account) == ours


def test_accounts_of_two_guarantees_for_one_channel_differ() -> None:
    # An intermediary has one on either side.
    assert entry.guarantee_account(ID, TARGET, "ours") != entry.guarantee_account(
        TARGET, TARGET, "ours"
    )
