"""A dispute kit of an application is left with by somebody who knows no talk and no reducer."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols.app_channel import LEADER
from protocols.dispute_kit import encode_kit
from protocols.dispute_reading import read_kit
from protocols.exit_errors import KitDamaged
from protocols.objectives.app_supports import app_turn
from tests.support.actors import ALICE
from tests.support.app_disputes import GAME, game, register
from tests.support.app_rig import APP_CHANNEL, STAKES, AppNetwork, opened_app
from tests.support.builders import CHANNEL
from tests.support.exit_rig import challenge_with_turn
from tests.support.kit_rig import again, export, run, stranger
from tests.support.network import opened


def talked(count: int = 3) -> AppNetwork:
    network = opened_app(LEADER)
    for _ in range(count):
        network.alice.say(10)
        network.settle()
    return network


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_kit_brings_what_both_signed_last(who: str) -> None:
    network = talked()
    owner = getattr(network, who)
    kit = export(owner, APP_CHANNEL)
    assert (kit.needs_key, kit.channels[0].app_rule) == (False, "message-log")
    brought = STAKES[0] - 30 if who == "alice" else STAKES[1] + 30
    assert kit.worth is not None
    assert [int(found.amount) for found in kit.worth] == [brought]
    assert run(network.chain, stranger(owner, kit)) == brought


def test_a_kit_answers_a_stale_challenge() -> None:
    network = talked()
    kit = export(network.bob, APP_CHANNEL)
    challenge_with_turn(network, network.alice, APP_CHANNEL, 1)
    network.chain.mine()
    assert run(network.chain, stranger(network.bob, kit)) == STAKES[1] + 30


def test_a_kit_of_a_game_shows_the_last_two_moves() -> None:
    network = game(3)
    kit = export(network.alice, GAME)
    assert [state.turn_num for state in kit.channels[0].states] == [0, 1, 3, 4]
    case = read_kit(kit)
    assert app_turn(case.state.node, case.state.channels[GAME]) == 4
    assert run(network.chain, stranger(network.alice, kit)) == STAKES[0] - 10
    assert network.chain.disputes.kept[GAME].turn_num == 4


def test_what_is_newer_than_the_kit_is_taken_from_the_chain() -> None:
    network = talked()
    kit = export(network.alice, APP_CHANNEL)
    network.alice.say(10)
    network.settle()
    register(network, network.bob, APP_CHANNEL, "checkpoint")
    network.chain.mine()
    who = stranger(network.alice, kit, ALICE.signer)
    assert run(network.chain, who) == STAKES[0] - 40


def test_a_kit_without_applications_says_nothing_of_them() -> None:
    assert b"app_rule" not in encode_kit(export(opened(depth=2).alice, CHANNEL))
    assert b'"app_rule": "message-log"' in encode_kit(export(talked().alice, APP_CHANNEL))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app_rule": "anything"}, "no contract has it"),
        ({"app_rule": ""}, "not known here"),
        ({"app_rule": "judged"}, "challenge"),
    ],
)
def test_a_rule_that_is_none_or_anothers_is_damage(changes: dict[str, str], words: str) -> None:
    kit = export(talked().alice, APP_CHANNEL)
    spoilt = again(replace(kit, channels=[replace(kit.channels[0], **changes)]))
    with pytest.raises(KitDamaged, match=words):
        read_kit(spoilt)


def test_the_nodes_own_contracts_are_no_applications() -> None:
    kit = export(opened(depth=2).alice, CHANNEL)
    spoilt = again(replace(kit, channels=[replace(kit.channels[0], app_rule="judged")]))
    with pytest.raises(KitDamaged, match="the contract has another"):
        read_kit(spoilt)
