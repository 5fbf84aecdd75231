"""Halts: what a fork below the confirmation depth does to channels, and how they go on.

What counted as confirmed should never be replaced; if it is, nothing that rests on it is safe. The
channel waits, the chain is asked what it holds now, and logs of the new blocks count as any others.
Once all that counted is there again, the channel goes on by itself; else its owner must act.
"""

from __future__ import annotations

from protocols.channel import confirmed_holdings, funding_terms
from protocols.draft import Draft
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.types import ChannelId, amount_to_bytes


def after_deep_fork(draft: Draft, fork_block_num: int) -> None:
    """Halt every channel of which a fact counted that is in a replaced block, and ask the chain."""
    for channel_id in draft.base.channels:
        channel = draft.state.channels[channel_id]
        if channel.confirmed_up_to <= (fork_block_num, -1):
            continue
        asset = funding_terms(channel).asset
        held = amount_to_bytes(confirmed_holdings(channel, asset))
        place = (fork_block_num, channel.confirmed_up_to[0], asset, held)
        draft.emit(ChannelHalted(channel_id, *place, channel.chain_status))
        draft.read_holdings(channel_id, asset)


def lift(draft: Draft, channel_id: ChannelId) -> None:
    """After a confirmed fact: the channel goes on if all is there again that counted."""
    channel = draft.state.channels[channel_id]
    halt = channel.halt
    if halt is None or channel.unread:
        return
    held = confirmed_holdings(channel, funding_terms(channel).asset)
    if held >= halt.held and channel.chain_status == halt.chain_status:
        draft.emit(ChannelHaltLifted(channel_id, halt.fork_block_num))
