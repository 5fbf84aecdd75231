"""Disputes over an application of ALICE and BOB: blocks pass, and reducers run."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from protocols.app_channel import ALTERNATE, after, state_at
from protocols.exit_calls import challenge_call, checkpoint_call
from protocols.inputs import AppVerdict
from protocols.objectives.supports import held_support
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import Bytes32, ChannelId, Signature
from tests.support.app_rig import GAME_APP, AppNetwork, AppNode, Till, app_fixed, opened_app
from tests.support.builders import ADJUDICATOR, tx_hash
from tests.support.exit_rig import STEP_COUNT_MAX, step
from tests.support.model_chain import ModelTransaction

GAME: ChannelId = app_fixed(GAME_APP).channel_id()


class GrabbingTill(Till):
    """Who moves takes."""

    def apply(self, given: bytes) -> AppVerdict:
        return super().apply(given[:35] + bytes((1 - given[35],)) + given[36:])


def game(move_count: int = 0, till: type[Till] = Till) -> AppNetwork:
    """A game that the chain judges, with so many moves of 10 that both signed."""
    network = opened_app(ALTERNATE, app_definition=GAME_APP)
    for node in (network.alice, network.bob):
        node.till = till()
    for count in range(move_count):
        (network.alice, network.bob)[count % 2].say(10, channel_id=GAME)
        network.settle()
    return network


def say_to_nobody(node: AppNode, amount: int = 5) -> None:
    """A move that is offered, and the other end never hears of it."""
    node.say(amount, channel_id=GAME)
    node.judge()
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


def register_other_move(network: AppNetwork, node: AppNode, amount: int) -> None:
    """The node's owner shows, in the next block, another move than its node offered."""
    channel, app = node.channel(GAME), node.app(GAME)
    point, sent = app.supported, -amount if node.channel(GAME).my_index == 0 else amount
    amounts = (point.amounts[0] + sent, point.amounts[1] - sent)
    point = replace(after(point, bytes((amount,)), 0), amounts=amounts)
    funding = channel.state(channel.turns[0]).outcome[0]
    made = state_at(app, channel.fixed, funding, point)
    signature = node.actor.signer(made.state_hash())
    signatures = (signature, b"") if channel.my_index == 0 else (b"", signature)
    postfund = channel.turn(1)
    assert postfund is not None
    proof = [SignedState(channel.state(postfund), postfund.signatures)]
    before = state_at(app, channel.fixed, funding, app.supported)
    proof.append(SignedState(before, app.supported.signatures))
    wish = node.actor.signer(challenge_message(made.state_hash()))
    data = challenge_call(SignedState(made, signatures), proof, wish)
    name = tx_hash(len(network.chain.blocks), index=6)
    network.chain.pool.append(ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data))
