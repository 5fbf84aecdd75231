"""Beginning to leave: how Exit, Challenge, Defend and Withdraw are begun, and begun again.

Leaving is never a matter of policy, so each begins approved.
"""

from __future__ import annotations

from protocols import events
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.objectives.base import (
    Objective,
    ObjectiveType,
    newest,
    newest_round,
    objective_id,
)
from protocols.types import Bytes32, ChannelId, ObjectiveId


def under_way(draft: Draft, kind: ObjectiveType, channel_id: ChannelId) -> Objective | None:
    """The channel's objective of that kind, while cranking may still move it."""
    found = newest(draft.state.objectives, kind, channel_id)
    return found if found is not None and found.is_active else None


def begin(
    draft: Draft,
    kind: ObjectiveType,
    channel: Channel,
    request_id: str = "",
    request_hash: Bytes32 | None = None,
) -> ObjectiveId:
    """Begin it unless it is under way; its id. `request_hash` is there if our owner asked."""
    channel_id = channel.channel_id
    number, found = newest_round(draft.state.objectives, kind, channel_id)
    if found is not None and found.is_active:
        return found.objective_id
    identity = objective_id(kind, channel_id, number + 1)
    me = draft.context.me
    draft.emit(events.ObjectiveCreated(identity, kind, channel_id, channel.fixed.participants))
    draft.emit(events.ObjectiveParamsRecorded(identity, me, request_id, request_hash))
    draft.emit(events.ObjectiveApproved(identity, me))
    return identity


def complete(draft: Draft, objective: Objective, *, success: bool = True) -> None:
    """It came to its end."""
    draft.emit(events.ObjectiveCompleted(objective.objective_id, success))
