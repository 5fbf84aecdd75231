"""Proposing what becomes of a channel's guarantees in the ledgers that we lead."""

from __future__ import annotations

from protocols import ledgers
from protocols.channel import Channel, supported_final
from protocols.draft import Draft
from protocols.funding import sees_chain
from protocols.ledger import Change
from protocols.ledger_errors import LedgerRefused
from protocols.ledger_leaving import is_being_left
from protocols.objectives.base import Objective
from protocols.objectives.virtual_states import send_state
from protocols.types import ChannelId
from protocols.virtual_paths import is_proposed, virtual_of

REMOVAL_PAUSE_MS = 1_000
"""A refused removal is proposed again when its objective is this old, doubled each time."""


def propose_removal(
    draft: Draft, objective: Objective, channel: Channel, ledger_id: ChannelId, change: Change
) -> None:
    """Propose the removal if we lead the ledger and nothing about it waits for an answer."""
    ledger_channel = draft.state.channels[ledger_id]
    if ledger_channel.my_index != 0 or not is_proposed(draft.state, ledger_id, change.target):
        return
    if not sees_chain(draft, channel):
        return  # The chain may have ended the channel otherwise.
    virtual = virtual_of(channel)
    count = virtual.removal_refusal_count
    if count and is_being_left(draft.state, ledger_channel):
        return  # The chain settles it; one more could buy the follower a challenge's time.
    pause_ms = REMOVAL_PAUSE_MS << min(count, 32) if count else 0
    if draft.context.now_ms < objective.created_ms + pause_ms:
        return
    event_count = len(draft.events)
    try:
        ledgers.propose(draft, ledger_channel, change)
    except LedgerRefused:
        assert len(draft.events) == event_count, "a refused proposal leaves nothing"
        return
    final = supported_final(channel)
    if count and final is not None:
        # The follower may have lost what it judges by; a proposal after the next pause finds it.
        send_state(draft, channel, final.turn_num, ledger_channel.counterparty)
