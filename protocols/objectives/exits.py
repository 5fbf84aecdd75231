"""Exit: leave a channel alone, in one go, until every wei of it that is ours is in our account.

    challenge it, and what a ledger carries, at once -> all final -> reclaimed and paid out

Each step is another objective's (Challenge, Withdraw); this one begins them and sees to the end.
While it runs the others may still close together with us: whatever ends the channel first counts.

```mermaid
flowchart LR
  C[challenged] --> F[final] --> W[withdrawn]
```
"""

from __future__ import annotations

from protocols.channel import (
    Channel,
    funding_terms,
    is_finalised,
    is_withdrawn,
    observed_holdings,
)
from protocols.draft import Draft
from protocols.exit_errors import ChannelIsFinal, NothingToLeave
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor
from protocols.objectives.challenge import may_challenge
from protocols.objectives.leaving import begin, complete, under_way


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if is_withdrawn(channel):
        complete(draft, objective)
        return WaitingFor.NOTHING
    if is_finalised(channel):
        return WaitingFor.WITHDRAWAL
    _challenge(draft, channel)
    if channel.ledger is not None:
        for guarantee in channel.ledger.current.guarantees:
            target = draft.state.channels.get(guarantee.target)
            if target is not None:
                _challenge(draft, target)
    return WaitingFor.CHALLENGE_EXPIRY


def _challenge(draft: Draft, channel: Channel) -> None:
    is_over = is_finalised(channel) or not may_challenge(draft, channel)
    if not is_over and under_way(draft, ObjectiveType.CHALLENGE, channel.channel_id) is None:
        begin(draft, ObjectiveType.CHALLENGE, channel)


def require_leavable(draft: Draft, channel: Channel, *, is_exit: bool) -> None:
    """Raise a LeavingRefused for a channel that is over, or that nothing on chain is known of."""
    if is_withdrawn(channel):
        raise NothingToLeave(channel.channel_id, "everything of ours was paid out")
    if is_finalised(channel):
        if not is_exit:
            raise ChannelIsFinal(channel.channel_id)
        return
    if not may_challenge(draft, channel):
        raise NothingToLeave(channel.channel_id, "we hold no state of it that all signed")
    if channel.virtual is None and not observed_holdings(channel, funding_terms(channel).asset):
        raise NothingToLeave(channel.channel_id, "nothing was deposited into it")
