"""Events after a loss of records (M27): what peers hold of our log, and ledgers that go on."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Bytes32, ChannelId, Signature, StateHash


class HeldHeadCompared(Event, frozen=True, array_like=True, gc=False):
    """A peer showed a head of our log that we signed: the first since a loss, or one that our log
    does not contain."""

    NAME = "held-head-compared"
    peer: Address
    length: int
    root: Bytes32
    signature: Signature
    agrees: bool
    """Whether our log has that root at that length."""
    explained: bool
    """Whether a loss that is recorded explains that it has not. If nothing does, records were lost
    without a word, and M27 is in force from here."""


class LedgerResumptionTold(Event, frozen=True, array_like=True, gc=False):
    """We told the other party of a ledger what we know to be agreed last, to go on from there."""

    NAME = "ledger-resumption-told"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    is_answer: bool


class LedgerResumptionHeard(Event, frozen=True, array_like=True, gc=False):
    """The other party told us the same, with the head of our log that it holds."""

    NAME = "ledger-resumption-heard"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    is_answer: bool
    agrees: bool
    """Whether our log contains that head; true if it holds none."""


class LedgerJumpSigned(Event, frozen=True, array_like=True, gc=False):
    """We, the leader, signed a move of 0, 2^20 turns above what was agreed last."""

    NAME = "ledger-jump-signed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature


class LedgerResumed(Event, frozen=True, array_like=True, gc=False):
    """Both signed that move: what was forgotten is outranked, and the ledger goes on."""

    NAME = "ledger-resumed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    leader_signature: Signature
    follower_signature: Signature
