"""What the adjudicator would answer to a call of ours, read from the state alone.

Call data of a simulation carries placeholders, which no contract takes, so nothing is decoded: the
call is the one that the node makes for this need now. A call that would revert gives None.
Source: ForceMove.sol, AssetHolder.sol.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from node.whatif.placeholders import for_no_chain, placeholder
from protocols.abi import encode_outcome
from protocols.adjudication import exit_of, guarantee_place
from protocols.channel import (
    FINALISED,
    POSTFUND_TURN,
    REDEMPTION_TURN,
    ChainStatus,
    Channel,
    challenge_end,
    is_supported,
    observed_adjudicated,
    observed_chain_status,
    observed_holdings,
    supported_final,
)
from protocols.entities import NodeState
from protocols.exit_calls import redemption
from protocols.exit_errors import ChallengeImpossible
from protocols.objectives.supports import (
    CHALLENGE,
    CHECKPOINT,
    held_support,
    signed_for_chain,
)
from protocols.objectives.withdraw import RECLAIM, TRANSFER, payable
from protocols.state import State
from protocols.types import Address, ChannelId


class Said(Struct, frozen=True, gc=False):
    """One log, without its place."""

    log_name: str
    values: dict[str, Any]
    """By the fields of `inputs.ChainLog`."""


Answer = tuple[Said, ...] | None
"""The logs of a call; None if it would revert."""


def answer_to(state: NodeState, channel: Channel, kind: str, now_s: int) -> Answer:
    """What comes of our order of that kind for the channel, in a block of that time."""
    if kind in (CHALLENGE, CHECKPOINT):
        support = held_support(state.node, channel, for_no_chain)
        if support is None:
            return None
        if kind == CHECKPOINT:
            return _checkpointed(channel, support.candidate.state, now_s)
        return registered(channel, support.candidate.state, now_s, state.node.address)
    if kind == TRANSFER:
        return _transferred(channel, now_s)
    name, _, target = kind.partition(" ")
    if name == RECLAIM:
        return _reclaimed(state, channel, bytes.fromhex(target), now_s)
    return ()


def is_final(channel: Channel, now_s: int) -> bool:
    """Whether no state of it can be registered any more in a block of that time."""
    ends_at = challenge_end(channel)
    return observed_chain_status(channel) in FINALISED or 0 < ends_at <= now_s


def registered(channel: Channel, candidate: State, now_s: int, challenger: Address) -> Answer:
    """A challenge with that state; the clock starts."""
    known = observed_adjudicated(channel)
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    if is_final(channel, now_s) or candidate.turn_num < known.turn_num + is_challenged:
        return None
    values = {
        "number": now_s + channel.fixed.challenge_duration,
        "turn_num": candidate.turn_num,
        "challenger": challenger,
        "candidate_state_hash": candidate.state_hash(),
        "candidate_outcome": encode_outcome(candidate.outcome),
    }
    return (Said("ChallengeRegistered", values),)


def _checkpointed(channel: Channel, candidate: State, now_s: int) -> Answer:
    known = observed_adjudicated(channel)
    if is_final(channel, now_s) or candidate.turn_num <= known.turn_num:
        return None
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    name = "ChallengeCleared" if is_challenged else "Checkpointed"
    return (Said(name, {"number": candidate.turn_num}),)


def _transferred(channel: Channel, now_s: int) -> Answer:
    """Our shares are paid, as far as the holdings go."""
    exit_ = exit_of(observed_adjudicated(channel).outcome)
    if exit_ is None or not is_final(channel, now_s):
        return None
    held = left = observed_holdings(channel, exit_.asset)
    places, amounts = payable(channel, exit_, held), []
    for place, share in enumerate(exit_.allocations):
        affordable = min(share.amount, left)
        left -= affordable
        if place in places:
            amounts.append(affordable)
    paid = {"indices": tuple(places), "amounts": tuple(amounts)}
    return Said("AllocationUpdated", {"amount": held - sum(amounts)}), Said("OutcomePaid", paid)


def _reclaimed(state: NodeState, ledger: Channel, target_id: ChannelId, now_s: int) -> Answer:
    """A guarantee is given back by the outcome that its channel became final with."""
    exit_, target = exit_of(observed_adjudicated(ledger).outcome), state.channels.get(target_id)
    if exit_ is None or target is None:
        return None
    first = exit_of(observed_adjudicated(target).first_outcome)
    place = guarantee_place(exit_, target_id)
    if first is None or place is None or not (is_final(ledger, now_s) and is_final(target, now_s)):
        return None
    right_share = first.allocations[1].amount
    if right_share > exit_.allocations[place].amount:
        return None
    return (Said("OutcomeReclaimed", {"target": target_id, "amount": right_share}),)


# --- what the other party can register ---


def shown_by_other(state: NodeState, channel: Channel, turn_num: int) -> State:
    """The state of that turn with which the other party can challenge; ChallengeImpossible."""
    ledger = channel.ledger
    if ledger is not None and turn_num == ledger.turn_num:
        support = held_support(state.node, channel, for_no_chain)
        assert support is not None, "a ledger that is open has a state of all"
        return support.candidate.state
    if ledger is None and turn_num == REDEMPTION_TURN and may_redeem(state, channel):
        return _redemption(channel)
    turn = channel.turn(turn_num)
    if turn is None or turn.is_final or not is_supported(channel, turn_num):
        reason = f"no state of turn {turn_num} is known here that the other party could show"
        raise ChallengeImpossible(channel.channel_id, reason)
    return channel.state(turn)


def may_redeem(state: NodeState, channel: Channel) -> bool:
    """Whether the other end is a payee with a voucher of ours to redeem."""
    is_payment = channel.fixed.app_definition == state.node.virtual_payment_app
    is_ours = channel.my_index == 0 and channel.vouchers.total > 0
    return is_payment and is_ours and is_supported(channel, POSTFUND_TURN)


def redeems_now(state: NodeState, channel: Channel, now_s: int) -> bool:
    """Whether an honest payee answers the challenge that runs with its largest voucher (M20)."""
    if not may_redeem(state, channel) or supported_final(channel) is not None:
        return False
    known = observed_adjudicated(channel)
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    return is_challenged and known.turn_num < REDEMPTION_TURN and not is_final(channel, now_s)


def _redemption(channel: Channel) -> State:
    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None, "the caller looked for it"
    proof = signed_for_chain(for_no_chain, channel, postfund)
    me, total = channel.me, channel.vouchers.total
    voucher = for_no_chain(channel.channel_id, placeholder(me, channel.channel_id), me)
    return redemption(proof, total, voucher)
