"""Events: what became fact. Past tense, persisted forever, folded by `node_state.apply`.

The first twenty are the original catalogue: their names, fields and content ids are fixed. The
rest is ours (ADR 0024): everything the reducer needs is in the event itself. How they are written
down, and what names them all, is in `event_codec`.
"""

from __future__ import annotations

from protocols.chain_events import (
    ChainBlockProcessed as ChainBlockProcessed,
)
from protocols.chain_events import (
    ChainLogObserved as ChainLogObserved,
)
from protocols.chain_events import (
    ChainLogRefuted as ChainLogRefuted,
)
from protocols.chain_events import (
    ChainReorged as ChainReorged,
)
from protocols.chain_events import (
    HoldingsRead as HoldingsRead,
)
from protocols.event import Event as Event
from protocols.payment_events import (
    ReceiptIssued as ReceiptIssued,
)
from protocols.payment_events import (
    ReceiptReceived as ReceiptReceived,
)
from protocols.payment_events import (
    VoucherIssued as VoucherIssued,
)
from protocols.payment_events import (
    VoucherReceived as VoucherReceived,
)
from protocols.payment_events import (
    VoucherRefusalReceived as VoucherRefusalReceived,
)
from protocols.payment_events import (
    VoucherRefused as VoucherRefused,
)
from protocols.payment_events import (
    VoucherResent as VoucherResent,
)
from protocols.transaction_events import (
    TransactionFailed as TransactionFailed,
)
from protocols.transaction_events import (
    TransactionMined as TransactionMined,
)
from protocols.transaction_events import (
    TransactionRequested as TransactionRequested,
)
from protocols.transaction_events import (
    TransactionSubmitted as TransactionSubmitted,
)
from protocols.types import (
    Address,
    Amount32,
    Bytes32,
    ChannelId,
    ObjectiveId,
    Signature,
    StateHash,
)

# --- objective lifecycle (catalogue) ---


class ObjectiveCreated(Event, frozen=True, array_like=True, gc=False):
    NAME = "objective-created"
    objective_id: ObjectiveId
    objective_type: str
    """DirectFund, DirectDefund, VirtualFund, VirtualDefund; ours: Challenge, Defend, Withdraw."""
    channel_id: ChannelId
    participants: tuple[Address, ...]


class ObjectiveApproved(Event, frozen=True, array_like=True, gc=False):
    NAME = "objective-approved"
    objective_id: ObjectiveId
    approver: Address | None = None


class ObjectiveRejected(Event, frozen=True, array_like=True, gc=False):
    NAME = "objective-rejected"
    objective_id: ObjectiveId
    reason: str
    error_code: str | None = None


class ObjectiveCranked(Event, frozen=True, array_like=True, gc=False):
    NAME = "objective-cranked"
    objective_id: ObjectiveId
    side_effects_count: int
    waiting: bool


class ObjectiveCompleted(Event, frozen=True, array_like=True, gc=False):
    NAME = "objective-completed"
    objective_id: ObjectiveId
    success: bool
    final_channel_state: StateHash | None = None


# --- channel state (catalogue) ---


class ChannelCreated(Event, frozen=True, array_like=True, gc=False):
    NAME = "channel-created"
    channel_id: ChannelId
    participants: tuple[Address, ...]
    channel_nonce: int
    app_definition: Address
    challenge_duration: int
    """Seconds, as in Nitro's fixed part."""


class StateSigned(Event, frozen=True, array_like=True, gc=False):
    NAME = "state-signed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signer: Address
    signature: Signature
    is_final: bool
    app_data_hash: Bytes32 | None = None


class StateReceived(Event, frozen=True, array_like=True, gc=False):
    NAME = "state-received"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signer: Address
    signature: Signature
    is_final: bool
    peer_id: str | None = None


class StateSupportedUpdated(Event, frozen=True, array_like=True, gc=False):
    NAME = "state-supported-updated"
    channel_id: ChannelId
    supported_turn: int
    state_hash: StateHash
    num_signatures: int
    prev_supported_turn: int | None = None
    """Left out for the first support."""


class ChannelFinalized(Event, frozen=True, array_like=True, gc=False):
    """All participants signed a final state: the channel can be concluded without a challenge."""

    NAME = "channel-finalized"
    channel_id: ChannelId
    final_turn: int
    final_state_hash: StateHash


# --- chain bridge (catalogue): confirmed facts, at the configured depth ---


class DepositDetected(Event, frozen=True, array_like=True, gc=False):
    NAME = "deposit-detected"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    asset: Address
    amount_deposited: Amount32
    now_held: Amount32
    tx_hash: Bytes32 | None = None


class AllocationUpdated(Event, frozen=True, array_like=True, gc=False):
    NAME = "allocation-updated"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    asset: Address
    new_amount: Amount32
    """Holdings of the channel in this asset after the payout."""
    tx_hash: Bytes32 | None = None


class ChallengeRegistered(Event, frozen=True, array_like=True, gc=False):
    NAME = "challenge-registered"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    turn_num_record: int
    finalization_time: int
    """Chain time, seconds."""
    challenger: Address
    is_final: bool
    candidate_state_hash: StateHash | None = None
    tx_hash: Bytes32 | None = None


class ChallengeCleared(Event, frozen=True, array_like=True, gc=False):
    NAME = "challenge-cleared"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    new_turn_num_record: int
    tx_hash: Bytes32 | None = None


class ChannelConcluded(Event, frozen=True, array_like=True, gc=False):
    NAME = "channel-concluded"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    finalized_at_turn: int | None = None
    tx_hash: Bytes32 | None = None


