"""One entry of the books, and the names of the accounts it posts to.

Ours are the assets: the wallet, our share of each channel, our share of each guarantee. What comes
or goes for good stands against income and expense. Of the other parties' money, which our channels
hold as well, every movement stands against an account of theirs, so that what a channel holds is
the sum of its accounts. An entry's postings sum to zero, and so do ours alone.
"""

from __future__ import annotations

from msgspec import Struct

from protocols.types import Address, ChannelId

WALLET = "wallet"
"""Our address on chain: less what it put into channels and paid as gas, more what came out."""
OUTSIDE = "outside"
"""Whoever is no party: strangers' deposits, and payouts until the log says to whom they went."""
GAS = "expense:gas"
PAID = "expense:payments"
RECEIVED = "income:payments"
APPLICATIONS = "income:applications"
"""What applications gave us, less what they took."""
FEES_PAID = "expense:hub-fees"
FEES_EARNED = "income:hub-fees"
"""Of an intermediary: what it was given for a channel, less what it gave on."""
FORWARDED = "forwarded"
"""What an intermediary paid on one side and got on the other; zero once both sides are settled."""
RESTORED = "restored"
"""What a state showed that both had signed and we had lost: no record says how it came about."""


class Entry(Struct, frozen=True, gc=False):
    """What one record did to the accounts, in one asset."""

    kind: str
    """deposit, payment, guarantee, settlement, release, hub-fee, payout, gas, restored, ..."""
    asset: Address
    postings: tuple[tuple[str, int], ...]
    """Account and amount, smallest unit; more than zero adds to the account."""
    channel_id: ChannelId = b""
    """Empty for gas that is no channel's."""
    counterparty: Address = b""
    reference: str = ""
    """What names a payment: its id, or the request id of one in a ledger; a transaction's hash."""
    memo: str = ""


def peer_account(peer: Address) -> str:
    """What a party's own wallet gave and got, as far as our channels saw it."""
    return f"peer:0x{peer.hex()}"


def channel_account(channel_id: ChannelId, part: str) -> str:
    """ours, theirs, surplus (above what the parties agreed to put in) or leaving (left the
    channel, and no record said yet to whom; never above zero)."""
    return f"channel:0x{channel_id.hex()}:{part}"


def guarantee_account(ledger_id: ChannelId, target: ChannelId, part: str) -> str:
    """ours or theirs of what a ledger guarantees for a virtual channel."""
    return f"guarantee:0x{ledger_id.hex()}:0x{target.hex()}:{part}"


def is_ours(account: str) -> bool:
    """Whether the account is of our own money: theirs, and what is nobody's, are not."""
    return not account.startswith(("peer:", OUTSIDE)) and not account.endswith(
        (":theirs", ":surplus", ":leaving")
    )
