"""Inputs: all that can come in. Commands, peers' messages, chain facts and time move the node."""

from __future__ import annotations

import msgspec

from protocols.log_head import LogHead
from protocols.messages import Body
from protocols.types import Address, Bytes32, ChannelId, Signature


class Input(msgspec.Struct, frozen=True, gc=False):
    """Base of all inputs."""


# --- applications ---


class AppVerdict(msgspec.Struct, frozen=True, gc=False):
    """What the reducer made of one message. It left no trace unless it was applied."""

    code: int
    """Its reason to refuse; 0 if it had none."""
    failure: str
    """Why it failed, by name; empty if it did not."""
    amounts: tuple[int, ...]
    """What each end gets after it; empty unless it was applied."""
    digest: bytes
    """Of the view after it, 32 bytes; likewise."""

    @property
    def is_applied(self) -> bool:
        """Whether the message was taken in."""
        return not self.code and not self.failure


class AppJudged(Input, frozen=True, gc=False):
    """The channel's reducer ran on what waited (`app_judging.plan`), as far as there was time."""

    channel_id: ChannelId
    base_count: int
    """Messages of the channel before the run."""
    verdicts: tuple[AppVerdict, ...]
    """One a message, in order; none if there was nothing to run on."""
    stamp_ms: int = 0
    """The timestamp that the messages ran with, Unix milliseconds."""


# --- peers ---


class PeerMessage(Input, frozen=True, gc=False):
    """A numbered message of an authenticated peer. `body` is None when it did not decode."""

    peer: Address
    sequence: int
    body: Body | None
    size_bytes: int
    fault: str = ""
    """Why it did not decode."""


class PeerConnected(Input, frozen=True, gc=False):
    """A session with the peer begins; it says what of ours is on its disk."""

    peer: Address
    received: int
    """The last sequence of ours that the peer has; 0 for none."""


class PeerAck(Input, frozen=True, gc=False):
    """The peer says that it has our messages up to `sequence` on its disk."""

    peer: Address
    sequence: int


class PeerHead(Input, frozen=True, gc=False):
    """A peer shows a head of its own log."""

    peer: Address
    head: LogHead


class HeldHead(Input, frozen=True, gc=False):
    """A peer says which head of our log it keeps, the longest we ever showed it."""

    peer: Address
    head: LogHead
    in_our_log: bool
    """Whether our log has that root at that length. If not, and the signature is ours, records are
    lost; the shell looks it up, since the core sees no records."""


class PeerFault(Input, frozen=True, gc=False):
    """An authenticated peer broke the framing; the session was cut."""

    peer: Address
    error_code: str
    reason: str
    size_bytes: int
    count: int = 1
    """How many like it this one stands for."""


# --- the chain ---


class ChainLog(Input, frozen=True, gc=False):
    """One log of the adjudicator. It comes twice: observed at depth 0, then confirmed."""

    log_name: str
    """Deposited, AllocationUpdated, ChallengeRegistered, ChallengeCleared, Checkpointed, Concluded,
    Reclaimed, or our contracts' OutcomePaid, OutcomeReclaimed, CheckpointSigned and
    CheckpointProved. Their OutcomeConcluded is part of Concluded."""
    channel_id: ChannelId
    block_num: int
    block_hash: Bytes32
    tx_hash: Bytes32
    tx_index: int
    log_index: int
    confirmed: bool
    asset: Address = b"\x00" * 20
    amount: int = 0
    """Deposited: holdings after it. AllocationUpdated: final holdings. OutcomeReclaimed: what the
    party nearer to the payee got."""
    number: int = 0
    """ChallengeRegistered, Concluded: finalizes_at. Cleared, Checkpointed: the turn record."""
    asset_index: int = 0
    indices: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()
    """OutcomePaid: allocations paid and how much. Concluded: the amounts of all allocations of the
    final state, asset by asset; none where the adjudicator does not tell them."""
    turn_num: int = 0
    challenger: Address = b"\x00" * 20
    candidate_state_hash: bytes = b""
    """These of ChallengeRegistered; turn and hash of the checkpoints' too."""
    candidate_is_final: bool = False
    candidate_outcome: bytes = b""
    """Encoded; empty where no state that we could know has this shape."""
    target: bytes = b""
    """OutcomeReclaimed: the channel whose guarantee was given back."""
    signatures: tuple[Signature, ...] = ()
    """ChallengeRegistered, CheckpointSigned, CheckpointProved: what the caller gave, in its order,
    strangers' too."""
    candidate: bytes = b""
    """ChallengeRegistered, CheckpointProved: the state, encoded; empty where no state that we could
    know has this shape."""
    proof: tuple[tuple[bytes, tuple[Signature, ...]], ...] = ()
    """Of the same: the states shown beside it, encoded, and their signatures; empty if one of
    them is none that we could know."""