class WithdrawCompleted(Event, frozen=True, array_like=True, gc=False):
    NAME = "withdraw-completed"
    channel_id: ChannelId
    block_num: int
    tx_index: int
    recipient: Address
    asset: Address
    amount: Amount32
    tx_hash: Bytes32 | None = None


# --- messaging (catalogue): objective messages; the rest is covered by its own facts ---


class MessageSent(Event, frozen=True, array_like=True, gc=False):
    """An objective message was queued for a peer: an intent, settled by `message-acked`."""

    NAME = "message-sent"
    message_id: Bytes32
    peer_id: str
    objective_id: ObjectiveId
    payload_size_bytes: int
    payload_type: str | None = None


class MessageReceived(Event, frozen=True, array_like=True, gc=False):
    NAME = "message-received"
    message_id: Bytes32
    peer_id: str
    objective_id: ObjectiveId
    payload_size_bytes: int
    payload_type: str | None = None


class MessageAcked(Event, frozen=True, array_like=True, gc=False):
    NAME = "message-acked"
    message_id: Bytes32
    peer_id: str
    roundtrip_ms: int


class MessageDropped(Event, frozen=True, array_like=True, gc=False):
    NAME = "message-dropped"
    peer_id: str
    reason: str
    error_code: str
    payload_size_bytes: int
    message_id: Bytes32 | None = None


# --- ours: the node and its log ---


class NodeCreated(Event, frozen=True, array_like=True, gc=False):
    """Record 0: what this log is about. Its payload seeds the chain of hashes."""

    NAME = "node-created"
    format_version: int
    chain_id: int
    adjudicator: Address
    virtual_payment_app: Address
    consensus_app: Address
    node_address: Address


class StateDigestRecorded(Event, frozen=True, array_like=True, gc=False):
    """The digest of a state the engine held in memory: what an audit compares its fold with."""

    NAME = "state-digest-recorded"
    digest: Bytes32
    entity_count: int
    clean_stop: bool
    record_count: int
    """So many records, from the first on, fold to that state."""


class LogTailCut(Event, frozen=True, array_like=True, gc=False):
    """A torn tail was cut at start: from here M27 is in force for every channel that existed."""

    NAME = "log-tail-cut"
    record_count: int
    """Records that survived."""
    cut_size_bytes: int
    file_name: str


class NodeRestored(Event, frozen=True, array_like=True, gc=False):
    """The log is a backup that was put in place: whatever came after it is forgotten (M27)."""

    NAME = "node-restored"
    record_count: int
    """Records of the backup."""
    chain_hash: Bytes32
    """Of the last of them."""
    backup_ms: int
    """When it was made, Unix milliseconds."""
    turn_offset: int
    """Drawn at the start: how far above all that is remembered final turns go on, so that two
    restores of one backup do not lead to one turn (M6)."""


# --- ours: objectives and states ---


class ObjectiveParamsRecorded(Event, frozen=True, array_like=True, gc=False):
    """Who asked for the objective. request_hash is there if our owner did, whether or not under a
    request id; not if a peer did, or if this node had to by itself."""

    NAME = "objective-params-recorded"
    objective_id: ObjectiveId
    initiator: Address
    request_id: str = ""
    request_hash: Bytes32 | None = None
    """keccak256 of the command, so that a request id is not reused for another one."""


class RequestRecorded(Event, frozen=True, array_like=True, gc=False):
    """A command that created no objective carries a request id: repeated, it is answered alike."""

    NAME = "request-recorded"
    objective_id: ObjectiveId
    request_id: str
    request_hash: Bytes32
    """Over the command's kind and what the caller chose."""


class StateStored(Event, frozen=True, array_like=True, gc=False):
    """A whole state, once, before the event that names its hash: keccak256(encoded_state)."""

    NAME = "state-stored"
    channel_id: ChannelId
    state_hash: StateHash
    encoded_state: bytes


class FinalStateRequested(Event, frozen=True, array_like=True, gc=False):
    """The payee asked the payer for the final state (M12) and showed its largest voucher."""

    NAME = "final-state-requested"
    channel_id: ChannelId
    requester: Address
    total: Amount32
    """Largest voucher the requester holds; 0 for a payer or when there is none."""
    signature: bytes = b""


class FinalStateRefused(Event, frozen=True, array_like=True, gc=False):
    """The payee will never sign this turn (M7, M12); the payer goes on at the next one."""

    NAME = "final-state-refused"
    channel_id: ChannelId
    turn_num: int
    refuser: Address
    total: Amount32
    """Largest voucher accepted by the payee."""
    signature: bytes = b""


# --- ours: delivery ---


class PeerAcknowledged(Event, frozen=True, array_like=True, gc=False):
    """The peer holds our messages up to this sequence on its disk: they leave the outbox."""

    NAME = "peer-acknowledged"
    peer: Address
    sequence: int


class DeliveryResumed(Event, frozen=True, array_like=True, gc=False):
    """After a cut tail: the counts of a conversation were taken from the peer's side of it."""

    NAME = "delivery-resumed"
    peer: Address
    sent: int
    """The last sequence of ours that the peer has, if that is more than we remember sending."""
    received: int
    """The last sequence of the peer that we once acknowledged, if that is more than we know."""


class MessageRepeated(Event, frozen=True, array_like=True, gc=False):
    """The objective message before told nothing new: counted, so that it cannot go on for ever."""

    NAME = "message-repeated"
    peer: Address
    payload_type: str


class PeerMisbehaved(Event, frozen=True, array_like=True, gc=False):
    """A fault outside the numbered messages, bounded: the first ten, then counted a minute."""

    NAME = "peer-misbehaved"
    peer: Address
    error_code: str
    reason: str
    count: int
