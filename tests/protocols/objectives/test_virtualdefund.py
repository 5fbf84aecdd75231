"""VirtualDefund: the ends agree on a final state, hubs sign last, the ledgers give back."""

from __future__ import annotations

import random

import pytest

from protocols import commands, inputs
from protocols.channel import FIRST_FINAL_TURN, ChannelStatus, status
from protocols.objectives.base import ObjectiveStatus
from protocols.payment_errors import ChannelNotOpen
from protocols.virtual_errors import OnlyEndsClose
from tests.support.web import Web

HOPS = (0, 1, 2, 4)


@pytest.mark.slow
@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("closer", ["payer", "payee"])
@pytest.mark.parametrize("leads", ["left", "right", "both"])
def test_either_end_closes_and_everybody_gets_what_was_paid(
    hops: int, closer: str, leads: str
) -> None:
    every = range(hops + 1)
    led = {"left": (), "right": every, "both": every[::2]}[leads]
    web = Web(hops, right_leads=frozenset(led))
    channel_id = web.opened(1_000)
    for number in (1, 2, 3):
        web.pay(channel_id, 100, number)
    web.settle()
    getattr(web, closer).feed(commands.CloseChannel(channel_id))
    web.settle()
    for node in web.row:
        assert web.defund_status(node, channel_id) == ObjectiveStatus.COMPLETED
    assert web.changes() == [-300 - sum(web.fees), *web.fees, 300]
    web.no_guarantee_is_left()
    web.sums_are_constant()
    web.nothing_was_dropped()
    web.nobody_signed_twice()


def test_both_ends_may_close_at_once() -> None:
    web = Web(2)
    channel_id = web.opened()
    web.pay(channel_id, 10)
    web.payer.feed(commands.CloseChannel(channel_id))
    web.payee.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.changes() == [-13, 1, 2, 10]
    web.nothing_was_dropped()


def test_a_payment_that_crosses_the_payees_wish_is_paid_out() -> None:
    web = Web(1)
    channel_id = web.opened()
    web.payee.feed(commands.CloseChannel(channel_id))
    web.pay(channel_id, 10)
    web.settle()
    assert web.changes() == [-11, 1, 10]


def test_a_hub_that_waits_for_others_signs_the_final_state_once() -> None:
    web = Web(2)
    channel_id = web.opened()
    left_hub, right_hub = web.row[1:3]
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle(without=frozenset({left_hub.actor.address}))
    assert right_hub.channel(channel_id).signed_by_me(FIRST_FINAL_TURN)
    assert status(right_hub.channel(channel_id)) == ChannelStatus.CLOSING
    right_hub.now_ms += 1_000
    assert right_hub.feed(inputs.Tick()).events == ()
    web.settle()
    assert web.defund_status(right_hub, channel_id) == ObjectiveStatus.COMPLETED


def test_a_second_close_answers_like_the_first() -> None:
    web = Web(1)
    channel_id = web.opened()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.defund_status(web.payer, channel_id) == ObjectiveStatus.COMPLETED


def test_a_hub_leaves_closing_to_the_ends() -> None:
    web = Web(1)
    channel_id = web.opened()
    with pytest.raises(OnlyEndsClose):
        web.row[1].feed(commands.CloseChannel(channel_id))


def test_a_payee_closes_nothing_that_is_not_open() -> None:
    web = Web(1)
    channel_id = web.open()
    web.hand_over(web.payer, web.payee.actor.address)
    with pytest.raises(ChannelNotOpen):
        web.payee.feed(commands.CloseChannel(channel_id))


def test_a_payer_who_closes_before_it_is_open_gives_it_up() -> None:
    web = Web(1)
    channel_id = web.open()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.REJECTED
        assert "given up by the payer" in web.fund_reason(node, channel_id)
    assert web.changes() == [0, 0, 0]


def test_the_same_ledgers_carry_one_channel_after_another() -> None:
    web = Web(1)
    for number in range(3):
        channel_id = web.opened(9_000, b"n%03d" % number)
        web.pay(channel_id, 10, number)
        web.settle()
        web.payer.feed(commands.CloseChannel(channel_id))
        web.settle()
    assert web.changes() == [-33, 3, 30]


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("seed", range(3))
def test_nobody_hears_of_a_closing_what_it_knows(hops: int, seed: int) -> None:
    # Who tells nothing new more than ten times in a minute is expelled.
    web, rng = Web(hops), random.Random(seed)
    for node in web.row:
        node.proves_purity = False
    opened = [web.opened(100, b"%04d" % number) for number in range(4)]
    for channel_id in opened:
        rng.choice([web.payer, web.payee]).feed(commands.CloseChannel(channel_id))
    web.storm(rng)
    for node in web.row:
        assert [node.peer(other).repeat_count for other in web.nodes] == [0] * len(web.nodes)
        assert all(status(node.channel(closed)) == ChannelStatus.CLOSED for closed in opened)
