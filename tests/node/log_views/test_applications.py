"""Whose the money of applications' channels is: the views follow the state, message by message."""

from __future__ import annotations

from functools import lru_cache

import pytest

from node.log_views.batches import message_of
from node.log_views.keeper import NodeView
from node.store.record import encode_record
from protocols import commands
from protocols.app_channel import ALTERNATE, LEADER
from protocols.event import Event
from tests.support.app_disputes import GAME, game, register_other_move, say_to_nobody, until
from tests.support.app_rig import APP_CHANNEL, FAILS, STAKES, AppNetwork, opened_app
from tests.support.audit_cases import as_audited
from tests.support.staked_webs import STORIES
from tests.support.staked_webs import history as staked
from tests.support.view_folds import by_view, dated, follow


def _talked(turn_rule: str) -> AppNetwork:
    network = opened_app(turn_rule)
    for amounts in ((7, 30), (8, 31), (9, 32)):
        for node, amount in zip((network.alice, network.bob), amounts, strict=True):
            node.say(amount)
            network.settle()
    network.alice.say(FAILS)
    network.settle()
    return network


def _closed() -> AppNetwork:
    network = _talked(LEADER)
    network.bob.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    return network


def _disputed() -> AppNetwork:
    """ALICE offers one move and shows another; BOB answers on chain."""
    network = game(2)
    alice, bob = network.alice, network.bob
    say_to_nobody(alice)
    network.deliver(alice)
    bob.judge()
    register_other_move(network, alice, 9)
    until(network, lambda: bob.app(GAME).supported.count == 3, bob)
    bob.say(7, channel_id=GAME)
    until(network, lambda: network.chain.disputes.kept[GAME].turn_num == 5, bob)
    return network


_LIVES = {
    "alternate": lambda: _talked(ALTERNATE),
    "leader": lambda: _talked(LEADER),
    "closed": _closed,
    "judged": lambda: game(5),
    "disputed": _disputed,
}


@lru_cache
def _histories(life: str) -> dict[str, tuple[Event, ...]]:
    network = _LIVES[life]()
    nodes = {"alice": network.alice, "bob": network.bob}
    return {
        name: tuple(as_audited([event for _, event in node.log])) for name, node in nodes.items()
    }


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("life", _LIVES)
def test_views_of_applications_are_as_the_state_after_every_record(life: str, who: str) -> None:
    history = dated(_histories(life)[who])
    follow(history, 1)
    follow(history, 0.3, 1)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("story", STORIES)
def test_what_two_ends_put_in_over_hubs_is_each_ones_in_the_views(story: str, place: int) -> None:
    follow(dated(staked(story, place)), 1)


def test_what_was_won_is_ours_while_the_channel_is_open() -> None:
    network = game(1)
    with NodeView(":memory:") as kept:
        events = as_audited([event for _, event in network.bob.log])
        records = [encode_record(seq, 0, None, event) for seq, event in enumerate(events)]
        assert kept.view.apply(len(records) - 1, message_of(records)).is_applied
        channels, _ = by_view(kept.view)
        (kind,) = {row[1] for row in kept.view.rows("channels")}
    _, _, _, _, ours, theirs, *_ = channels[GAME]
    assert (ours, theirs) == (STAKES[1] + 10, STAKES[0] - 10)
    assert kind == "app"
