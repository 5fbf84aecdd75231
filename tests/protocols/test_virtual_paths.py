"""Who stands where on a path, and what each ledger on it guarantees."""

from __future__ import annotations

import pytest

from protocols.ledger import ADD, REMOVE, LedgerVars, after, balance_total
from protocols.outcome import destination_of
from protocols.types import ChannelId
from protocols.virtual_paths import (
    addition,
    fee_at,
    has_hubs,
    is_agreed,
    is_proposed,
    ledger_at,
    left_of,
    links_of,
    removal_by_final,
    removal_by_unwinding,
    right_of,
    stands,
    virtual_of,
)
from tests.support.web import Web


@pytest.fixture(name="web")
def over_two_hubs() -> Web:
    return Web(2, fees=(5, 7))


def opened(web: Web) -> ChannelId:
    return web.opened(1_000)


def test_neighbours_speak_with_each_other_and_so_do_the_ends(web: Web) -> None:
    alice, ivan, irene, bob = (node.actor.address for node in web.row)
    channel_id = opened(web)
    channels = [node.channel(channel_id) for node in web.row]
    assert [left_of(channel) for channel in channels] == [None, alice, ivan, irene]
    assert [right_of(channel) for channel in channels] == [ivan, irene, bob, None]
    assert [set(links_of(channel)) for channel in channels] == [
        {ivan, bob},
        {alice, irene},
        {ivan, bob},
        {irene, alice},
    ]
    assert all(map(has_hubs, channels))


def test_the_ends_of_a_path_without_hubs_are_neighbours() -> None:
    web = Web(0)
    channel = web.payer.channel(opened(web))
    assert links_of(channel) == (web.payee.actor.address,)
    assert not has_hubs(channel)


def test_each_ledger_moves_the_fees_of_all_who_follow() -> None:
    assert [fee_at((5, 7), place) for place in range(3)] == [12, 7, 0]


def test_a_ledger_guarantees_the_whole_deposit_all_of_it_lefts(web: Web) -> None:
    channel = web.row[1].channel(opened(web))
    added = addition(channel, 1)
    assert (added.kind, added.amount, added.left_amount, added.fee) == (ADD, 1_000, 1_000, 7)
    assert added.left == destination_of(web.row[1].actor.address)
    assert added.right == destination_of(web.row[2].actor.address)


def test_unwinding_undoes_an_addition_exactly(web: Web) -> None:
    channel = web.row[1].channel(opened(web))
    fixed = web.row[1].channel(web.ledgers[0]).fixed
    start = LedgerVars(5_000, 5_000)
    added = after(start, addition(channel, 0), fixed)
    assert balance_total(added) == balance_total(start)
    assert after(added, removal_by_unwinding(channel, 0), fixed) == start


def test_a_final_state_splits_the_guarantee_and_leaves_the_fee(web: Web) -> None:
    channel_id = opened(web)
    web.pay(channel_id, 300)
    web.settle()
    channel = web.row[1].channel(channel_id)
    turn = channel.turn(1)
    assert turn is not None
    removed = removal_by_final(channel, 0, turn)
    assert (removed.kind, removed.left_amount, removed.fee) == (REMOVE, 1_000, 0)


def test_a_ledger_that_does_not_carry_the_channel_has_no_place(web: Web) -> None:
    channel = web.row[1].channel(opened(web))
    assert virtual_of(channel).left_ledger == web.ledgers[0]
    assert [ledger_at(channel, ledger) for ledger in web.ledgers] == [0, 1, None]


def test_a_leader_signed_what_waits_in_its_queue_and_a_follower_did_not(web: Web) -> None:
    channel_id = web.open(1_000)
    alice, ivan = web.payer, web.row[1]
    first = web.ledgers[0]
    while not is_proposed(alice.state, first, channel_id):
        for node, to in web.links():
            web.hand_over(node, to)
    assert stands(alice.state, first, channel_id)
    web.hand_over(alice, ivan.actor.address)
    assert is_proposed(ivan.state, first, channel_id)
    assert not stands(ivan.state, first, channel_id)
    web.settle()
    assert is_agreed(ivan.state, first, channel_id)
    assert stands(ivan.state, first, channel_id)
    assert not stands(ivan.state, b"", channel_id)
    assert not is_agreed(ivan.state, bytes(32), channel_id)
