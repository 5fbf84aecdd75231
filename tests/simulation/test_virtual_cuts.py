"""After a cut tail (M27) nobody on a path signs a second state or loses, and the ends still agree.

A ledger that lost a tail gives no guarantee back off chain, so the path of a cut node stays
guaranteed: what all reach is the final state that concludes the channel on chain.
"""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import POSTFUND_TURN, is_supported, supported_final
from protocols.error import ProtocolError
from protocols.types import ChannelId
from tests.support.soak import times
from tests.support.web import Web

STEP_COUNT = 60
"""Deliveries in the life of a channel over two hubs, and a few more."""
STEP = 7
"""How many of them lie between two cuts."""


def advance(web: Web, count: int) -> ChannelId:
    """So many deliveries into the life of a channel: it opens, is paid in, and closes."""
    channel_id = web.open(1_000)
    done = 0
    stages = [lambda: web.pay(channel_id, 10), lambda: web.payee.feed(close(channel_id))]
    while done < count:
        links = web.links()
        if not links and not web.end_batches():
            if not stages:
                break
            stages.pop(0)()
            continue
        for node, to in links[:1]:
            web.deliver(node, to)
            web.acknowledge(web.nodes[to], node.actor.address)
        web.end_batches()
        done += 1
    return channel_id


def close(channel_id: ChannelId) -> commands.CloseChannel:
    return commands.CloseChannel(channel_id)


def come_together(web: Web, channel_id: ChannelId) -> None:
    """Everything is said, the ends close, and time passes for what waits for time."""
    web.settle()
    for _ in range(3):
        for end in (web.payer, web.payee):
            try:
                end.feed(close(channel_id))
            except ProtocolError:
                continue
        web.settle()
        web.wait(1_300_000)
        web.settle()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(min(STEP, times(1))))
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_a_cut_anywhere_in_a_channels_life_costs_nobody(hops: int, first: int) -> None:
    for place in range(hops + 2):
        for count in range(first + place, STEP_COUNT, STEP):
            web = Web(hops)
            for node in web.row:
                node.proves_purity = False
            channel_id = advance(web, count)
            web.cut_tail(web.row[place], 1 + count % 2)
            come_together(web, channel_id)
            web.nobody_signed_twice()
            web.sums_are_constant()
            for ledger in range(hops + 1):
                web.vars_of(ledger)
            was_open = [
                is_supported(node.state.channels[channel_id], POSTFUND_TURN)
                for node in web.row
                if channel_id in node.state.channels
            ]
            if len(was_open) == len(web.row) and all(was_open) and place in (0, hops + 1):
                ends = [supported_final(node.channel(channel_id)) for node in web.row]
                assert all(ends), (place, count)
