"""Events of leaving alone: what the chain did with a channel that was disputed.

Confirmed facts, beside the catalogue's (`events`): the contracts' own words on outcomes (M4), and
time, which no log tells of. And what we handed out so that somebody else can do it for us.
"""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, Bytes32, ChannelId, Signature, StateHash


class OutcomePaid(Event, frozen=True, array_like=True, gc=False):
    """Shares of a finalised channel were paid out, by whomever's transaction."""

    NAME = "outcome-paid"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    log_index: int
    asset_index: int
    indices: tuple[int, ...]
    """Which allocations, by their places in the outcome as it stood."""
    amounts: tuple[Amount32, ...]
    """How much each."""
    tx_hash: Bytes32


class OutcomeReclaimed(Event, frozen=True, array_like=True, gc=False):
    """A guarantee of a finalised ledger was given back to the ledger's two parties."""

    NAME = "outcome-reclaimed"
    channel_id: ChannelId
    """The ledger."""
    block_num: int
    tx_index: int
    log_index: int
    asset_index: int
    target: ChannelId
    """The channel that was guaranteed."""
    right_share: Amount32
    """What the party nearer to the payee got; the other one got the rest."""
    tx_hash: Bytes32


class ChallengeExpired(Event, frozen=True, array_like=True, gc=False):
    """A challenge was not answered in time: the channel is final with the state it carries."""

    NAME = "challenge-expired"
    channel_id: ChannelId
    finalizes_at: int
    """Chain seconds."""
    block_num: int
    """A confirmed block at or after that time, with no answer up to it."""
    block_time_s: int
    """Its own time; or the deadline, where a payout in it shows that it had passed."""


class ChallengeUnanswerable(Event, frozen=True, array_like=True, gc=False):
    """An alarm: a challenge stands with a state that nothing we hold outranks."""

    NAME = "challenge-unanswerable"
    channel_id: ChannelId
    turn_num_record: int
    """Of the state on chain."""
    own_turn: int
    """The newest we could show; -1 for none."""
    finalizes_at: int
    """Chain seconds."""
    asset: Address
    cost: Amount32
    """What we get less by it than by the newest state we know; 0 if that cannot be said."""


class DisputeKitExported(Event, frozen=True, array_like=True, gc=False):
    """A dispute kit of the channel left: who holds it can leave the channel for us."""

    NAME = "dispute-kit-exported"
    channel_id: ChannelId
    sealed: bool
    """Whether the redemptions of all channels in it that pay us were signed for it (M21)."""
    channels: tuple[ChannelId, ...]
    """The channels whose newest states the kit may challenge with, as many as what follows."""
    turn_nums: tuple[int, ...]
    state_hashes: tuple[StateHash, ...]
    signatures: tuple[Signature, ...]
    """Ours as the challenger, made in advance (`state.challenge_message`)."""
