"""Delivery: every message to a peer has a number, and both ends count the same facts.

The number of a message is the count of the events that stand for sent messages, so it is stored
nowhere; what a peer sent us counts the same way. A peer's acknowledgement covers everything up to
its number and is recorded; what it covers leaves the outbox. Payments and receipts are their own
facts, the other messages are recorded as `message-sent` and `message-received`.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from protocols import messages
from protocols.crypto import keccak256
from protocols.log_head import LogHead
from protocols.types import Address, Bytes32

SEQUENCE_MAX = 2**48
"""No conversation gets here. After a cut tail a peer tells us its side of the counts: a larger one
would leave no numbers for what follows."""


class PendingMessage(Struct, frozen=True, array_like=True, gc=False):
    """An objective message that waits for its acknowledgement."""

    sequence: int
    message_id: Bytes32
    sent_ms: int


class Peer(Struct, frozen=True, array_like=True, gc=False):
    """The conversation with one peer, as far as it is on disk."""

    address: Address
    sent: int = 0
    """Messages queued for the peer so far: the last one's sequence."""
    acknowledged: int = 0
    received: int = 0
    """Messages of the peer that were taken in: what we acknowledge."""
    pending: tuple[PendingMessage, ...] = ()
    fault_count: int = 0
    """Messages and frames that broke a rule."""
    resumed_cut: int = 0
    """How many of our cut tails this peer's count of our messages has made good."""
    gap_cut: int = 0
    """How many of our cut tails a gap in the peer's numbers has made good."""
    repeat_count: int = 0
    """Objective messages that told nothing new."""
    refusal_count: int = 0
    """Payments between us that were refused, on either side, and messages of the peer's that an
    application refused."""
    head: LogHead | None = None
    """The longest head of the peer's log that it showed us."""
    head_dispute_count: int = 0
    """Heads it showed that contradict that one."""
    compared_cut: int = 0
    """How many losses of ours were known when the peer last showed a head of our log."""
    lost_root: bytes = b""
    """Of the newest head of ours that it showed and our log does not contain."""


RESUME_JUMP_MAX = 2**40
"""How far ahead of our memory a peer's count may be after a loss. A torn batch holds far less; a
backup of last year lacks what a busy node says in a year."""


def message_id(sender: Address, receiver: Address, sequence: int, body: bytes) -> Bytes32:
    """keccak256(sender || receiver || sequence (8 bytes) || body): names one delivery."""
    return keccak256(sender + receiver + sequence.to_bytes(8, "big") + body)


_COVERED = (
    messages.Payment,
    messages.PaymentBatch,
    messages.PaymentRefusal,
    messages.Receipt,
    messages.LedgerProposal,
    messages.LedgerCountersignature,
    messages.LedgerRefusal,
    messages.LedgerPaymentRequest,
    messages.LedgerPaymentRefusal,
    messages.LedgerResumption,
    messages.AppOffer,
    messages.AppAnswer,
    messages.AppConfirmation,
    messages.AppHalt,
)


def is_objective_message(body: messages.Body) -> bool:
    """True for what is recorded as `message-*`; payments and ledger updates are their own facts."""
    return not isinstance(body, _COVERED)


def with_sent(peer: Peer, count: int = 1) -> Peer:
    """So many more messages went out that are their own recorded facts."""
    return replace(peer, sent=peer.sent + count)


def with_sent_message(peer: Peer, identity: Bytes32, time_ms: int) -> Peer:
    """One more objective message went out; it waits for its acknowledgement."""
    pending = PendingMessage(peer.sent + 1, identity, time_ms)
    return replace(peer, sent=peer.sent + 1, pending=(*peer.pending, pending))


def with_received(peer: Peer, count: int = 1) -> Peer:
    """So many more messages were taken in."""
    return replace(peer, received=peer.received + count)


def with_fault(peer: Peer) -> Peer:
    """The peer broke a rule once more."""
    return replace(peer, fault_count=peer.fault_count + 1)


def with_repeat(peer: Peer) -> Peer:
    """A message told nothing new."""
    return replace(peer, repeat_count=peer.repeat_count + 1)


def with_refusal(peer: Peer) -> Peer:
    """A payment was refused."""
    return replace(peer, refusal_count=peer.refusal_count + 1)


def with_acknowledged(peer: Peer, sequence: int) -> Peer:
    """The peer has everything up to `sequence` on its disk; never falls."""
    return replace(peer, acknowledged=max(peer.acknowledged, sequence))


def without_pending(peer: Peer, identity: Bytes32) -> Peer:
    """That message was acknowledged: it waits no more."""
    kept = tuple(message for message in peer.pending if message.message_id != identity)
    return replace(peer, pending=kept)
