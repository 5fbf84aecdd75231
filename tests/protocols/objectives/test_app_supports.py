"""Leaving an application channel alone: what the chain is shown, and what it pays."""

from __future__ import annotations

import pytest

from protocols.app_channel import LEADER
from protocols.channel import ChannelStatus, status
from protocols.objectives.app_supports import app_support, app_turn
from protocols.objectives.base import ObjectiveType
from tests.support.app_rig import APP_CHANNEL, GAME_APP, STAKES, AppNetwork, app_fixed, opened_app
from tests.support.builders import DURATION_S
from tests.support.exit_rig import challenge_with_turn, is_completed, leave, paid_to, step, until
from tests.support.network import CoreNode

DEFEND = ObjectiveType.DEFEND
GAME = app_fixed(GAME_APP).channel_id()


def talked(turn_rule: str = LEADER, count: int = 3) -> AppNetwork:
    """ALICE gave 10 each time."""
    network = opened_app(turn_rule)
    for _ in range(count):
        network.alice.say(10)
        network.settle()
    network.require_agreement()
    return network


def kinds(node: CoreNode) -> list[str]:
    return [event.kind for event in node.events_of("transaction-requested")]


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_either_end_leaves_with_what_both_signed_last(who: str) -> None:
    network = talked()
    node = getattr(network, who)
    leave(network, node, APP_CHANNEL)
    assert network.chain.disputes.kept[APP_CHANNEL].turn_num == 4
    until(network, node, lambda: paid_to(network, node) > 0)
    assert paid_to(network, node) == STAKES[0] - 30 if who == "alice" else STAKES[1] + 30


def test_nothing_said_is_left_with_the_postfund() -> None:
    network = opened_app()
    assert app_support(network.alice.state.node, network.alice.channel(APP_CHANNEL)) is None
    assert app_turn(network.alice.state.node, network.alice.channel(APP_CHANNEL)) == -1
    leave(network, network.alice, APP_CHANNEL)
    assert network.chain.disputes.kept[APP_CHANNEL].turn_num == 1


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_stale_challenge_is_answered_by_a_checkpoint_and_the_talk_goes_on(who: str) -> None:
    network = talked()
    node = getattr(network, who)
    challenge_with_turn(network, node, APP_CHANNEL, 1)
    until(network, node, lambda: is_completed(node, DEFEND, APP_CHANNEL))
    assert kinds(node)[-1] == "checkpoint"
    assert network.chain.disputes.kept[APP_CHANNEL].turn_num == 4
    assert status(node.channel(APP_CHANNEL)) == ChannelStatus.OPEN
    network.settle()
    network.alice.say(5)
    network.settle()
    network.require_agreement()
    assert network.bob.app().tip.count == 4


def test_the_newest_challenge_is_left_to_stand_and_pays_both() -> None:
    network = talked()
    leave(network, network.alice, APP_CHANNEL)
    for _ in range(8):
        step(network, network.alice, network.bob)
    assert kinds(network.bob).count("challenge") == kinds(network.bob).count("checkpoint") == 0
    assert not network.bob.events_of("challenge-unanswerable")
    assert paid_to(network, network.bob) == STAKES[1] + 30
    assert DURATION_S > 0
