"""Defend: somebody challenged; answer with what is better for us, at once and by ourselves (M19).

    final state of all held -> conclude      ledger with a newer state -> checkpoint
    payee with a voucher -> challenge with its redemption      payer, hub -> nothing (M20)
    application with a newer state -> checkpoint; where a contract judges the moves, challenge
    ledger with the newest state -> a move of 0, if it is to go on (`resuming`)

It begins with the observed log, at depth 0, and ends when the challenge is cleared or the channel
is final, as far as that is confirmed. What no answer can mend raises an alarm.

```mermaid
flowchart LR
  S[seen] --> A[answered] --> C[cleared]
  S --> E[expired]
  A --> E
```
"""

from __future__ import annotations

from protocols.app_channel import JUDGED, MESSAGE_LOG
from protocols.app_definitions import rule_of
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
from protocols.objectives import alarms, resuming
from protocols.objectives.app_supports import claims_move
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor
from protocols.objectives.leaving import begin, complete, under_way
from protocols.objectives.supports import (
    newest_turn,
    redeems,
    request_challenge,
    request_checkpoint,
    request_conclusion,
)

_OF_CHALLENGES = frozenset(("ChallengeRegistered", "ChallengeCleared", "Checkpointed"))


def watch(draft: Draft, channel: Channel) -> None:
    """Begin to defend a channel that is challenged, unless we challenge it ourselves."""
    if observed_chain_status(channel) != ChainStatus.CHALLENGED:
        return
    if under_way(draft, ObjectiveType.CHALLENGE, channel.channel_id) is None:
        begin(draft, ObjectiveType.DEFEND, channel)


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    own_turn = newest_turn(draft.state.node, channel)
    if is_finalised(channel):
        is_lost = alarms.look_at(draft, channel, own_turn)
        complete(draft, objective, success=not is_lost)
        return WaitingFor.NOTHING
    status = observed_chain_status(channel)
    if status in FINALISED:
        return WaitingFor.FINALIZATION
    if status == ChainStatus.OPEN:
        if any(log.log_name in _OF_CHALLENGES for log in channel.observed):
            return WaitingFor.CHALLENGE_CLEARANCE
        complete(draft, objective)
        return WaitingFor.NOTHING
    return _answer(draft, objective, channel, own_turn)


def _answer(draft: Draft, objective: Objective, channel: Channel, own_turn: int) -> WaitingFor:
    if supported_final(channel) is not None:
        request_conclusion(draft, channel)
        return WaitingFor.CONCLUSION
    if under_way(draft, ObjectiveType.CHALLENGE, channel.channel_id) is not None:
        return WaitingFor.CHALLENGE_EXPIRY
    if claims_move(draft, channel, objective.created_ms):
        return WaitingFor.CHALLENGE_REGISTRATION
    known = observed_adjudicated(channel)
    if own_turn <= known.turn_num:
        if not alarms.look_at(draft, channel, own_turn):
            resuming.propose(draft, channel)
        return WaitingFor.CHALLENGE_EXPIRY
    rule = rule_of(draft.state.node, channel.fixed.app_definition)
    if channel.ledger is not None or rule == MESSAGE_LOG:
        request_checkpoint(draft, channel)
        return WaitingFor.CHALLENGE_CLEARANCE
    if rule == JUDGED:
        # Cleared, the other end would be under no clock to move any more.
        request_challenge(draft, channel)
        return WaitingFor.CHALLENGE_REGISTRATION
    if redeems(draft.state.node, channel):
        request_challenge(draft, channel)
        return WaitingFor.CHALLENGE_REGISTRATION
    return WaitingFor.CHALLENGE_EXPIRY
