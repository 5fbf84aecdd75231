"""What an application's channel is worth to whom, by what is signed (M22)."""

from __future__ import annotations

import pytest

from protocols.app_channel import JUDGED, LEADER, MESSAGE_LOG
from protocols.app_endings import endings_of_application
from protocols.exit_plan import GAS, plan_exit, worth_of_channels
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State
from protocols.steps import finished
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.app_disputes import GAME, game, say_to_nobody
from tests.support.app_rig import APP_CHANNEL, STAKES, AppNode, opened_app
from tests.support.builders import DURATION_S, GAME_APP

POT = sum(STAKES)
HUB = b"\x48" * 20


def worth(node: AppNode, channel_id: bytes) -> int:
    found = finished(worth_of_channels(node.state.node, [node.channel(channel_id)]))
    assert found is not None
    return found.get(ZERO_ADDRESS, 0)


def test_a_message_log_is_worth_what_both_signed_last() -> None:
    network = opened_app(LEADER)
    assert [worth(node, APP_CHANNEL) for node in (network.alice, network.bob)] == list(STAKES)
    network.alice.say(30)
    network.settle()
    assert worth(network.alice, APP_CHANNEL) == STAKES[0] - 30
    assert worth(network.bob, APP_CHANNEL) == STAKES[1] + 30


def test_what_one_signed_and_the_other_not_yet_may_count_against_it() -> None:
    network = opened_app(LEADER)
    network.bob.say(30)
    network.bob.judge()
    network.deliver(network.bob)
    network.alice.judge()
    # ALICE signed to get 30 more; BOB may keep that to itself.
    assert worth(network.alice, APP_CHANNEL) == STAKES[0]


def test_a_game_is_worth_nothing_while_the_other_is_to_move() -> None:
    network = game(1)
    assert worth(network.alice, GAME) == 0
    assert worth(network.bob, GAME) == STAKES[1] + 10
    say_to_nobody(network.bob)
    assert worth(network.bob, GAME) == STAKES[1] + 10


def signed(turn_num: int, first: int, *by: int) -> SignedState:
    """A state between ALICE, a hub and BOB that gives so much to ALICE."""
    fixed = FixedPart((ALICE.address, HUB, BOB.address), 7, GAME_APP, DURATION_S)
    shares = (
        Allocation(destination_of(ALICE.address), first),
        Allocation(destination_of(BOB.address), POT - first),
    )
    outcome = (SingleAssetExit(ZERO_ADDRESS, shares),)
    signatures = tuple(bytes(65) if index in by else b"" for index in range(3))
    return SignedState(State(fixed, b"", outcome, turn_num, False), signatures)


def firsts(rule: str, index: int, *states: SignedState) -> list[int | None]:
    """What ALICE gets in each ending."""
    found = endings_of_application(rule, states, index)
    return [None if exit_ is None else exit_.allocations[0].amount for exit_ in found]


ALL = (0, 1, 2)


@pytest.mark.parametrize("rule", [MESSAGE_LOG, JUDGED])
def test_a_hub_counts_on_neither_end(rule: str) -> None:
    assert firsts(rule, 1, signed(0, 900, *ALL), signed(1, 900, *ALL)) == [0, POT]
    assert firsts(rule, 1, signed(0, 900, 0, 2)) == [None]


@pytest.mark.parametrize("rule", [MESSAGE_LOG, JUDGED])
def test_before_a_hub_signs_the_postfund_it_can_only_end_as_it_began(rule: str) -> None:
    assert firsts(rule, 1, signed(0, 900, *ALL)) == [900]
    assert firsts(rule, 1, signed(0, 900, *ALL), signed(1, 900, 0, 2)) == [900]
    assert firsts(rule, 1, signed(0, 900, 1, 2)) == [900, None]


@pytest.mark.parametrize("rule", [MESSAGE_LOG, JUDGED])
def test_what_not_all_signed_of_the_opening_may_never_end(rule: str) -> None:
    assert firsts(rule, 0, signed(0, 900, 0, 2)) == [None]


def test_a_log_needs_both_ends_and_a_game_its_mover() -> None:
    opened = signed(0, 900, *ALL), signed(1, 900, *ALL)
    assert firsts(MESSAGE_LOG, 0, *opened, signed(2, 800, 0, 2)) == [800]
    assert firsts(MESSAGE_LOG, 0, *opened, signed(2, 800, 2)) == [900]
    assert firsts(MESSAGE_LOG, 2, *opened, signed(2, 800, 2)) == [900, 800]
    assert firsts(JUDGED, 2, *opened, signed(2, 800, 0)) == [800]
    assert firsts(JUDGED, 0, *opened, signed(2, 800, 0)) == [800, 0]
    assert firsts(JUDGED, 0, *opened, signed(2, 800, 0, 2), signed(3, 700, 2)) == [700]
    assert firsts(JUDGED, 2, *opened, signed(3, 700, 2)) == [700, POT]


def test_the_plan_of_leaving_an_application_counts_its_gas() -> None:
    network = opened_app(LEADER)
    alice = network.alice
    opening = plan_exit(alice.state, alice.channel(APP_CHANNEL), 0)
    alice.say(30)
    network.settle()
    running = plan_exit(alice.state, alice.channel(APP_CHANNEL), 0)
    assert [step.step for step in running.steps] == ["challenge", "transfer"]
    assert running.gas - opening.gas == GAS["application"] - GAS["challenge"]
