"""The crank of each objective, and how those of a channel are cranked together."""

from __future__ import annotations

from protocols import events
from protocols.draft import Context, Draft
from protocols.entities import NodeState
from protocols.objectives import (
    challenge,
    defend,
    directdefund,
    directfund,
    exits,
    virtualdefund,
    virtualfund,
    withdraw,
)
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor, newest
from protocols.types import ChannelId

_CRANKS = {
    ObjectiveType.DIRECT_FUND: directfund.crank,
    ObjectiveType.DIRECT_DEFUND: directdefund.crank,
    ObjectiveType.VIRTUAL_FUND: virtualfund.crank,
    ObjectiveType.VIRTUAL_DEFUND: virtualdefund.crank,
    ObjectiveType.EXIT: exits.crank,
    ObjectiveType.CHALLENGE: challenge.crank,
    ObjectiveType.DEFEND: defend.crank,
    ObjectiveType.WITHDRAW: withdraw.crank,
}


def waiting_for(state: NodeState, objective: Objective, context: Context) -> WaitingFor:
    """The objective's first unmet condition now: a copy is cranked and thrown away."""
    return _CRANKS[ObjectiveType(objective.objective_type)](Draft(state, context), objective)


def crank_channel(draft: Draft, channel_id: ChannelId) -> WaitingFor:
    """Crank every objective of a channel; the last one's condition is the answer.

    One that another begins on the way is cranked too: what opens comes before what closes.
    """
    result = WaitingFor.NOTHING
    for kind in _CRANKS:
        objective = newest(draft.state.objectives, kind, channel_id)
        if objective is None or not objective.is_active:
            continue
        event_count, effect_count = len(draft.events), len(draft.effects)
        result = _CRANKS[kind](draft, objective)
        if len(draft.events) > event_count:
            draft.emit(
                events.ObjectiveCranked(
                    objective.objective_id,
                    len(draft.effects) - effect_count,
                    result != WaitingFor.NOTHING,
                )
            )
    return result
