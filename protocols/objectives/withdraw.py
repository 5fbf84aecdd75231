"""Withdraw: be paid what is ours of a finalised channel, whatever strangers called meanwhile.

    guarantees of final channels reclaimed -> our share transferred -> all of it confirmed

The next step follows from what the adjudicator keeps now (M4), so every step may fail, be made by
somebody else, or be repeated after a restart. A guarantee waits for the channel it funds; if nobody
brings that one to an end, we do.

```mermaid
flowchart LR
  F[final] --> R[guarantees reclaimed] --> T[transferred] --> D[nothing left that is ours]
```
"""

from __future__ import annotations

from protocols.adjudication import Adjudicated, exit_of
from protocols.channel import (
    FINALISED,
    POSTFUND_TURN,
    Channel,
    confirmed_holdings,
    funding_terms,
    is_finalised,
    is_withdrawn,
    observed_adjudicated,
    observed_chain_status,
    observed_holdings,
    own_guarantees,
)
from protocols.draft import Draft
from protocols.entities import Node
from protocols.exit_calls import Finalised, reclaim_call, transfer_call
from protocols.objectives.app_supports import app_turn
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor
from protocols.objectives.challenge import may_challenge
from protocols.objectives.leaving import begin, complete
from protocols.objectives.supports import request
from protocols.outcome import SIMPLE, SingleAssetExit, destination_of
from protocols.types import ChannelId

TRANSFER, RECLAIM = "transfer", "reclaim"
"""The kinds of these transaction intents; a reclaim's has the guaranteed channel's id behind."""


def start_if_due(draft: Draft, channel: Channel) -> None:
    """Begin when the channel is final, with something of ours in it that nobody paid out; again
    when there is more of that: a guarantee that others gave back, or a fork that took a payout.
    """
    if channel.virtual is None and is_finalised(channel) and not is_withdrawn(channel):
        begin(draft, ObjectiveType.WITHDRAW, channel)


def crank(draft: Draft, objective: Objective) -> WaitingFor:
    """Make all progress possible now; the first unmet condition."""
    if not objective.is_active:
        return WaitingFor.NOTHING
    channel = draft.state.channels[objective.channel_id]
    if observed_chain_status(channel) not in FINALISED:
        return WaitingFor.FINALIZATION
    known = observed_adjudicated(channel)
    exit_ = exit_of(known.outcome)
    if exit_ is None or not known.state_hash:
        return _of_unknown(draft, objective, channel)
    standing = Finalised(channel.channel_id, known.state_hash, (exit_,))
    reclaimable, awaited = _guarantees(draft, channel, exit_)
    if reclaimable:
        place, target = reclaimable[0]
        data = reclaim_call(standing, place, target)
        request(draft, reclaim_kind(target.channel_id), channel, data)
        return WaitingFor.RECLAIM
    own = payable(channel, exit_, observed_holdings(channel, exit_.asset))
    if own:
        request(draft, TRANSFER, channel, transfer_call(standing, own))
        return WaitingFor.WITHDRAWAL
    if awaited:
        return WaitingFor.TARGET_FINALIZATION
    if channel.observed:
        return WaitingFor.WITHDRAWAL
    complete(draft, objective)
    return WaitingFor.NOTHING


def reclaim_kind(target: ChannelId) -> str:
    """The kind of the intent that gives the target's guarantee back: one need, one intent."""
    return f"{RECLAIM} {target.hex()}"


def _of_unknown(draft: Draft, objective: Objective, channel: Channel) -> WaitingFor:
    """What the channel ended with is forgotten (M27): the others may still pay everybody."""
    held = sum(holding.confirmed for holding in channel.holdings)
    if held:
        return WaitingFor.KNOWN_OUTCOME
    complete(draft, objective)
    return WaitingFor.NOTHING


def payable(channel: Channel, exit_: SingleAssetExit, held: int) -> list[int]:
    """The places of our shares that `held` covers at least in part, earlier ones coming first."""
    mine, found = destination_of(channel.me), []
    for place, share in enumerate(exit_.allocations):
        affordable = min(share.amount, held)
        held -= affordable
        if affordable and share.destination == mine and share.allocation_type == SIMPLE:
            found.append(place)
    return found


def _guarantees(
    draft: Draft, channel: Channel, exit_: SingleAssetExit
) -> tuple[list[tuple[int, Finalised]], bool]:
    """What can be reclaimed now, and whether anything of ours waits for its target."""
    if confirmed_holdings(channel, exit_.asset) == 0:
        return [], False
    found, awaited = [], False
    for place in own_guarantees(channel, exit_):
        share = exit_.allocations[place]
        target = draft.state.channels.get(share.destination)
        if target is None:
            continue  # Forgotten (M27): the other party may reclaim it.
        known = observed_adjudicated(target)
        if is_finalised(target):
            gain = _gain(channel, share.amount, share.metadata, known)
            if gain:
                first = exit_of(known.first_outcome)
                assert first is not None, "it gains something"
                found.append((place, Finalised(share.destination, known.state_hash, (first,))))
        elif may_gain(draft.state.node, channel, share.metadata[:32], target):
            awaited = True
            if may_challenge(draft.state, target):
                begin(draft, ObjectiveType.CHALLENGE, target)
    return found, awaited


def _gain(channel: Channel, amount: int, metadata: bytes, known: Adjudicated) -> int:
    """What a guarantee gives us now that its target is final."""
    first = exit_of(known.first_outcome)
    if first is None or not known.state_hash or len(first.allocations) < 2:
        return 0
    right_share = first.allocations[1].amount
    if right_share > amount:
        return 0
    is_left = metadata[:32] == destination_of(channel.me)
    return amount - right_share if is_left else right_share


def may_gain(node: Node, channel: Channel, left: bytes, target: Channel) -> bool:
    """Whether the target may end with something for us: not for a payee that was never paid, nor
    for an application's last end that put nothing in and was told nothing."""
    is_left = left == destination_of(channel.me)
    if is_left or target.my_index != target.payee_index or target.vouchers.total > 0:
        return True
    if not target.turns:
        return False
    return funding_terms(target).deposits[1] > 0 or app_turn(node, target) > POSTFUND_TURN
