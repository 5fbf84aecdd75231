"""The owner's word on what peers propose, and what becomes of a proposal without one.

Where policy says ask, an objective waits unapproved and nothing of it is signed. The owner approves
or rejects it; what nobody answered in time is rejected at a `Tick`, and the peer is told.
"""

from __future__ import annotations

from itertools import islice

from protocols import hub
from protocols.channel import PREFUND_TURN
from protocols.draft import Draft
from protocols.objectives import directfund, giving_up
from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType

APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
OWNER_REJECTED = "OWNER_REJECTED"

EXPIRED_COUNT_MAX = 256
"""Proposals that one `Tick` ends, so that no batch grows with what waited; the next goes on."""


def may_reject(draft: Draft, objective: Objective) -> bool:
    """True while nothing is at stake: nothing signed by us can bring a deposit or guarantee."""
    if objective.status == ObjectiveStatus.UNAPPROVED:
        return True
    channel = draft.state.channels[objective.channel_id]
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND:
        return giving_up.may_give_up(draft, channel)
    if objective.objective_type != ObjectiveType.DIRECT_FUND:
        return False
    # A payee that signed the prefund has let the payer's deposit go out: it may be on its way.
    has_let_go = channel.my_index != 0 and channel.signed_by_me(PREFUND_TURN)
    return not has_let_go and directfund.may_abandon(draft, objective)


def reject(draft: Draft, objective: Objective, reason: str, error_code: str) -> None:
    """Take no part in what was proposed; who proposed it, and whoever else takes part, is told."""
    if objective.objective_type != ObjectiveType.VIRTUAL_FUND:
        directfund.reject(draft, objective.objective_id, reason, error_code)
        return
    channel = draft.state.channels[objective.channel_id]
    hop = channel.fixed.participants.index(channel.me)
    giving_up.give_up(draft, channel, error_code, giving_up.with_hop(hop, reason))


def require_room(draft: Draft, objective: Objective) -> None:
    """Limits hold for what the owner approves too: others may have taken the room meanwhile.

    Raises what `hub.require_room` does.
    """
    channel = draft.state.channels[objective.channel_id]
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND and channel.virtual is not None:
        hub.require_room_for(draft, channel)


def expire(draft: Draft) -> None:
    """Reject what waited for the owner's word longer than it may."""
    timeout_s = draft.context.approval_timeout_s
    oldest = islice(draft.base.unapproved.items(), EXPIRED_COUNT_MAX)
    for identity, created_ms in list(oldest):
        if draft.context.now_ms < created_ms + timeout_s * 1_000:
            break
        draft.begin_anew()
        reason = f"nobody approved it within {timeout_s} s"
        reject(draft, draft.state.objectives[identity], reason, APPROVAL_EXPIRED)
