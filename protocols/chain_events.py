"""Events of what the chain shows: logs at depth 0, what was read of it, blocks and forks.

What counts at the configured depth is in the catalogue (`events`, the chain bridge).
"""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, Bytes32, ChannelId


class ChainLogObserved(Event, frozen=True, array_like=True, gc=False):
    """A log of the adjudicator about our channel, at depth 0: defence acts on it, money waits."""

    NAME = "chain-log-observed"
    channel_id: ChannelId
    log_name: str
    block_num: int
    block_hash: Bytes32
    tx_hash: Bytes32
    tx_index: int
    log_index: int
    asset: Address
    amount: Amount32
    """Deposited, AllocationUpdated: holdings after it. OutcomeReclaimed: right's share. Else 0."""
    number: int = 0
    """ChallengeRegistered, Concluded: finalizes_at. Cleared, Checkpointed: turn record. Else 0."""
    turn_num: int = 0
    """ChallengeRegistered: of the state it carries."""
    state_hash: bytes = b""
    """ChallengeRegistered: of that state; empty if no state of ours can look like it."""
    outcome: bytes = b""
    """ChallengeRegistered, Concluded: what finalises, ABI-encoded; empty if it is not known."""
    indices: tuple[int, ...] = ()
    amounts: tuple[Amount32, ...] = ()
    """OutcomePaid: which allocations were paid, and how much each. Concluded: by which amounts the
    chain told the outcome, in its order; none where it did not, and we take our newest."""
    target: bytes = b""
    """OutcomeReclaimed: the channel whose guarantee was given back."""


class ChainLogRefuted(Event, frozen=True, array_like=True, gc=False):
    """A block counts, and what was observed in it is not there: an endpoint made the log up, or a
    fork took it back while nobody looked. It is retracted."""

    NAME = "chain-log-refuted"
    channel_id: ChannelId
    log_name: str
    block_num: int
    block_hash: Bytes32
    """Of the block in which it was observed."""
    tx_hash: Bytes32
    log_index: int


class HoldingsRead(Event, frozen=True, array_like=True, gc=False):
    """After a cut tail: the chain's word on a channel whose logs may have passed unseen."""

    NAME = "holdings-read"
    channel_id: ChannelId
    asset: Address
    held: Amount32
    """At the confirmed block below: every log up to it is in this figure."""
    block_num: int
    block_hash: Bytes32
    finalizes_at: int
    """At the newest block: when a challenge or a conclusion ends, Unix seconds; 0 without one."""


class ChainBlockProcessed(Event, frozen=True, array_like=True, gc=False):
    """Every confirmed log up to this block is in the log: a restart reads on from the next."""

    NAME = "chain-block-processed"
    block_num: int
    block_hash: Bytes32
    block_time_s: int = 0
    """The block's own time, Unix seconds: by it challenges expire."""


class ChainReorged(Event, frozen=True, array_like=True, gc=False):
    """Blocks from here on were replaced: what was observed in them is retracted."""

    NAME = "chain-reorged"
    fork_block_num: int
    old_block_hash: Bytes32
    new_block_hash: Bytes32
