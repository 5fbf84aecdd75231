"""Leaving alone over the pure core: one node acts, the chain goes on, the others are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from protocols import commands, inputs
from protocols.channel import POSTFUND_TURN
from protocols.exit_calls import challenge_call, checkpoint_call, redemption
from protocols.exit_value import exit_value, material_of
from protocols.objectives.base import ObjectiveType, newest
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import ChannelId
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, DURATION_S, PAYMENT_APP, tx_hash
from tests.support.model_chain import ModelChain, ModelTransaction
from tests.support.network import CoreNode, Network


class HasChain(Protocol):
    """A few nodes with a chain behind them."""

    chain: ModelChain


STEP_COUNT_MAX = 200
"""Far more blocks than any exit takes."""


def step(network: Network, *nodes: CoreNode) -> None:
    """One block, ten seconds, and whoever is there looks at both."""
    for node in nodes:
        network.work_on_chain(node)
    network.chain.mine()
    for node in nodes:
        while network.hear_of_chain(node):
            network.work_on_chain(node)
        node.now_ms += 10_000
        node.feed(inputs.Tick())
        network.work_on_chain(node)


def until(network: Network, node: CoreNode, done: Callable[[], bool]) -> None:
    """The node goes on alone until then."""
    for _ in range(STEP_COUNT_MAX):
        if done():
            return
        step(network, node)
    raise AssertionError("it never came to that")


def is_completed(node: CoreNode, kind: ObjectiveType, channel_id: ChannelId) -> bool:
    """Whether the newest objective of that kind came to its end."""
    found = newest(node.state.objectives, kind, channel_id)
    return found is not None and found.status == "completed"


def wait_out(network: Network, node: CoreNode, channel_id: ChannelId) -> None:
    """A challenge of the channel stands; its time passes."""
    adjudicator = network.chain.disputes
    until(
        network,
        node,
        lambda: channel_id in adjudicator.kept and adjudicator.kept[channel_id].finalizes_at > 0,
    )
    network.chain.pass_time(DURATION_S)


def leave(network: Network, node: CoreNode, channel_id: ChannelId) -> None:
    """The owner's command, and everything until its end."""
    node.feed(commands.ExitChannel(channel_id))
    wait_out(network, node, channel_id)
    until(network, node, lambda: is_completed(node, ObjectiveType.EXIT, channel_id))


def paid_to(network: HasChain, node: CoreNode) -> int:
    """What the chain paid out to the node, smallest unit."""
    return network.chain.paid.get(node.actor.address, 0)


def exit_value_of(node: CoreNode) -> int:
    """M22: what the node gets at least if it leaves everything now."""
    channels = [node.state.channels[known] for known in sorted(node.state.channels)]
    materials = [material_of(channel, PAYMENT_APP) for channel in channels if channel.turns]
    return sum(exit_value(node.actor.address, materials).values())


def challenge_with_turn(
    network: Network, node: CoreNode, channel_id: ChannelId, turn_num: int
) -> None:
    """Somebody registers an old state of the channel that all signed, in the next block."""
    channel = node.channel(channel_id)
    turn = channel.turn(turn_num)
    assert turn is not None
    old = SignedState(channel.state(turn), turn.signatures)
    wish = ALICE.signer(challenge_message(turn.state_hash))
    data = challenge_call(old, (), wish)
    name = tx_hash(len(network.chain.blocks), index=3)
    network.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))


def checkpoint_redemption(network: Network, channel_id: ChannelId) -> None:
    """The payee raises the record to its redemption in the next block; its node knows nothing."""
    payee = network.bob.channel(channel_id)
    postfund = payee.turn(POSTFUND_TURN)
    assert postfund is not None
    proof = SignedState(payee.state(postfund), postfund.signatures)
    state = redemption(proof, payee.vouchers.total, payee.vouchers.signature)
    signed = SignedState(state, (b"", BOB.signer(state.state_hash())))
    data = checkpoint_call(signed, (proof,))
    name = tx_hash(len(network.chain.blocks), index=4)
    network.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))
