"""Exporting a dispute kit: what of a channel leaves with it, and what is signed for that (M21).

    redemptions, if it is sealed -> challenger signatures in advance -> recorded -> it may leave

A step like any other: what it signs passes the guard against second states and is on disk before
the kit is. A sealed channel takes no voucher any more (M11). Made twice, it signs the same again.
"""

from __future__ import annotations

from protocols.adjudication import exit_of
from protocols.channel import (
    PREFUND_TURN,
    Channel,
    is_finalised,
    is_supported,
    observed_adjudicated,
    own_guarantees,
    supported_final,
)
from protocols.commands import ExportDisputeKit
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.errors import UnknownChannel
from protocols.exit_events import DisputeKitExported
from protocols.objectives.exits import require_exit
from protocols.objectives.supports import held_support, needs_redemption, newest_support
from protocols.objectives.withdraw import may_gain
from protocols.state import challenge_message
from protocols.types import ChannelId
from protocols.virtual_paths import stands


def export(draft: Draft, item: ExportDisputeKit) -> None:
    """Sign and record what the kit needs. Raises UnknownChannel or NothingToLeave."""
    channel = draft.state.channels.get(item.channel_id)
    if channel is None:
        raise UnknownChannel(item.channel_id)
    require_exit(draft.state, channel)
    node, signed = draft.state.node, []
    for member in kit_members(draft.state, channel):
        if not needs_challenge(member):
            continue
        if item.sealed and needs_redemption(node, member):
            newest_support(draft, member)
            member = draft.state.channels[member.channel_id]
        found = held_support(node, member, draft.context.for_chain)
        if found is None:
            continue
        signature = draft.context.signer(challenge_message(found.state_hash))
        turn_num = found.candidate.state.turn_num
        signed.append((member.channel_id, turn_num, found.state_hash, signature))
    channels, turn_nums, hashes, signatures = zip(*signed, strict=True) if signed else ((),) * 4
    draft.emit(
        DisputeKitExported(channel.channel_id, item.sealed, channels, turn_nums, hashes, signatures)
    )


def needs_challenge(channel: Channel) -> bool:
    """Whether leaving the channel may begin with a challenge: it is not final, nor concluded."""
    return not is_finalised(channel) and supported_final(channel) is None


def kit_members(state: NodeState, channel: Channel) -> list[Channel]:
    """The channel, the ledgers on our side that fund it, and what those guarantee besides."""
    found = {channel.channel_id: channel}
    if channel.virtual is not None:
        for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger):
            if stands(state, ledger_id, channel.channel_id):
                found[ledger_id] = state.channels[ledger_id]
    for ledger in [known for known in found.values() if known.virtual is None]:
        for target_id, left in _guaranteed(ledger).items():
            target = state.channels.get(target_id)
            # One that was forgotten and not told again is the other party's to bring to an end.
            if target is None or target.virtual is None:
                continue
            if may_gain(state.node, ledger, left, target):
                found[target_id] = target
    return [
        known
        for known in found.values()
        if known is channel or (known.turns and is_supported(known, PREFUND_TURN))
    ]


def _guaranteed(ledger: Channel) -> dict[ChannelId, bytes]:
    """The channels that the ledger funds, as agreed last and as the chain has it, by their left."""
    found: dict[ChannelId, bytes] = {}
    exit_ = exit_of(observed_adjudicated(ledger).outcome)
    if exit_ is not None:
        for place in own_guarantees(ledger, exit_):
            share = exit_.allocations[place]
            found[share.destination] = share.metadata[:32]
    if ledger.ledger is not None:
        for guarantee in ledger.ledger.current.guarantees:
            found[guarantee.target] = guarantee.left
    return found
