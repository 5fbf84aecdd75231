"""Whether our owner leaves a ledger: no newer state of it is signed then.

Each state that both could sign is one by which the other party may clear our challenge, and each
costs us one more challenge's time. What is agreed that ends something is exempt (M16).
"""

from __future__ import annotations

from collections.abc import Iterable

from protocols.channel import Channel
from protocols.entities import NodeState
from protocols.objectives.base import ObjectiveType, newest
from protocols.types import ChannelId


def is_leaving(state: NodeState, channel: Channel) -> bool:
    """Whether our owner leaves the ledger, or a channel that it carries, on chain (Exit)."""
    return exit_under_way(state, (channel.channel_id, *_carried(channel))) is not None


def is_being_left(state: NodeState, channel: Channel) -> bool:
    """Whether the ledger itself is left: by its own Exit, or challenged for that of a channel that
    it carries. Others of its channels go on until then."""
    channel_id = channel.channel_id
    if _is_under_way(state, ObjectiveType.EXIT, channel_id):
        return True
    if not challenge_under_way(state, channel_id):
        return False
    return exit_under_way(state, _carried(channel)) is not None


def challenge_under_way(state: NodeState, channel_id: ChannelId) -> bool:
    """Whether we challenge the channel, or are about to."""
    return _is_under_way(state, ObjectiveType.CHALLENGE, channel_id)


def exit_under_way(state: NodeState, channel_ids: Iterable[ChannelId]) -> ChannelId | None:
    """The first of these channels that our owner leaves."""
    for channel_id in channel_ids:
        if _is_under_way(state, ObjectiveType.EXIT, channel_id):
            return channel_id
    return None


def _carried(channel: Channel) -> list[ChannelId]:
    guarantees = () if channel.ledger is None else channel.ledger.current.guarantees
    return [guarantee.target for guarantee in guarantees]


def _is_under_way(state: NodeState, kind: ObjectiveType, channel_id: ChannelId) -> bool:
    found = newest(state.objectives, kind, channel_id)
    return found is not None and found.is_active
