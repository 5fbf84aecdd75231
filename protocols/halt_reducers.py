"""How a channel changes when a fork takes back what counted, and when the chain shows it again."""

from __future__ import annotations

from msgspec.structs import replace

from protocols.adjudication import Adjudicated, ChainStatus
from protocols.channel import Channel, Halt
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.types import amount_from_bytes


def halted(channel: Channel, event: ChannelHalted) -> Channel:
    """What counted does not any more, until the chain was asked.

    Of two forks the first one's figures stand: they are what the owner relied on.
    """
    halt = Halt(event.fork_block_num, amount_from_bytes(event.held), event.chain_status)
    if channel.halt is not None:
        halt = replace(channel.halt, fork_block_num=event.fork_block_num)
    return replace(
        channel,
        halt=halt,
        confirmed_up_to=(event.fork_block_num, -1),
        unread=True,
    )


def lifted(channel: Channel, event: ChannelHaltLifted) -> Channel:
    """The channel goes on."""
    return replace(channel, halt=None)


def word_read(channel: Channel, finalizes_at: int) -> tuple[str, Adjudicated | None]:
    """The adjudicator's status and what it keeps, as a reading tells it of what was known before.

    A challenge that was not known before is one with an unknown state: that is in logs that passed.
    """
    status, known = channel.chain_status, channel.adjudicated
    if finalizes_at and status == ChainStatus.OPEN:
        return ChainStatus.CHALLENGED, Adjudicated(0, finalizes_at)
    if channel.halt is None:
        return status, known
    if not finalizes_at:
        return ChainStatus.OPEN, None
    if known is not None and known.finalizes_at != finalizes_at:
        return ChainStatus.CHALLENGED, Adjudicated(0, finalizes_at)
    return status, known
