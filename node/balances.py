"""Whose the money of a channel is, and where: ours and the others', by all that both sides signed.

    on chain     what the adjudicator holds of ours outside of open channels: deposited before they
                 open, and not paid out after they were concluded
    channels     ours in direct payment and application channels that are open
    ledgers      ours in open ledgers, promised to nobody
    guaranteed   ours in what ledgers hold for virtual channels, by what was paid in those so far

A view for people: it takes every channel to end as it stands. What each party is sure of, whatever
the others do, is `protocols.exit_value`. A hub sees no vouchers, so until the final state names
what was paid, all of a channel counts as the hub's on its right and nothing of it on its left.
"""

from __future__ import annotations

from msgspec import Struct

from protocols.adjudication import exit_of, guarantee_place
from protocols.channel import (
    Channel,
    ChannelStatus,
    confirmed_holdings,
    funding_terms,
    is_finalised,
    own_rest,
    status,
    supported_final,
)
from protocols.ledger import Guarantee, Ledger
from protocols.node_state import NodeState
from protocols.outcome import SIMPLE, SingleAssetExit, destination_of
from protocols.types import Address

BEFORE_OPEN = (ChannelStatus.PROPOSED, ChannelStatus.FUNDING, ChannelStatus.REJECTED)


class Shares(Struct, frozen=True, gc=False):
    """One channel's money, smallest unit. Of a virtual channel it is in its ledgers' guarantees."""

    ours: int
    theirs: int
    """Of all others."""
    guaranteed: int = 0
    """Of a ledger: what it holds for virtual channels, in neither of the two."""


class Balance(Struct, frozen=True, gc=False):
    """Ours in one asset, smallest unit."""

    on_chain: int = 0
    channels: int = 0
    ledgers: int = 0
    guaranteed: int = 0
    withdrawn: int = 0
    """Paid out to our address since the log began: it is in the wallet, or was."""

    @property
    def total(self) -> int:
        """All that the node has at work; what was withdrawn is not in it."""
        return self.on_chain + self.channels + self.ledgers + self.guaranteed

    def plus(self, other: Balance, sign: int = 1) -> Balance:
        """Each part with the other's added, or taken off it."""
        return Balance(
            self.on_chain + sign * other.on_chain,
            self.channels + sign * other.channels,
            self.ledgers + sign * other.ledgers,
            self.guaranteed + sign * other.guaranteed,
            self.withdrawn + sign * other.withdrawn,
        )


def shares_of(channel: Channel) -> Shares:
    """Who has what in the channel if it ends as it stands; its prefund must be known."""
    if channel.ledger is not None:
        held = channel.ledger.current
        ours, theirs = held.leader, held.follower
        if channel.my_index:
            ours, theirs = theirs, ours
        return Shares(ours, theirs, sum(guarantee.amount for guarantee in held.guarantees))
    deposits, paid = funding_terms(channel).deposits, _paid(channel)
    if not channel.is_end:
        # A hub has nothing in it: what it gets on one side it gives on the other.
        return Shares(0, sum(deposits))
    ends = [deposits[0] - paid, deposits[-1] + paid]
    mine = 0 if channel.my_index == 0 else 1
    return Shares(ends[mine], ends[1 - mine])


def _paid(channel: Channel) -> int:
    """What the payee gets of the payer's deposit; below zero if the payer has won from it."""
    final = None if channel.ledger is not None else supported_final(channel)
    if final is not None:
        amount = channel.state(final).outcome[0].allocations[-1].amount
    elif channel.app is not None:
        amount = channel.app.supported.amounts[-1]
    else:
        return channel.vouchers.total
    return amount - funding_terms(channel).deposits[-1]


def balance_of(state: NodeState, channel: Channel) -> tuple[Address, Balance]:
    """Ours in what the chain holds for a channel, with its asset; nothing of a virtual one."""
    terms, shown = funding_terms(channel), status(channel)
    if channel.virtual is not None or not channel.is_end:
        return terms.asset, Balance()
    withdrawn = max(
        sum(amount for to, amount in channel.withdrawn if to == channel.me), _left_outcome(channel)
    )
    held = confirmed_holdings(channel, terms.asset)
    if shown in BEFORE_OPEN:
        # The first of two deposits first, the other behind it.
        is_first = channel.my_index == 0
        before = 0 if is_first else terms.deposits[0]
        deposited = min(max(held - before, 0), terms.deposits[0 if is_first else -1])
        return terms.asset, Balance(on_chain=deposited, withdrawn=withdrawn)
    if shown == ChannelStatus.CLOSED:
        return terms.asset, Balance(withdrawn=withdrawn)
    exit_ = None if channel.adjudicated is None else exit_of(channel.adjudicated.outcome)
    if shown == ChannelStatus.EXPIRED and exit_ is not None:
        return terms.asset, Balance(
            on_chain=own_rest(channel, exit_),
            guaranteed=_promised_still(state, channel, exit_),
            withdrawn=withdrawn,
        )
    if shown == ChannelStatus.CONCLUDED:
        left = max(_concluded_share(channel) - withdrawn, 0)
        return terms.asset, Balance(on_chain=left, withdrawn=withdrawn)
    ours = shares_of(channel).ours
    if channel.fixed.app_definition != state.node.consensus_app:
        return terms.asset, Balance(channels=ours, withdrawn=withdrawn)
    promised = 0 if channel.ledger is None else _promised(state, channel, channel.ledger)
    return terms.asset, Balance(ledgers=ours, guaranteed=promised, withdrawn=withdrawn)


def _left_outcome(channel: Channel) -> int:
    """What of ours left a final outcome: told a record before it is told to whom it was paid."""
    known = channel.adjudicated
    first = None if known is None else exit_of(known.first_outcome)
    now = None if known is None else exit_of(known.outcome)
    if first is None or now is None or not is_finalised(channel):
        return 0
    return own_rest(channel, first) - own_rest(channel, now)


def _concluded_share(channel: Channel) -> int:
    """What the final state gives us; without it (a cut tail forgot it), as things stood."""
    final = supported_final(channel)
    if final is None:
        return shares_of(channel).ours
    mine = destination_of(channel.me)
    return sum(
        allocation.amount
        for allocation in channel.state(final).outcome[0].allocations
        if allocation.allocation_type == SIMPLE and allocation.destination == mine
    )


def _promised_still(state: NodeState, channel: Channel, exit_: SingleAssetExit) -> int:
    """Our part of the guarantees that a final ledger's outcome holds still."""
    mine = destination_of(channel.me)
    guarantees = () if channel.ledger is None else channel.ledger.current.guarantees
    return sum(
        _share_of_guarantee(state, guarantee, is_left=guarantee.left == mine)
        for guarantee in guarantees
        if guarantee_place(exit_, guarantee.target) is not None
    )


def _promised(state: NodeState, channel: Channel, ledger: Ledger) -> int:
    """Our part of all that the ledger guarantees."""
    mine = destination_of(channel.me)
    return sum(
        _share_of_guarantee(state, guarantee, is_left=guarantee.left == mine)
        for guarantee in ledger.current.guarantees
    )


def _share_of_guarantee(state: NodeState, guarantee: Guarantee, *, is_left: bool) -> int:
    target = state.channels.get(guarantee.target)
    to_right = 0
    if target is not None and target.turns:
        to_right = funding_terms(target).deposits[-1] + _paid(target)
    return guarantee.amount - to_right if is_left else to_right
