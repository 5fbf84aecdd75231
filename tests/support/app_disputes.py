"""Disputes over an application of ALICE and BOB: blocks pass, and reducers run."""

from __future__ import annotations

from collections.abc import Callable

from protocols import inputs
from protocols.app_channel import ALTERNATE
from protocols.exit_calls import challenge_call, checkpoint_call
from protocols.objectives.supports import held_support
from protocols.state import challenge_message
from protocols.types import Bytes32, ChannelId, Signature
from tests.support.app_rig import GAME_APP, AppNetwork, AppNode, app_fixed, opened_app
from tests.support.builders import ADJUDICATOR, tx_hash
from tests.support.exit_rig import STEP_COUNT_MAX, step
from tests.support.model_chain import ModelTransaction

GAME: ChannelId = app_fixed(GAME_APP).channel_id()


def game(move_count: int = 0) -> AppNetwork:
    """A game that the chain judges, with so many moves of 10 that both signed."""
    network = opened_app(ALTERNATE, app_definition=GAME_APP)
    for count in range(move_count):
        (network.alice, network.bob)[count % 2].say(10, channel_id=GAME)
        network.settle()
    return network


def say_to_nobody(node: AppNode, amount: int = 5) -> None:
    """A move that is offered, and the other end never hears of it."""
    node.say(amount, channel_id=GAME)
    node.feed(inputs.EndOfBatch())
    assert node.app(GAME).offered_count == 1


def pass_blocks(network: AppNetwork, *nodes: AppNode, count: int = 1) -> None:
    """So many blocks, which these nodes see."""
    for _ in range(count):
        step(network, *nodes)
        for node in nodes:
            node.judge()
            network.work_on_chain(node)


def until(network: AppNetwork, done: Callable[[], bool], *nodes: AppNode) -> None:
    """Blocks pass until then."""
    for _ in range(STEP_COUNT_MAX):
        if done():
            return
        pass_blocks(network, *nodes)
    raise AssertionError("it never came to that")


def register(network: AppNetwork, node: AppNode, channel_id: ChannelId, kind: str) -> None:
    """What the node holds as newest is registered by somebody, in the next block."""

    def kept(_: Bytes32, signature: Signature, __: bytes) -> Signature:
        return signature

    found = held_support(node.state.node, node.channel(channel_id), kept)
    assert found is not None
    if kind == "checkpoint":
        data = checkpoint_call(found.candidate, found.proof)
    else:
        wish = node.actor.signer(challenge_message(found.state_hash))
        data = challenge_call(found.candidate, found.proof, wish)
    name = tx_hash(len(network.chain.blocks), index=5)
    network.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))
