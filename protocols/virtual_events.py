"""Events of virtual channels: what carries them, and who will never sign the postfund."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, ChannelId


class VirtualChannelRecorded(Event, frozen=True, array_like=True, gc=False):
    """Which of our ledgers carry the channel, and what each intermediary takes for it."""

    NAME = "virtual-channel-recorded"
    channel_id: ChannelId
    left_ledger: bytes
    """The ledger with the participant before us, 32 bytes; empty for the payer."""
    right_ledger: bytes
    """The ledger with the participant after us, 32 bytes; empty for the payee."""
    fees: tuple[Amount32, ...]
    """By intermediary, in path order: what it keeps (M14)."""


class PostfundRenounced(Event, frozen=True, array_like=True, gc=False):
    """A participant that never signed the postfund recorded that it never will (M16 b)."""

    NAME = "postfund-renounced"
    channel_id: ChannelId
    participant: Address
    error_code: str
    reason: str


class UnwindingAsked(Event, frozen=True, array_like=True, gc=False):
    """The channel will not be opened: whoever has not signed the postfund is asked to renounce."""

    NAME = "unwinding-asked"
    channel_id: ChannelId
    error_code: str
    reason: str


class VirtualChannelPruned(Event, frozen=True, array_like=True, gc=False):
    """A channel that was given up before we guaranteed it leaves the state; its id stays used."""

    NAME = "virtual-channel-pruned"
    channel_id: ChannelId
