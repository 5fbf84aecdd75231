"""Hops x channels x payments x asset x who closes x weather: every combination works to the wei.

`make test` runs a slice in which every pair of values meets; the soak runs them all.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations, product
from random import Random

import msgspec
import pytest
from msgspec import Struct

from protocols import commands
from protocols.channel import ChannelStatus
from protocols.types import ZERO_ADDRESS, ChannelId
from tests.support.actors import Actor
from tests.support.soak import times
from tests.support.timed_web import CALM, HUB_FEE, PEOPLE, STORM, TOKEN, TimedWeb, run
from tests.support.virtual_stories import (
    DEPOSIT,
    Expectation,
    are_over,
    close_ledgers,
    condition,
    deposits,
    open_ledgers,
    open_virtual,
)

pytestmark = pytest.mark.slow

DIMENSIONS = {
    "hops": (0, 1, 2, 4),
    "channels": (1, 5, 50),
    "payments": (1, 5, 100),
    "asset": ("native", "token"),
    "closer": ("payer", "payee"),
    "weather": ("calm", "storm"),
}
ALL: tuple[tuple[object, ...], ...] = tuple(product(*DIMENSIONS.values()))
NUMBERS = {values: number for number, values in enumerate(ALL)}
"""The seed of each combination."""
PAYMENT = 3
AMOUNT = 1_000
"""What each channel can pay."""


class Scenario(Struct, frozen=True):
    """One combination."""

    hops: int
    channels: int
    payments: int
    asset: str
    closer: str
    weather: str

    def __str__(self) -> str:
        return "-".join(map(str, values_of(self)))


def values_of(scenario: Scenario) -> tuple[object, ...]:
    """As in `ALL`."""
    return tuple(getattr(scenario, field) for field in scenario.__struct_fields__)


Pair = tuple[tuple[int, object], tuple[int, object]]


def pairs_of(values: tuple[object, ...]) -> set[Pair]:
    """Every two values that meet in this combination, with their places."""
    return set(combinations(enumerate(values), 2))


def scenario_of(values: tuple[object, ...]) -> Scenario:
    """The inverse of `values_of`."""
    return msgspec.convert(dict(zip(DIMENSIONS, values, strict=True)), Scenario)


def pairwise_slice() -> list[Scenario]:
    """Few combinations in which every pair meets: greedily, cheap ones first, from a fixed seed."""
    shuffled = list(ALL)
    Random(3).shuffle(shuffled)
    missing = set().union(*map(pairs_of, ALL))
    chosen: list[Scenario] = []
    while missing:
        best = max(shuffled, key=lambda values: len(pairs_of(values) & missing))
        missing -= pairs_of(best)
        chosen.append(scenario_of(best))
    return chosen


SCENARIOS = [scenario_of(values) for values in ALL] if times(1) > 1 else pairwise_slice()


def test_in_the_slice_every_two_values_meet() -> None:
    chosen = [values_of(scenario) for scenario in pairwise_slice()]
    assert set().union(*map(pairs_of, chosen)) == set().union(*map(pairs_of, ALL))
    assert len(chosen) < 25


async def pay(web: TimedWeb, scenario: Scenario, channel_id: ChannelId, payment: int) -> None:
    """The payments of one channel: singly, or all in one batch."""
    payer = web.path[0]
    if scenario.payments > 10 and web.random.random() < 0.5:
        amounts = (payment,) * scenario.payments
        memos = ("",) * scenario.payments
        await payer.order(commands.SendBatch(channel_id, amounts, memos, channel_id[:28]))
        return
    for number in range(scenario.payments):
        identity = channel_id[:28] + number.to_bytes(4, "big")
        await payer.order(commands.SendPayment(channel_id, payment, identity))


async def play(
    web: TimedWeb, scenario: Scenario, expected: list[Expectation], scale: int = 1
) -> None:
    """All channels at once over one path, then everything closed; amounts are times `scale`."""
    path = web.path
    asset = TOKEN if scenario.asset == "token" else ZERO_ADDRESS
    expectation = deposits(web, DEPOSIT * scale)
    ledgers = await open_ledgers(web, asset, DEPOSIT * scale)
    block_count, transaction_count = len(web.chain.blocks), web.chain.transaction_count
    amount = AMOUNT * scale
    ids = [await open_virtual(web, number, asset, amount) for number in range(scenario.channels)]
    for channel_id in ids:
        await web.until(condition(path, channel_id, ChannelStatus.OPEN))
    for channel_id in ids:
        await pay(web, scenario, channel_id, PAYMENT * scale)
    total = PAYMENT * scale * scenario.payments
    await web.until(lambda: all(path[-1].channel(one).vouchers.total == total for one in ids))
    closer = path[0] if scenario.closer == "payer" else path[-1]
    for channel_id in ids:
        await closer.order(commands.CloseChannel(channel_id))
    for channel_id in ids:
        await web.until(condition(path, channel_id, ChannelStatus.CLOSED))
    assert all(are_over(path, channel_id) for channel_id in ids)
    assert web.chain.transaction_count == transaction_count, "a virtual channel touched the chain"
    assert len(web.chain.blocks) == block_count
    expectation.move(path[0], path[-1], total * scenario.channels)
    for hub in path[1:-1]:
        expectation.move(path[0], hub, HUB_FEE * scenario.channels)
    await close_ledgers(web, ledgers)
    expected.append(expectation)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_scenario_ends_with_what_everybody_is_owed(scenario: Scenario) -> None:
    people: tuple[Actor, ...] = (*PEOPLE[: scenario.hops + 1], PEOPLE[-1])
    expected: list[Expectation] = []
    story = partial(play, scenario=scenario, expected=expected)
    weather = STORM if scenario.weather == "storm" else CALM
    web = run(story, people=people, seed=NUMBERS[values_of(scenario)], weather=weather)
    assert web.chain.paid == {who: owed for who, owed in expected[0].owed.items() if owed}
    for node in web.path:
        assert node.folded().digest() == node.state.digest()


@pytest.mark.parametrize("bit_count", [63, 64, 128, 230])
@pytest.mark.parametrize("payments", [2, 20])
def test_amounts_that_no_machine_word_holds_are_paid_to_the_unit(
    bit_count: int, payments: int
) -> None:
    scenario = Scenario(1, 2, payments, "token" if bit_count == 230 else "native", "payee", "calm")
    expected: list[Expectation] = []
    story = partial(play, scenario=scenario, expected=expected, scale=2**bit_count)
    web = run(story, people=(*PEOPLE[:2], PEOPLE[-1]), seed=bit_count, weather=CALM)
    assert web.chain.paid == expected[0].owed
    for node in web.path:
        assert node.folded().digest() == node.state.digest()
