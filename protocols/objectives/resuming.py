"""A challenged ledger goes on if both parties would rather have it so (M20).

    challenged with the newest state -> a move of 0 by the leader -> countersigned -> checkpointed

The move makes a newer state, and that clears the challenge as any newer state does: whose answer
it is, Defend and Challenge see to. Each party consents by its signature: the leader proposes and
the follower countersigns only while its own owner does not leave. A challenge alone is no wish to
leave, whoever began it: it asks the other party for an answer, and here is one.
"""

from __future__ import annotations

from protocols.channel import (
    FINALISED,
    ChainStatus,
    Channel,
    observed_adjudicated,
    observed_chain_status,
)
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.exit_errors import NotResumable
from protocols.ledger import MOVE, NO_TARGET, Change, parties
from protocols.ledger_leaving import challenge_under_way, exit_under_way, is_leaving
from protocols.ledgers import has_final, sign_and_send
from protocols.types import Address, to_hex


def is_withheld(state: NodeState, channel: Channel) -> bool:
    """Whether we sign nothing that would end a challenge: our owner leaves, and not together, or
    the ledger cannot go on behind it.

    Ours may be in a block that the other party saw before us.
    """
    is_seen = observed_chain_status(channel) == ChainStatus.CHALLENGED
    is_challenged = is_seen or challenge_under_way(state, channel.channel_id)
    may_end = not _is_bound(channel) and not is_leaving(state, channel)
    return is_challenged and not channel.final_requests and not may_end


def _is_bound(channel: Channel) -> bool:
    """Whether nothing new is agreed on in the ledger, until what was lost or forked is settled."""
    lost = channel.ledger is not None and channel.ledger.resumption is not None
    return channel.close_only or lost or channel.halt is not None


def may_go_on(state: NodeState, channel: Channel) -> bool:
    """Whether the ledger is challenged and we would rather have it go on."""
    ledger = channel.ledger
    if ledger is None or observed_chain_status(channel) != ChainStatus.CHALLENGED:
        return False
    is_closing = has_final(channel) or bool(channel.final_requests)
    return not _is_bound(channel) and not is_closing and not is_leaving(state, channel)


def require_resumable(state: NodeState, channel: Channel) -> None:
    """Raise NotResumable unless our owner leaves a ledger that may still go on."""
    reason = _why_not_resumed(state, channel)
    if reason:
        raise NotResumable(channel.channel_id, reason)


def _why_not_resumed(state: NodeState, channel: Channel) -> str:
    ledger, chain = channel.ledger, observed_chain_status(channel)
    if ledger is None:
        return "only a ledger goes on; a challenged payment channel ends"
    if chain in FINALISED:
        return f"it is {chain} on chain"
    if channel.close_only or ledger.resumption is not None:
        return "records were lost, and it does not go on yet"
    if has_final(channel) or channel.final_requests:
        return "it is closing"
    carried = exit_under_way(state, [guarantee.target for guarantee in ledger.current.guarantees])
    if carried is not None:
        return f"the channel {to_hex(carried)} that it carries is being left"
    if chain == ChainStatus.OPEN and not is_leaving(state, channel):
        return "it is neither challenged nor being left"
    return ""


def move_of_nothing(channel: Channel) -> Change:
    """The change by which a challenged ledger goes on: everything stays as it is."""
    leader, follower = parties(channel.fixed)
    return Change(MOVE, NO_TARGET, 0, leader, follower)


def propose(draft: Draft, channel: Channel) -> None:
    """The leader's step, once: what stands on chain is the newest that both signed."""
    ledger = channel.ledger
    if ledger is None or channel.my_index != 0 or ledger.queue:
        return
    if observed_adjudicated(channel).turn_num != ledger.turn_num:
        return
    if may_go_on(draft.state, channel):
        sign_and_send(draft, channel, ledger, move_of_nothing(channel))


def hear_of(draft: Draft, peer: Address) -> None:
    """The peer is there: challenged ledgers with it that we lead may go on."""
    unconfirmed = draft.base.unconfirmed
    if not unconfirmed.disputed and not unconfirmed.channels:
        return
    for channel_id in sorted({*unconfirmed.disputed, *unconfirmed.channels}):
        channel = draft.state.channels[channel_id]
        if channel.ledger is not None and channel.counterparty == peer:
            propose(draft, channel)
