"""The path of a virtual channel: who stands where, and what each ledger on it has to guarantee.

Participants are [payer, intermediaries..., payee]; ledger k lies between participants k and k + 1,
left is nearer to the payer. Pure look-ups and arithmetic: what may be signed is for the objectives.
"""

from __future__ import annotations

from typing import NamedTuple

from protocols.adjudication import exit_of
from protocols.channel import (
    POSTFUND_TURN,
    Channel,
    SignedTurn,
    Virtual,
    funding_terms,
    is_withdrawn,
)
from protocols.ledger import ADD, REMOVE, Change, find_guarantee, inverse
from protocols.node_state import NodeState
from protocols.outcome import destination_of
from protocols.types import Address, ChannelId


def virtual_of(channel: Channel) -> Virtual:
    """What carries the channel, which must be a virtual one."""
    assert channel.virtual is not None, "only virtual channels have a path"
    return channel.virtual


def left_of(channel: Channel) -> Address | None:
    """Our neighbour nearer to the payer; None for the payer."""
    place = channel.my_index
    return channel.fixed.participants[place - 1] if place else None


def right_of(channel: Channel) -> Address | None:
    """Our neighbour nearer to the payee; None for the payee."""
    place = channel.my_index
    return None if place == channel.payee_index else channel.fixed.participants[place + 1]


def links_of(channel: Channel) -> tuple[Address, ...]:
    """With whom we speak about the channel: our neighbours, and the two ends with each other."""
    neighbours = [who for who in (left_of(channel), right_of(channel)) if who is not None]
    if channel.is_end and channel.counterparty not in neighbours:
        neighbours.append(channel.counterparty)
    return tuple(neighbours)


def has_hubs(channel: Channel) -> bool:
    """True unless payer and payee are neighbours (M18)."""
    return channel.payee_index > 1


def ledger_at(channel: Channel, ledger_id: ChannelId) -> int | None:
    """Which ledger of the path that one of ours is; None for one that does not carry it (M17)."""
    virtual = virtual_of(channel)
    if ledger_id == virtual.left_ledger:
        return channel.my_index - 1
    return channel.my_index if ledger_id == virtual.right_ledger else None


def fee_at(fees: tuple[int, ...], place: int) -> int:
    """What the addition to ledger `place` moves to the right: the fees of all who follow (M14)."""
    return sum(fees[place:])


class Parts(NamedTuple):
    """What one guarantee takes from each balance of its ledger, smallest unit."""

    left: int
    right: int


def parts_at(amounts: tuple[int, int], fees: tuple[int, ...], place: int) -> Parts:
    """What each party of ledger `place` needs free: left its end's amount and the fees of all who
    follow, right the other end's amount, of which the fee that it gets pays a part (M14)."""
    fee = fee_at(fees, place)
    return Parts(amounts[0] + fee, max(0, amounts[1] - fee))


def addition(channel: Channel, place: int) -> Change:
    """The change that makes ledger `place` guarantee the channel."""
    terms = funding_terms(channel)
    left, right = channel.fixed.participants[place : place + 2]
    return Change(
        ADD,
        channel.channel_id,
        terms.total,
        destination_of(left),
        destination_of(right),
        terms.deposits[0],
        fee_at(virtual_of(channel).fees, place),
    )


def removal_by_final(channel: Channel, place: int, final: SignedTurn) -> Change:
    """M16 (a): each side gets its end's share of the final state; the fee stays earned."""
    added = addition(channel, place)
    payers = channel.state(final).outcome[0].allocations[0].amount
    return Change(REMOVE, added.target, added.amount, added.left, added.right, payers)


def removal_by_outcome(channel: Channel, place: int) -> Change | None:
    """M16 (a): the same by what the channel finalised with on chain; None if that is not known."""
    known = channel.adjudicated
    exit_ = None if known is None else exit_of(known.first_outcome)
    if exit_ is None or len(exit_.allocations) != 2:
        return None
    added = addition(channel, place)
    payers = exit_.allocations[0].amount
    if payers + exit_.allocations[1].amount != added.amount:
        return None
    return Change(REMOVE, added.target, added.amount, added.left, added.right, payers)