class ChannelRead(Input, frozen=True, gc=False):
    """What the adjudicator says of a channel: the answer to `effects.ReadHoldings`."""

    channel_id: ChannelId
    asset: Address
    held: int
    """At the confirmed block below."""
    block_num: int
    block_hash: Bytes32
    finalizes_at: int
    """At the newest block, Unix seconds; 0 while nobody challenged or concluded."""


class ChainHead(Input, frozen=True, gc=False):
    """All confirmed logs up to `processed_block_num` were handed over."""

    processed_block_num: int
    processed_block_hash: Bytes32
    processed_block_time_s: int = 0
    """The block's own time, Unix seconds; 0 where nobody says."""


class ChainReorg(Input, frozen=True, gc=False):
    """Blocks that were observed were replaced by others; confirmed ones, if it goes so deep."""

    fork_block_num: int
    """First block that was replaced."""
    old_block_hash: Bytes32
    new_block_hash: Bytes32


class TransactionSigned(Input, frozen=True, gc=False):
    """The chain room signed an intent's transaction: once on disk, it may be broadcast."""

    intent_id: Bytes32
    tx_hash: Bytes32
    sender: Address
    nonce: int
    raw: bytes


class TransactionReceipt(Input, frozen=True, gc=False):
    """The transaction of an intent is in a block, reverted or not."""

    intent_id: Bytes32
    tx_hash: Bytes32
    block_num: int
    block_hash: Bytes32
    gas_used: int
    gas_price: int
    succeeded: bool
    failure: str = ""
    """Why it did not succeed: `transactions.REVERTED` or `OUT_OF_GAS`."""


class TransactionReplaced(Input, frozen=True, gc=False):
    """The chain room signed an intent's transaction anew, under its nonce, with higher fees: once
    on disk, it may be broadcast."""

    intent_id: Bytes32
    old_tx_hash: Bytes32
    tx_hash: Bytes32
    nonce: int
    old_fees: tuple[int, int]
    """The most that is paid, and the part of it for the block's maker; wei per gas."""
    fees: tuple[int, int]
    raw: bytes
    reason: str
    """underpriced, slow or deadline."""


class NonceMissing(Input, frozen=True, gc=False):
    """A signed transaction of ours waits for nonces that neither the chain nor a pool has."""

    intent_id: Bytes32
    """Of the transaction that waits."""
    first_nonce: int
    count: int
    deadline_s: int = 0
    """Of what waits, chain seconds; 0 for none."""


class TransactionHeldBack(Input, frozen=True, gc=False):
    """The fee ceiling keeps an intent that has a deadline out of the next blocks."""

    intent_id: Bytes32
    base_fee: int
    """What the newest block asks, wei per gas."""
    fee_ceiling: int
    """The most that may be bid, wei per gas."""
    block_num: int
    blocks_left: int
    """Blocks until the deadline, as far as the last ones tell; 0 when it passed."""


class TransactionRefused(Input, frozen=True, gc=False):
    """The endpoint or a simulation refuses the call for good: it would revert."""

    intent_id: Bytes32
    reason: str


# --- time ---


class Tick(Input, frozen=True, gc=False):
    """Time passed; the time itself is the batch's."""


class EndOfBatch(Input, frozen=True, gc=False):
    """Last input of every batch: what is answered once per batch (receipts) is answered now."""
