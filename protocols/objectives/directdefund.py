"""DirectDefund: both parties sign the final state, one transaction concludes and pays out.

    largest voucher known -> final state by the payer (M12) -> by the payee -> concluded -> paid out

How the two agree on the final state is `closing`, and `ledger_closing` for a ledger. Participant 0
submits; the other side does when nothing was concluded for a while, since either can.

```mermaid
flowchart LR
  V[largest voucher] --> P[final state from payer] --> S[supported final state]
  S --> C[conclusion] --> W[withdrawal]
```
"""

from __future__ import annotations

from protocols import events
from protocols.channel import (
    FINALISED,
    POSTFUND_TURN,
    ChainStatus,
    Channel,
    is_supported,
    is_withdrawn,
    observed_chain_status,
    supported_final,
)
from protocols.commands import CloseChannel, command_hash
from protocols.draft import Draft
from protocols.objectives import closing, ledger_closing
from protocols.objectives.base import (
    Objective,
    ObjectiveType,
    WaitingFor,
    objective_id,
)
from protocols.objectives.supports import CONCLUDE as CONCLUDE
from protocols.objectives.supports import request_conclusion
from protocols.payment_errors import ChannelNotOpen
from protocols.types import ObjectiveId

CONCLUDE_FALLBACK_MS = 300_000
"""How long the payee waits for the payer's conclusion before it submits its own: 25 blocks of
12 s."""


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if observed_chain_status(channel) not in FINALISED:
        agree = closing.agree if channel.ledger is None else ledger_closing.agree
        waiting_for = agree(draft, channel, objective.objective_id)
        if waiting_for is not None:
            return waiting_for
        return _conclude(draft, draft.state.channels[objective.channel_id], objective)

    if not is_withdrawn(channel):
        return WaitingFor.WITHDRAWAL
    final = supported_final(channel)
    state_hash = None if final is None else final.state_hash
    draft.emit(events.ObjectiveCompleted(objective.objective_id, True, state_hash))
    return WaitingFor.NOTHING


def _conclude(draft: Draft, channel: Channel, objective: Objective) -> WaitingFor:
    waited_ms = draft.context.now_ms - objective.created_ms
    # M20: under a challenge nobody may wait for the other.
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    if channel.my_index == 0 or is_challenged or waited_ms >= CONCLUDE_FALLBACK_MS:
        request_conclusion(draft, channel)
    return WaitingFor.CONCLUSION


def close_channel(draft: Draft, command: CloseChannel, channel: Channel) -> ObjectiveId:
    """The owner's command; a second close of a channel answers with the first's objective."""
    identity = objective_id(ObjectiveType.DIRECT_DEFUND, channel.channel_id)
    if draft.state.objectives.get(identity) is None:
        if not is_supported(channel, POSTFUND_TURN):
            raise ChannelNotOpen(channel.channel_id, "not funded yet")
        if channel.ledger is not None:
            ledger_closing.require_closable(channel)
        request_hash = command_hash(command)
        closing.start(draft, channel, draft.context.me, command.request_id, request_hash)
    return identity


def retell(draft: Draft, channel: Channel) -> None:
    """Say again what we signed or asked to close: one side lost the end of its log."""
    identity = objective_id(ObjectiveType.DIRECT_DEFUND, channel.channel_id)
    if draft.state.objectives.get(identity) is None or is_withdrawn(channel):
        return
    closing.say_again(draft, channel, identity)