def removal_by_unwinding(channel: Channel, place: int) -> Change:
    """M16 (b): each side gets back what it put in, and left the fee."""
    return inverse(addition(channel, place))


def has_two_stakes(channel: Channel) -> bool:
    """True if the last end puts in something too: left's part of a guarantee is not all of it."""
    return funding_terms(channel).deposits[-1] > 0


def may_be_split_anyhow(channel: Channel) -> bool:
    """Whether the channel may end in another split than it began with, by what we signed.

    Without our postfund no running state counts, and without our final state no other end. Who
    lost the end of a log may have signed either (M27).
    """
    is_ended = any(turn.is_final and turn.signatures[channel.my_index] for turn in channel.turns)
    return is_ended or channel.signed_by_me(POSTFUND_TURN) or channel.close_only


def why_left_does_not_unwind(channel: Channel) -> str:
    """Why we, on the left, do not take back what we put in under M16 (b); empty if we do.

    Where all of it is ours it is the most we could get. Else the channel may end with more for our
    side than we put in: then a hub gave that on its left, and an end won it.
    """
    if has_two_stakes(channel) and may_be_split_anyhow(channel):
        return "both ends put in, and it may have ended in another split"
    return ""


def is_agreed(state: NodeState, ledger_id: ChannelId, target: ChannelId) -> bool:
    """True while a state of that ledger signed by both guarantees the target."""
    channel = state.channels.get(ledger_id) if ledger_id else None
    if channel is None or channel.ledger is None:
        return False
    return find_guarantee(channel.ledger.current, target) is not None


def is_proposed(state: NodeState, ledger_id: ChannelId, target: ChannelId) -> bool:
    """True while the newest proposal of that ledger leaves the target guaranteed."""
    channel = state.channels.get(ledger_id) if ledger_id else None
    if channel is None or channel.ledger is None:
        return False
    return find_guarantee(channel.ledger.proposed, target) is not None


def stands(state: NodeState, ledger_id: ChannelId, target: ChannelId) -> bool:
    """True while a state of that ledger we signed may guarantee the target (M16).

    A leader signed all it proposed: the guarantee stands until the follower countersigned a state
    without it and nothing about it waits in the queue. A follower signed what is agreed. Once the
    ledger is final on chain and all that is ours is out, no state of it can be enforced any more.
    """
    channel = state.channels.get(ledger_id) if ledger_id else None
    if channel is None or is_withdrawn(channel):
        return False
    if is_agreed(state, ledger_id, target):
        return True
    if channel.ledger is None or channel.my_index != 0:
        return False
    return any(proposal.change.target == target for proposal in channel.ledger.queue)


def costs_nothing(state: NodeState, channel: Channel, to_last: int) -> bool:
    """Whether a hub loses nothing if the channel ends with so much for its last end.

    What it gains by that on one side it gives on the other where both guarantees are in force. One
    that is gone, or that we proposed to add or remove, may leave it with the other's loss.
    """
    gain = to_last - funding_terms(channel).deposits[-1]
    virtual, target = virtual_of(channel), channel.channel_id
    left, right = (
        _may_be_in_force(state, ledger_id, target)
        for ledger_id in (virtual.left_ledger, virtual.right_ledger)
    )
    return all((on_left - on_right) * gain >= 0 for on_left in left for on_right in right)


def _may_be_in_force(state: NodeState, ledger_id: ChannelId, target: ChannelId) -> set[bool]:
    """Both while a proposal of ours about the guarantee waits, whatever was said of it."""
    if not stands(state, ledger_id, target):
        return {False}
    channel = state.channels[ledger_id]
    queue = () if channel.ledger is None or channel.my_index else channel.ledger.queue
    is_waiting = any(proposal.change.target == target for proposal in queue)
    return {False, True} if is_waiting else {True}
