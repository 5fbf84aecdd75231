"""Challenge: the newest state we can show stands on chain, until nobody can answer any more.

    newest state registered -> its time passes -> the channel is final

A state signed by all that is final ends the channel at once instead (M20). A challenge with an
older state is outranked; a newer one is left to stand. What is paid out then is Withdraw's. Who
answers is there again: then this one ends, and the channel goes on (Exit begins another). So it is
with a ledger that nobody leaves, once both signed a newer state.

```mermaid
flowchart LR
  R[registered] --> E[expired] --> F[final]
  S[final state of all] --> C[concluded] --> F
```
"""

from __future__ import annotations

from protocols.channel import (
    FINALISED,
    ChainStatus,
    Channel,
    is_finalised,
    observed_adjudicated,
    observed_chain_status,
    supported_final,
)
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.ledger_leaving import is_leaving
from protocols.objectives import alarms, resuming
from protocols.objectives.app_supports import claims_move
from protocols.objectives.base import Objective, WaitingFor
from protocols.objectives.leaving import complete
from protocols.objectives.supports import (
    newest_turn,
    request_challenge,
    request_checkpoint,
    request_conclusion,
)


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if is_finalised(channel):
        complete(draft, objective)
        return WaitingFor.NOTHING
    status = observed_chain_status(channel)
    if status in FINALISED:
        return WaitingFor.FINALIZATION
    if supported_final(channel) is not None:
        request_conclusion(draft, channel)
        return WaitingFor.CONCLUSION
    is_open = status == channel.chain_status == ChainStatus.OPEN
    if is_open and channel.cleared_ms > objective.created_ms:
        # The other party answered: it is there, and the channel goes on.
        complete(draft, objective, success=False)
        return WaitingFor.NOTHING
    if claims_move(draft, channel, objective.created_ms):
        return WaitingFor.CHALLENGE_REGISTRATION
    known, own_turn = observed_adjudicated(channel), newest_turn(draft.state.node, channel)
    if status == ChainStatus.CHALLENGED and known.turn_num >= own_turn:
        alarms.look_at(draft, channel, own_turn)
        return WaitingFor.CHALLENGE_EXPIRY
    if own_turn < known.turn_num or own_turn < 0:
        # The chain has seen a newer state than we hold: ours would be refused.
        return WaitingFor.KNOWN_OUTCOME
    is_clearing = status == ChainStatus.OPEN != channel.chain_status
    if is_clearing and not is_leaving(draft.state, channel):
        return WaitingFor.CHALLENGE_CLEARANCE
    if resuming.may_go_on(draft.state, channel):
        # The peer is there again, and both signed something newer (M20).
        waited_ms = draft.context.now_ms - objective.created_ms
        if waited_ms >= 500 * channel.fixed.challenge_duration:
            # Who was challenged had half of the time to clear it: one transaction is enough.
            request_checkpoint(draft, channel)
        return WaitingFor.CHALLENGE_CLEARANCE
    request_challenge(draft, channel)
    return WaitingFor.CHALLENGE_REGISTRATION


def may_challenge(state: NodeState, channel: Channel) -> bool:
    """Whether there is anything to challenge with, and a channel that is not final yet."""
    if observed_chain_status(channel) in FINALISED:
        return False
    is_final = supported_final(channel) is not None
    return is_final or newest_turn(state.node, channel) >= 0
