"""Unwinding: a virtual channel is given up with guarantees in place (M16 b).

Ledgers are cleared from right to left. Who has no guarantee on its right any more, by a state that
its neighbour countersigned, and has not signed the postfund (a payee: has accepted no voucher; an
application's last end: has signed no running state) records that it never will and says so to the
left; then its left guarantee is removed, each side getting back what it put in and left the fee.
Where a hub signed the postfund the way out is a final state of all, which the payer begins (M16 a).
Where both ends put in, a hub that signed the postfund does not take its right part back either: the
channel could still end with more for the first end than that, and the hub pays it on its left.

```mermaid
flowchart LR
  U[unwinding asked] --> R[right guarantee gone] --> P[postfund renounced] --> L[left one gone]
```
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import POSTFUND_TURN, Channel, supported_final
from protocols.draft import Draft
from protocols.objectives import closing
from protocols.objectives.base import Objective, WaitingFor
from protocols.objectives.giving_up import fund_id, may_abandon
from protocols.objectives.removals import propose_removal
from protocols.objectives.virtual_states import signatures_of
from protocols.virtual_events import PostfundRenounced
from protocols.virtual_paths import (
    left_of,
    removal_by_unwinding,
    right_of,
    stands,
    virtual_of,
    why_left_does_not_unwind,
)


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """All progress possible now; the objective ends when our guarantees are gone."""
    channel = draft.state.channels[objective.channel_id]
    virtual, channel_id = virtual_of(channel), channel.channel_id
    if supported_final(channel) is not None and not may_abandon(draft, channel):
        # From here on it is the final state that removes them (M16 a): VirtualDefund does.
        return WaitingFor.GUARANTEE_REMOVAL
    if stands(draft.state, virtual.right_ledger, channel_id):
        is_renounced = right_of(channel) in virtual.renounced
        if is_renounced and not why_left_does_not_unwind(channel):
            change = removal_by_unwinding(channel, channel.my_index)
            propose_removal(draft, objective, channel, virtual.right_ledger, change)
            return WaitingFor.GUARANTEE_REMOVAL
        if channel.my_index == 0 and (any(_hubs_postfunds(channel)) or is_renounced):
            closing.start(draft, channel, channel.me)
        return WaitingFor.SUPPORTED_FINAL_STATE if is_renounced else WaitingFor.RENUNCIATION
    if stands(draft.state, virtual.left_ledger, channel_id):
        if channel.me not in virtual.renounced and not _renounce(draft, channel):
            return WaitingFor.SUPPORTED_FINAL_STATE
        change = removal_by_unwinding(channel, channel.my_index - 1)
        propose_removal(draft, objective, channel, virtual.left_ledger, change)
        return WaitingFor.GUARANTEE_REMOVAL
    draft.emit(events.ObjectiveRejected(objective.objective_id, virtual.reason, virtual.error_code))
    return WaitingFor.NOTHING


def _hubs_postfunds(channel: Channel) -> tuple[bytes, ...]:
    return signatures_of(channel, POSTFUND_TURN)[1 : channel.payee_index]


def _has_gone_on(channel: Channel) -> bool:
    """Whether a payee accepted a voucher, or the last end of an application signed its running."""
    return channel.vouchers.total > 0 or (channel.app is not None and channel.app.tip.count > 0)


def _renounce(draft: Draft, channel: Channel) -> bool:
    """Record that we never sign the postfund, and tell our left neighbour; False if we may not."""
    virtual = virtual_of(channel)
    is_payee = channel.my_index == channel.payee_index
    has_taken = _has_gone_on(channel) if is_payee else channel.signed_by_me(POSTFUND_TURN)
    # M27: what the lost end of a log held may be a voucher, or our postfund.
    if has_taken or channel.close_only:
        return False
    code, reason = virtual.error_code, virtual.reason
    draft.emit(PostfundRenounced(channel.channel_id, channel.me, code, reason))
    left = left_of(channel)
    assert left is not None
    body = messages.PostfundRenunciation(channel.channel_id, code, reason)
    draft.send(left, body, fund_id(channel))
    return True
