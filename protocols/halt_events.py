"""Events of a fork that reaches below what counted: channels wait, and go on when they may."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Amount32, ChannelId


class ChannelHalted(Event, frozen=True, array_like=True, gc=False):
    """An alarm: the chain replaced a block in which a fact of the channel counted as confirmed. No
    payment is made or taken until the chain is asked and shows as much again."""

    NAME = "channel-halted"
    channel_id: ChannelId
    fork_block_num: int
    """First block that was replaced."""
    confirmed_block_num: int
    """The block of the newest fact that counted."""
    asset: Address
    held: Amount32
    """What counted as held for the channel."""
    chain_status: str
    """What counted as the adjudicator's word: open, challenged, ..."""


class ChannelHaltLifted(Event, frozen=True, array_like=True, gc=False):
    """The chain shows again what counted before the fork: the channel goes on."""

    NAME = "channel-halt-lifted"
    channel_id: ChannelId
    fork_block_num: int
    """Of the fork that halted it."""
