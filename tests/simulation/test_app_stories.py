"""The other end of an application vanishes while its end is being agreed on: M22 holds alone."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.app_channel import ALTERNATE
from protocols.objectives.base import ObjectiveType, WaitingFor
from protocols.objectives.cranks import waiting_for
from protocols.types import ChannelId
from tests.support.app_disputes import GAME, game, until
from tests.support.app_rig import APP_CHANNEL, GAME_APP, STAKES, AppNode, opened_app
from tests.support.app_web import AppWeb, worth
from tests.support.exit_rig import is_completed, paid_to
from tests.support.web import BALANCE


def closing_waits_for(node: AppNode) -> set[WaitingFor]:
    """What the node's closing of the channel waits for now."""
    closings = [
        objective
        for objective in node.state.objectives.values()
        if objective.objective_type in (ObjectiveType.DIRECT_DEFUND, ObjectiveType.VIRTUAL_DEFUND)
    ]
    return {waiting_for(node.state, objective, node.context()) for objective in closings}


@pytest.mark.parametrize("said", [0, 2])
def test_who_ends_it_while_a_message_is_undecided_leaves_with_what_both_signed(said: int) -> None:
    network = opened_app(ALTERNATE)
    alice = network.alice
    for count in range(said):
        (alice, network.bob)[count % 2].say(10 + count)
        network.settle()
    alice.say(40)
    alice.judge()
    assert alice.app().offered_count == 1
    alice.feed(commands.CloseChannel(APP_CHANNEL))
    assert closing_waits_for(alice) == {WaitingFor.APP_RUN}
    alice.feed(commands.ExitChannel(APP_CHANNEL))
    until(network, lambda: APP_CHANNEL in network.chain.disputes.kept, alice)
    network.chain.pass_time(10**6)
    until(network, lambda: is_completed(alice, ObjectiveType.EXIT, APP_CHANNEL), alice)
    # 10 to bob and 11 back: the forty that he never signed for stay hers.
    assert paid_to(network, alice) == STAKES[0] + (1 if said else 0)


def test_who_waits_for_its_owners_word_and_is_left_alone_leaves_with_its_own_move() -> None:
    network = game(1)
    alice, bob = network.alice, network.bob
    bob.say(20, channel_id=GAME)
    network.settle()
    # It is alice's move: bob's owner wants the end, hers says nothing, and bob is gone.
    bob.feed(commands.CloseChannel(GAME))
    network.settle()
    assert closing_waits_for(alice) == {WaitingFor.OWNERS_WORD}
    alice.say(5, channel_id=GAME)
    alice.judge()
    alice.feed(commands.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, alice)
    network.chain.pass_time(10**6)
    until(network, lambda: is_completed(alice, ObjectiveType.EXIT, GAME), alice)
    assert paid_to(network, alice) == STAKES[0] - 10 + 20 - 5


def leave_over_ledgers(web: AppWeb, node: AppNode, channel_id: ChannelId) -> int:
    """All but the node are gone; what it is paid when it has left alone."""
    node.feed(commands.ExitChannel(channel_id))
    web.run([node], lambda: is_completed(node, ObjectiveType.EXIT, channel_id))
    return paid_to(web, node)


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("said", [0, 2])
def test_over_ledgers_too_it_leaves_with_what_both_signed(hops: int, said: int) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app()
    alice, _ = web.ends
    for count in range(said):
        web.say(channel_id, count % 2, 10 - count)
    alice.say(40, channel_id=channel_id)
    alice.judge()
    assert alice.app(channel_id).offered_count == 1
    alice.feed(commands.CloseChannel(channel_id))
    assert closing_waits_for(alice) == {WaitingFor.APP_RUN}
    paid = leave_over_ledgers(web, alice, channel_id)
    # 10 to bob and 9 back: the forty that he never signed for stay hers.
    assert paid == BALANCE - sum(web.fees) - (1 if said else 0)


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_over_ledgers_too_who_is_to_move_leaves_with_its_own_move(hops: int) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app(app_definition=GAME_APP, turn_rule=ALTERNATE)
    alice, bob = web.ends
    web.say(channel_id, 0, 10)
    web.say(channel_id, 1, 5)
    bob.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert closing_waits_for(alice) == {WaitingFor.OWNERS_WORD}
    alice.say(7, channel_id=channel_id)
    alice.judge()
    paid = leave_over_ledgers(web, alice, channel_id)
    assert paid == BALANCE - sum(web.fees) - 10 + 5 - 7


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("place", [0, 1])
def test_who_leaves_the_ledger_below_it_alone_gets_what_was_said(hops: int, place: int) -> None:
    web = AppWeb(hops)
    channel_id = web.opened_app()
    web.say(channel_id, 0, 10)
    end, ledger_id = (web.ends[0], web.ledgers[0]) if place == 0 else (web.ends[1], web.ledgers[-1])
    due = worth(end)
    assert leave_over_ledgers(web, end, ledger_id) == due
    assert due == BALANCE + (10 if place else -10 - sum(web.fees))
