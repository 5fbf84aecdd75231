"""What this node's share in virtual channels comes to: by peer, by ledger, and as an intermediary.

A channel counts from our approval until its guarantees are gone, so that room is taken before the
first guarantee is proposed. The sums are a view of channels and objectives, kept by `apply` and
not digested: each answer costs one look-up, however many channels there are.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

from protocols.channel import PREFUND_TURN, Channel, funding_terms
from protocols.sharing import shared
from protocols.table import Table
from protocols.types import Address, ChannelId

_Key = TypeVar("_Key")


class Share(Struct, frozen=True, array_like=True, gc=False):
    """One virtual channel as it weighs on this node."""

    asset: Address
    amount: int
    """The channel's deposit: what each ledger that carries it guarantees."""
    peers: tuple[Address, ...]
    """Our neighbours on the path."""
    ledgers: tuple[ChannelId, ...]
    fee: int
    """What we keep as an intermediary."""
    as_hub: bool


def share_of(channel: Channel) -> Share:
    """Our share in a virtual channel, from its prefund and what carries it."""
    virtual, place = channel.virtual, channel.my_index
    assert virtual is not None, "only virtual channels are carried"
    participants, terms = channel.fixed.participants, funding_terms(channel)
    peers = participants[max(0, place - 1) : place] + participants[place + 1 : place + 2]
    ledgers = tuple(ledger for ledger in (virtual.left_ledger, virtual.right_ledger) if ledger)
    as_hub = not channel.is_end
    fee = virtual.fees[place - 1] if as_hub else 0
    return Share(terms.asset, terms.total, shared(peers), shared(ledgers), fee, as_hub)


class Carried:
    """The shares of all virtual channels that count now, and their sums."""

    def __init__(self) -> None:
        self.shares: Table[ChannelId, Share] = Table()
        self.exposure: dict[tuple[Address, Address], int] = {}
        """By peer and asset: guarantees in our ledgers with that peer, smallest unit."""
        self.amount_as_hub: dict[Address, int] = {}
        """By asset: all channels that we carry between others."""
        self.fees_earned: Table[Address, int] = Table()
        """By asset: fees of all channels that opened through us, closed ones included."""
        self.count: dict[ChannelId, int] = {}
        """By ledger: channels that it carries, or has room set aside for."""

    def take(self, channel: Channel) -> None:
        """The channel counts from now on, once, with the ledgers that are known by now.

        It does not count before its prefund is known.
        """
        if channel.virtual is None or channel.turn(PREFUND_TURN) is None:
            return
        # A payee is approved before it hears which ledger will carry the channel.
        self.release(channel.channel_id)
        share = share_of(channel)
        self.shares[channel.channel_id] = share
        self._add(share, 1)

    def rebuild(self) -> None:
        """The sums anew, from shares that were restored."""
        for share in self.shares.values():
            self._add(share, 1)

    def release(self, channel_id: ChannelId) -> None:
        """Its guarantees are gone, or will never be made."""
        share = self.shares.pop(channel_id, None)
        if share is not None:
            self._add(share, -1)

    def opened(self, channel: Channel) -> None:
        """The channel opened: what we take for it is ours."""
        if channel.virtual is not None and not channel.is_end:
            share = share_of(channel)
            _count(self.fees_earned, share.asset, share.fee)

    def _add(self, share: Share, sign: int) -> None:
        for peer in share.peers:
            _count(self.exposure, (peer, share.asset), sign * share.amount)
        for ledger in share.ledgers:
            _count(self.count, ledger, sign)
        if share.as_hub:
            _count(self.amount_as_hub, share.asset, sign * share.amount)


def _count(sums: dict[_Key, int], key: _Key, amount: int) -> None:
    """Add, and forget what comes to nothing: closed ledgers would stay for ever."""
    total = sums.get(key, 0) + amount
    if total:
        sums[key] = total
    else:
        sums.pop(key, None)
