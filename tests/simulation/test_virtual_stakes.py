"""Applications over ledgers with two stakes, over wires that lose, repeat and reorder.

Each seed opens several over 0 to 3 hubs, too many for some balances, says things in them, gives
some up at any moment and closes the rest from either end, while three messages in ten are lost. The
sum of every ledger is constant, each hub ends with its fees or what it began with, and the two ends
with what was signed last.
"""

from __future__ import annotations

import random

import pytest

from protocols import commands, inputs
from protocols.channel import supported_final
from protocols.error import ProtocolError
from protocols.objectives.base import ObjectiveStatus, ObjectiveType
from protocols.types import ChannelId
from tests.support.app_rig import Till
from tests.support.app_web import AppWeb, worth
from tests.support.soak import times
from tests.support.web import BALANCE, Web, WebNode

pytestmark = pytest.mark.slow

OVER = (ObjectiveStatus.COMPLETED, ObjectiveStatus.REJECTED)
SEED_COUNT = 40
STAKES = ((700, 400), (100, 3_000), (6_000, 5_000), (5, 1))


class WireWeb(AppWeb):
    """A row whose wires a seed decides on; nothing goes to the chain."""

    step = Web.step


class Tills:
    """A till a channel, for the ends of a row."""

    def __init__(self, web: AppWeb) -> None:
        self.web = web
        self.by_end: list[dict[ChannelId, Till]] = [{}, {}]

    def judge(self) -> None:
        """Each end runs its reducer on what waits."""
        for end, tills in zip(self.web.ends, self.by_end, strict=True):
            for channel_id in sorted(end.state.unjudged):
                first, last = (
                    end.channel(channel_id)
                    .state(end.channel(channel_id).turns[0])
                    .outcome[0]
                    .allocations
                )
                stakes = (first.amount, last.amount)
                end.till = tills.setdefault(channel_id, Till(stakes))
                end.judge_channel(channel_id)


def tried(node: WebNode, item: inputs.Input) -> bool:
    """The owner's command; False if it was refused."""
    try:
        node.feed(item)
    except ProtocolError:
        return False
    return True


def channels_of(web: AppWeb) -> list[ChannelId]:
    return sorted(web.payer.state.channels.keys() - set(web.ledgers))


def meddle(web: AppWeb, rng: random.Random) -> None:
    """An owner does something to one of the channels, if it may."""
    channels = channels_of(web)
    if not channels:
        return
    channel_id, what = rng.choice(channels), rng.random()
    if what < 0.7:
        end = rng.choice(web.ends)
        name = len(end.log).to_bytes(32, "big")
        tried(end, commands.SendAppMessage(channel_id, bytes((rng.randrange(1, 90),)), name))
    elif what < 0.85:
        tried(rng.choice(web.ends), commands.CloseChannel(channel_id))
    else:
        node = rng.choice(web.row)
        for objective in node.state.objectives_of(channel_id):
            if objective.objective_type == ObjectiveType.VIRTUAL_FUND:
                tried(node, commands.RejectObjective(objective.objective_id))


def run(seed: int) -> None:
    """One life of a web; asserts that all is over and nobody lost."""
    rng = random.Random(seed)
    hops = rng.choice([0, 1, 2, 3])
    right_leads = frozenset(k for k in range(hops + 1) if rng.random() < 0.4)
    web = WireWeb(hops, right_leads=right_leads)
    tills = Tills(web)
    for node in web.row:
        node.proves_purity = False
    for number in range(3):
        web.stakes = rng.choice(STAKES)
        tried(web.payer, web.app_command(nonce_entropy=b"s%03d" % number))
    for _ in range(rng.randrange(500)):
        web.step(rng)
        web.sums_are_constant()
        tills.judge()
        if rng.random() < 0.03:
            meddle(web, rng)
        if rng.random() < 0.05:
            no_hub_could_lose(web)
    no_hub_could_lose(web)
    finish(web, tills, rng)
    check(web)


def no_hub_could_lose(web: AppWeb) -> None:
    """M22: whatever the others do, a hub that left everything now had what it began with."""
    for hub in web.row[1:-1]:
        assert worth(hub) >= 2 * BALANCE, hub.actor.name


def finish(web: AppWeb, tills: Tills, rng: random.Random) -> None:
    """Whoever still has a channel closes it, and time passes for what waits for time."""
    for _ in range(30):
        for channel_id in channels_of(web):
            tried(rng.choice(web.ends), commands.CloseChannel(channel_id))
        for _ in range(8):
            web.storm(rng)
            tills.judge()
        web.wait(60_000)


def check(web: AppWeb) -> None:
    """Everything ended, by what was signed last."""
    web.sums_are_constant()
    web.nobody_signed_twice()
    web.nothing_was_dropped()
    web.no_guarantee_is_left()
    won, earned = 0, 0
    for channel_id in channels_of(web):
        channel = web.payer.channel(channel_id)
        final = supported_final(channel)
        if final is None:
            continue
        earned += 1
        began = channel.state(channel.turns[0]).outcome[0].allocations[0].amount
        won += channel.state(final).outcome[0].allocations[0].amount - began
        for node in web.row[1:]:
            assert supported_final(node.channel(channel_id)).state_hash == final.state_hash  # type: ignore[union-attr]
    for node in web.row:
        for objective in node.state.objectives.values():
            assert objective.status in OVER, (node.actor.name, objective)
        assert node.state.digest() == node.fold().digest()
    fees = [fee * earned for fee in web.fees]
    assert web.changes() == [won - sum(fees), *fees, -won]


@pytest.mark.parametrize("seed", range(times(SEED_COUNT)))
def test_every_game_ends_and_no_hub_loses(seed: int) -> None:
    run(seed)


# --- a cut tail (M27) ---

STEP_COUNT, STEP = 60, 6
"""Deliveries in the life of a channel over two hubs, and how many lie between two cuts."""


@pytest.mark.parametrize("first", range(min(STEP, times(2))))
@pytest.mark.parametrize("hops", [0, 1, 2])
def test_a_cut_anywhere_costs_no_hub_that_kept_its_records(hops: int, first: int) -> None:
    for place in range(hops + 2):
        for count in range(first + place, STEP_COUNT, STEP):
            web = AppWeb(hops, (700, 400))
            for node in web.row:
                node.proves_purity = False
            live(web, count)
            web.cut_tail(web.row[place], 1 + count % 2)
            web.settle()
            for _ in range(3):
                for channel_id in channels_of(web):
                    for end in web.ends:
                        tried(end, commands.CloseChannel(channel_id))
                web.settle()
                web.wait(1_300_000)
                web.settle()
            web.nobody_signed_twice()
            web.sums_are_constant()
            for hub in web.row[1:-1]:
                if hub is not web.row[place]:
                    assert worth(hub) >= 2 * BALANCE, (place, count)


def live(web: AppWeb, count: int) -> None:
    """So many deliveries into a channel's life: it opens, all is won by the last end, it closes."""
    channel_id = web.open_app()
    stages = [
        lambda: web.ends[0].say(90, channel_id=channel_id),
        lambda: web.ends[1].feed(commands.CloseChannel(channel_id)),
    ]
    for _ in range(count):
        links = web.links()
        if not links and not any([*(end.judge() for end in web.ends), web.end_batches()]):
            if not stages:
                return
            stages.pop(0)()
            continue
        for node, to in links[:1]:
            web.deliver(node, to)
            web.acknowledge(web.nodes[to], node.actor.address)
        web.end_batches()
