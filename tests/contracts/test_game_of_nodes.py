"""A game of two nodes, judged alike by the reducer that ships and by the contract."""

from __future__ import annotations

import pytest

from node.views.encoding import decode
from protocols import commands
from protocols.app_channel import ALTERNATE, JUDGED
from protocols.app_events import AppDefinitionRecorded
from protocols.exit_calls import challenge_call
from protocols.inputs import AppVerdict
from protocols.objectives.supports import held_support
from protocols.state import challenge_message
from protocols.types import Bytes32, ChannelId, Signature, from_hex
from tests.support.app_rig import AppNetwork, AppNode, app_fixed, open_app
from tests.support.applications import Application
from tests.support.contract_calls import RevertedError
from tests.support.evm import EvmRpc, undone
from tests.support.games import LOST, TIED, WON, Game, Round, packed
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.nitro_signing import Actor, Channel

STAKES = (1_000, 500)
POT = sum(STAKES)


@pytest.fixture(scope="module")
def ours() -> Nitro:
    return deploy_nitro(EvmRpc())


class Shipped:
    """The reducer that ships, in the place of the rig's own view."""

    def __init__(self, channel_id: ChannelId) -> None:
        self._app = Application("rock_paper_scissors", STAKES, channel_id)
        self.count = 0

    def rewind(self, count: int) -> None:
        if self.count > count:
            self._app.take_back(self.count - count)
            self.count = count

    def apply(self, given: bytes) -> AppVerdict:
        _, sender, _, payload = decode(given)
        verdict = self._app.say(sender, payload, 0)
        failure = "" if verdict.failure is None else str(verdict.failure)
        if not verdict.is_applied:
            return AppVerdict(verdict.code, failure, (), b"")
        self.count += 1
        return AppVerdict(0, "", self._app.payouts(), self._app.view.digest)


class Played:
    """ALICE and BOB play on the real contract; what they show is asked of it."""

    def __init__(self, nitro: Nitro, rounds: list[Round]) -> None:
        app = from_hex(nitro.game_app.address)
        self.nitro, self.network = nitro, AppNetwork()
        self.channel_id = app_fixed(app).channel_id()
        for node in self.nodes:
            node.record(AppDefinitionRecorded(app, JUDGED))
            node.till = Shipped(self.channel_id)  # type: ignore[assignment]
        self.network.alice.feed(open_app(ALTERNATE, app_definition=app))
        self.network.settle()
        alice, bob = (Actor(node.actor.secret) for node in self.nodes)
        fixed = app_fixed(app)
        channel = Channel((alice, bob), nitro.game_app.address, fixed.channel_nonce)
        self.game = Game(
            Channel(
                channel.actors, channel.app_definition, channel.nonce, fixed.challenge_duration
            ),
            rounds,
            STAKES,
        )
        assert self.game.channel.channel_id == self.channel_id

    @property
    def nodes(self) -> tuple[AppNode, AppNode]:
        return self.network.alice, self.network.bob

    def say(self, count: int, *, shown: bytes | None = None) -> AppNode:
        """The mover's owner makes that move."""
        node = self.nodes[(count - 1) % 2]
        message = packed(self.game.shown(count) if shown is None else shown)
        node.feed(commands.SendAppMessage(self.channel_id, message, count.to_bytes(32, "big")))
        return node

    def registered_turn(self, node: AppNode) -> int:
        """The turn that the chain has once the node challenged with what it holds."""

        def as_signed(_: Bytes32, signature: Signature, __: bytes) -> Signature:
            return signature

        found = held_support(node.state.node, node.channel(self.channel_id), as_signed)
        assert found is not None
        wish = node.actor.signer(challenge_message(found.state_hash))
        data = challenge_call(found.candidate, found.proof, wish)
        rpc = self.nitro.rpc
        assert isinstance(rpc, EvmRpc)
        with undone(rpc):
            adjudicator = self.nitro.adjudicator
            fields = {"from": adjudicator.sender, "to": adjudicator.address}
            rpc.ask("mine", {**fields, "data": "0x" + data.hex()})
            turn: int = adjudicator.call("unpackStatus", self.channel_id)[0]
        return turn


@pytest.mark.parametrize("rounds", [[WON], [LOST], [TIED, TIED, WON]])
def test_every_move_of_a_game_can_be_registered_by_either(ours: Nitro, rounds: list[Round]) -> None:
    played = Played(ours, rounds)
    for count in range(1, 4 * len(rounds) + 1):
        played.say(count)
        played.network.settle()
        for node in played.nodes:
            assert node.app(played.channel_id).supported.amounts == played.game.paid(count)
            assert played.registered_turn(node) == count + 1


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_move_that_nobody_answers_is_taken_by_the_contract_alone(ours: Nitro, count: int) -> None:
    played = Played(ours, [LOST])
    for earlier in range(1, count):
        played.say(earlier)
        played.network.settle()
    node = played.say(count)
    node.feed(commands.ExitChannel(played.channel_id))
    assert node.app(played.channel_id).claimed
    node.judge()
    app = node.app(played.channel_id)
    assert [bool(each) for each in app.supported.signatures].count(True) == 1
    assert app.supported.amounts == played.game.paid(count)
    assert played.registered_turn(node) == count + 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_cheating_move_is_refused_by_the_reducer_of_both(ours: Nitro, count: int) -> None:
    played = Played(ours, [WON])
    for earlier in range(1, count):
        played.say(earlier)
        played.network.settle()
    shown = played.game.shown(count)
    spoilt = bytes([shown[0] ^ 1]) + shown[1:]
    node = played.say(count, shown=spoilt)
    played.network.settle()
    assert node.app(played.channel_id).supported.count == count - 1
    (refused,) = node.events_of("app-message-refused")
    assert refused.code > 0
    assert played.registered_turn(node) == count


def test_a_cheating_move_that_is_signed_is_refused_by_the_contract(ours: Nitro) -> None:
    """The reducer of who cheats lets it through: nothing of it stands on chain."""
    played = Played(ours, [WON])
    played.say(1)
    played.network.settle()
    bob = played.network.bob
    bob.bend = lambda verdict: AppVerdict(0, "", (0, POT), bytes(32))
    bob = played.say(2, shown=bytes(32) + played.game.shown(2)[32:])
    bob.feed(commands.ExitChannel(played.channel_id))
    bob.judge()
    with pytest.raises(RevertedError, match="what was shown changed"):
        played.registered_turn(bob)
