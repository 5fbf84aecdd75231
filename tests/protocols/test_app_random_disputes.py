"""Random talk over a bad wire, random leaving: the newest that anybody can enforce is paid."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from protocols import app_shown, commands, inputs
from protocols.app_channel import ALTERNATE, JUDGED, LEADER, MESSAGE_LOG, mover
from protocols.channel import Channel, is_finalised
from protocols.draft import Draft
from protocols.errors import ProtocolError
from protocols.objectives import challenge, defend
from protocols.objectives.app_supports import app_turn
from protocols.types import ChannelId
from tests.support.app_disputes import GAME, pass_blocks
from tests.support.app_rig import (
    APP_CHANNEL,
    STAKES,
    AppNetwork,
    AppNode,
    opened_app,
    signed_hashes,
)
from tests.support.builders import DURATION_S, GAME_APP
from tests.support.exit_rig import paid_to
from tests.support.soak import times

SEED_COUNT = times(25)
STEP_COUNT = 30


class Dispute:
    """One seed's channel, of one rule."""

    def __init__(self, rule: str, seed: int) -> None:
        self.random = random.Random(f"{rule} {seed}")
        self.channel_id: ChannelId = GAME if rule == JUDGED else APP_CHANNEL
        turn_rule = ALTERNATE if rule == JUDGED else self.random.choice((ALTERNATE, LEADER))
        changes = {"app_definition": GAME_APP} if rule == JUDGED else {}
        self.network: AppNetwork = opened_app(turn_rule, **changes)
        self.told: Counter[str] = Counter()

    @property
    def nodes(self) -> tuple[AppNode, AppNode]:
        return self.network.alice, self.network.bob

    def step(self) -> None:
        node = self.random.choice(self.nodes)
        deed = self.random.choices(
            (self.say, self.deliver, self.end_batch, self.block, self.leave, self.settle),
            (4, 4, 4, 2, 1, 1),
        )[0]
        self.told[deed.__name__] += 1
        deed(node)

    def say(self, node: AppNode) -> None:
        try:
            node.say(self.random.randint(0, 9), channel_id=self.channel_id)
        except ProtocolError as refusal:
            self.told[refusal.name()] += 1

    def deliver(self, node: AppNode) -> None:
        if self.network.waiting(node):
            self.network.deliver(node)
            self.network.acknowledge(self.network.other(node))
            self.network.other(node).judge()

    def end_batch(self, node: AppNode) -> None:
        node.judge()
        node.feed(inputs.EndOfBatch())

    def block(self, _: AppNode) -> None:
        pass_blocks(self.network, *self.nodes)

    def leave(self, node: AppNode) -> None:
        try:
            node.feed(commands.ExitChannel(self.channel_id))
        except ProtocolError as refusal:
            self.told[refusal.name()] += 1
        node.judge()

    def settle(self, _: AppNode) -> None:
        if self.random.random() < 0.3:
            self.network.settle()

    def turns(self) -> list[int]:
        """By node: the newest that it can enforce."""
        return [app_turn(node.state.node, node.channel(self.channel_id)) for node in self.nodes]

    def end(self) -> None:
        """Nobody says anything more; whoever left has it end, and everything is paid."""
        self.leave(self.random.choice(self.nodes))
        for _ in range(8):
            pass_blocks(self.network, *self.nodes)
        self.network.chain.pass_time(DURATION_S)
        for _ in range(12):
            pass_blocks(self.network, *self.nodes)


def play(rule: str, seed: int) -> None:
    """One seed to its end. AssertionError if somebody got less than it could enforce."""
    dispute = Dispute(rule, seed)
    for _ in range(STEP_COUNT):
        dispute.step()
    dispute.end()
    network, channel_id = dispute.network, dispute.channel_id
    for end, node in enumerate(dispute.nodes):
        app = node.app(channel_id)
        assert is_finalised(node.channel(channel_id))
        assert all(len(found) == 1 for found in signed_hashes(node).values())
        assert not node.events_of("challenge-unanswerable")
        assert node.fold().digest() == node.state.digest()
        has_move = rule == JUDGED and bool(app.queue) and mover(app, app.tip.count) == end
        assert not has_move, "a move that could be made was not"
    assert sum(paid_to(network, node) for node in dispute.nodes) == sum(STAKES)
    kept = network.chain.disputes.kept[channel_id]
    assert kept.turn_num >= max(dispute.turns()), "somebody held something newer"


@pytest.mark.parametrize("rule", [MESSAGE_LOG, JUDGED])
@pytest.mark.parametrize("seed", range(SEED_COUNT))
def test_the_newest_that_anybody_can_enforce_is_paid(rule: str, seed: int) -> None:
    play(rule, seed)


def play_all(seeds: range) -> None:
    for seed in seeds:
        play(JUDGED, seed)


def forget_moves(draft: Draft, channel: Channel, begun_ms: int) -> bool:
    """A node that waits for answers to its moves for ever."""
    return False


def look_away(draft: Draft, channel: Channel) -> None:
    """A node that does not look at what the chain shows."""


@pytest.mark.parametrize(
    ("where", "name", "bug"),
    [
        (challenge, "claims_move", forget_moves),
        (defend, "claims_move", forget_moves),
        (app_shown, "see", look_away),
    ],
    ids=["moves are not claimed when leaving", "nor when challenged", "nothing is taken in"],
)
def test_a_planted_bug_costs_somebody_something(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: object
) -> None:
    monkeypatch.setattr(where, name, bug)
    with pytest.raises(AssertionError):
        play_all(range(40))
