"""What a node with open ledgers believes, made by hand: a draft to judge a path by."""

from __future__ import annotations

from msgspec.structs import replace

from protocols.channel import Channel, with_signature, with_turn
from protocols.draft import Context, Decision, Draft
from protocols.events import NodeCreated
from protocols.ledger_reducers import with_ledger
from protocols.node_state import NodeState, apply
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, DURATION_S, PAYMENT_APP


def ledger_between(leader: Actor, follower: Actor, amounts: tuple[int, int], me: int) -> Channel:
    """An open ledger of the two, as the one at place `me` knows it."""
    fixed = FixedPart((leader.address, follower.address), 7, CONSENSUS_APP, DURATION_S)
    parts = zip(fixed.participants, amounts, strict=True)
    allocations = tuple(Allocation(destination_of(who), amount) for who, amount in parts)
    channel = Channel(fixed.channel_id(), fixed, me)
    for turn_num in (0, 1):
        outcome = (SingleAssetExit(ZERO_ADDRESS, allocations),)
        state = State(fixed, b"", outcome, turn_num, False)
        channel = with_turn(channel, state, state.state_hash(), state.encode())
        for index in (0, 1):
            channel = with_signature(channel, turn_num, index, bytes([index]) * 65)
    return with_ledger(replace(channel, supported_turn=1))


def node_with(me: Actor, *ledgers: Channel, **changes: object) -> Draft:
    """A hub that takes a tenth and allows everything, with these ledgers; `changes` its terms."""
    state = NodeState()
    genesis = NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, me.address)
    apply(state, genesis, 0)
    for channel in ledgers:
        state.channels[channel.channel_id] = channel
        state.ledgers[channel.counterparty] = (channel.channel_id,)
    terms = Context(
        0,
        me.signer,
        me.address,
        3_600,
        lambda proposal: Decision("allow"),
        is_hub=True,
        fee_for=lambda asset, amount: amount // 10,
    )
    return Draft(state, replace(terms, **changes))
