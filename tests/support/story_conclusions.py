"""Stories of final states that others conclude with, and that we hold besides others or not at all.

A final state binds who signed it, whatever became of it since: refused, or lost with the end of our
log (M27). The chain tells with what a channel was concluded (ADR 0072).
"""

from __future__ import annotations

from protocols import commands, messages
from protocols.channel import next_final_turn
from protocols.objectives.closing import final_outcome
from protocols.signed_state import SignedState
from protocols.state import State
from protocols.types import ChannelId, amount_to_bytes
from protocols.voucher import sign_voucher
from tests.support.network import Said
from tests.support.story_world import StoryWorld
from tests.support.web import WebNode

FORGOTTEN_AMOUNT = 100
"""What the payer paid and does not know any more."""


def concludes_with_the_refused(world: StoryWorld, me: WebNode) -> None:
    """We forgot a payment: the payee refuses our final state, gets another, and takes the first."""
    me.lose_tail()
    world.restart(me)
    me.feed(commands.CloseChannel(world.direct))
    known, payee = me.channel(world.direct).vouchers.total, world.payee.actor
    me.feed(Said(payee, messages.FinalStateRequest(world.direct, amount_to_bytes(0), b"")))
    refused = me.channel(world.direct).turns[-1]
    total = known + FORGOTTEN_AMOUNT
    voucher = sign_voucher(world.direct, total, me.actor.signer)
    refusal = (world.direct, refused.turn_num, amount_to_bytes(total), voucher)
    me.feed(Said(payee, messages.FinalStateRefusal(*refusal)))
    assert [turn.is_final for turn in me.channel(world.direct).turns[-2:]] == [True, True]
    both = (refused.signatures[0], payee.signer(refused.state_hash))
    world.conclude(SignedState(me.channel(world.direct).state(refused), both))
    world.steps(4)


def concludes_with_the_forgotten(world: StoryWorld, me: WebNode) -> None:
    """All signed a final state, ours was lost with the end of our log, and somebody concludes."""
    me.lose_tail()
    world.restart(me)
    channel_ids = [world.virtual]
    if me in (world.payer, world.payee):
        channel_ids.append(world.direct)
    for channel_id in channel_ids:
        world.conclude(_signed_by_all(world, channel_id))
    world.steps(4)


def _signed_by_all(world: StoryWorld, channel_id: ChannelId) -> SignedState:
    channel = world.payee.channel(channel_id)
    outcome = final_outcome(channel, channel.vouchers.total)
    state = State(channel.fixed, b"", outcome, next_final_turn(channel), True)
    by_address = {node.actor.address: node.actor for node in world.row}
    people = channel.fixed.participants
    return SignedState(state, tuple(by_address[who].signer(state.state_hash()) for who in people))
