"""Events of ledger channels: updates proposed by the leader and judged by the follower.

An update is recorded as its change; the whole state is what the fold makes of it, and `state_hash`
says which state that must be (ADR 0035). Each of these facts is one message to or from the other
party, but for what the chain shows. `request_id` is empty unless an owner asked for the update.
"""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Amount32, Bytes32, ChannelId, Destination, Signature, StateHash


class LedgerUpdateProposed(Event, frozen=True, array_like=True, gc=False):
    """We, the leader, signed the state that one more change leads to."""

    NAME = "ledger-update-proposed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature
    kind: str
    """add, remove or move."""
    target: ChannelId
    """The channel that the guarantee funds; zero for a move."""
    amount: Amount32
    """Of the guarantee, or moved from left to right."""
    left: Destination
    right: Destination
    left_amount: Amount32
    """What left puts into an added guarantee, or gets out of a removed one; 0 for a move."""
    fee: Amount32
    """Moved from left's to right's balance by an added guarantee, back by a removed one."""
    request_id: str = ""


class LedgerUpdateReceived(Event, frozen=True, array_like=True, gc=False):
    """The leader of a ledger in which we follow proposed one more change; nothing is agreed yet."""

    NAME = "ledger-update-received"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature
    kind: str
    target: ChannelId
    amount: Amount32
    left: Destination
    right: Destination
    left_amount: Amount32
    fee: Amount32
    request_id: str = ""


class LedgerUpdateSigned(Event, frozen=True, array_like=True, gc=False):
    """We, the follower, countersigned: that state and all before it are agreed."""

    NAME = "ledger-update-signed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature


class LedgerUpdateConfirmed(Event, frozen=True, array_like=True, gc=False):
    """The follower countersigned: that state and all before it are agreed."""

    NAME = "ledger-update-confirmed"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature


class LedgerCountersignatureSeen(Event, frozen=True, array_like=True, gc=False):
    """The chain shows that the follower countersigned a proposal of ours, whatever it told us: that
    state and all before it are agreed."""

    NAME = "ledger-countersignature-seen"
    channel_id: ChannelId
    turn_num: int
    state_hash: StateHash
    signature: Signature
    block_num: int
    """Of the checkpoint that carried it. The signature counts whatever becomes of the block."""
    tx_hash: Bytes32


class LedgerUpdateRefused(Event, frozen=True, array_like=True, gc=False):
    """We, the follower, will never sign this turn (M8); the leader undoes it by its inverse."""

    NAME = "ledger-update-refused"
    channel_id: ChannelId
    turn_num: int
    error_code: str
    reason: str


class LedgerRefusalReceived(Event, frozen=True, array_like=True, gc=False):
    """The follower will never sign this turn (M8)."""

    NAME = "ledger-refusal-received"
    channel_id: ChannelId
    turn_num: int
    error_code: str
    reason: str


class LedgerUpdateResent(Event, frozen=True, array_like=True, gc=False):
    """We, the leader, said a proposal again: the follower lost the end of its log (M27)."""

    NAME = "ledger-update-resent"
    channel_id: ChannelId
    turn_num: int


class LedgerRestored(Event, frozen=True, array_like=True, gc=False):
    """The other party showed an agreed state, signed by us as well, that a cut tail had held."""

    NAME = "ledger-restored"
    channel_id: ChannelId
    state_hash: StateHash
    encoded_state: bytes
    leader_signature: Signature
    follower_signature: Signature


class LedgerPaymentAsked(Event, frozen=True, array_like=True, gc=False):
    """We, the follower, asked the leader to move an amount of ours to it (M15)."""

    NAME = "ledger-payment-asked"
    channel_id: ChannelId
    amount: Amount32
    request_id: str


class LedgerPaymentRequested(Event, frozen=True, array_like=True, gc=False):
    """The follower asked us, the leader, to move an amount of its own to us."""

    NAME = "ledger-payment-requested"
    channel_id: ChannelId
    amount: Amount32
    request_id: str


class LedgerPaymentRefused(Event, frozen=True, array_like=True, gc=False):
    """We, the leader, told the follower that we never propose the move it asked for."""

    NAME = "ledger-payment-refused"
    channel_id: ChannelId
    amount: Amount32
    request_id: str
    error_code: str
    reason: str


class LedgerPaymentRefusalReceived(Event, frozen=True, array_like=True, gc=False):
    """The leader never proposes the move that we, the follower, asked for: it is not made."""

    NAME = "ledger-payment-refusal-received"
    channel_id: ChannelId
    request_id: str
    error_code: str
    reason: str
