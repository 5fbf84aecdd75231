"""Exit: leave a channel alone, in one go, until every wei of it that is ours is in our account.

    challenge it, and what a ledger carries, at once -> all final -> reclaimed and paid out

Each step is another objective's (Challenge, Withdraw); this one begins them and sees to the end.
Of a virtual channel the ledgers are kept: with its outcome confirmed on chain the neighbours give
its guarantees back (M16), and only a ledger whose other party does not is challenged as well.
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
from protocols.entities import NodeState
from protocols.exit_errors import ChannelIsFinal, NothingToLeave
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor, newest
from protocols.objectives.challenge import may_challenge
from protocols.objectives.leaving import begin, complete, under_way
from protocols.objectives.withdraw import may_gain
from protocols.virtual_paths import stands


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if channel.virtual is not None:
        return _crank_virtual(draft, objective, channel)
    if is_withdrawn(channel):
        complete(draft, objective)
        return WaitingFor.NOTHING
    if is_finalised(channel):
        return WaitingFor.WITHDRAWAL
    _challenge(draft, channel)
    if channel.ledger is not None:
        for guarantee in channel.ledger.current.guarantees:
            target = draft.state.channels.get(guarantee.target)
            if target is not None and may_gain(draft.state.node, channel, guarantee.left, target):
                _challenge(draft, target)
    return WaitingFor.CHALLENGE_EXPIRY


def _crank_virtual(draft: Draft, objective: Objective, channel: Channel) -> WaitingFor:
    virtual = channel.virtual
    assert virtual is not None
    if virtual.settled:
        complete(draft, objective)
        return WaitingFor.NOTHING
    if not is_finalised(channel):
        _challenge(draft, channel)
        return WaitingFor.CHALLENGE_EXPIRY
    challenged = newest(draft.state.objectives, ObjectiveType.CHALLENGE, channel.channel_id)
    is_new = challenged is not None and challenged.is_active
    final_ms = objective.created_ms if challenged is None else challenged.moved_ms
    if is_new or draft.context.now_ms < final_ms + 1_000 * draft.context.exit_patience_s:
        return WaitingFor.GUARANTEE_REMOVAL
    for ledger_id in (virtual.left_ledger, virtual.right_ledger):
        if stands(draft.state, ledger_id, channel.channel_id):
            _challenge(draft, draft.state.channels[ledger_id])
    return WaitingFor.WITHDRAWAL


def _challenge(draft: Draft, channel: Channel) -> None:
    is_over = is_finalised(channel) or not may_challenge(draft.state, channel)
    if not is_over and under_way(draft, ObjectiveType.CHALLENGE, channel.channel_id) is None:
        begin(draft, ObjectiveType.CHALLENGE, channel)


def require_leavable(draft: Draft, channel: Channel, *, is_exit: bool) -> None:
    """Raise a LeavingRefused for a channel that is over, or that nothing on chain is known of."""
    require_exit(draft.state, channel)
    if is_finalised(channel) and not is_exit:
        raise ChannelIsFinal(channel.channel_id)


def require_exit(state: NodeState, channel: Channel) -> None:
    """Raise NothingToLeave unless the chain could pay something of ours out."""
    if is_withdrawn(channel) or (channel.virtual is not None and channel.virtual.settled):
        raise NothingToLeave(channel.channel_id, "everything of ours was paid out")
    if is_finalised(channel):
        return
    if not may_challenge(state, channel):
        raise NothingToLeave(channel.channel_id, "we hold no state of it that all signed")
    if channel.virtual is None and not observed_holdings(channel, funding_terms(channel).asset):
        raise NothingToLeave(channel.channel_id, "nothing was deposited into it")
