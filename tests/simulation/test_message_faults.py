"""Every objective ends whatever the wires do: whole engines in virtual time, seeded."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import ChannelStatus, status
from protocols.events import MessageDropped
from protocols.objectives.base import ObjectiveStatus
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, Actor
from tests.support.soak import times
from tests.support.timed_web import PEOPLE, STORM, TimedWeb, run
from tests.support.virtual_stories import Expectation, tell

pytestmark = pytest.mark.slow

DEPOSIT = 1_000_000


async def direct_channel(web: TimedWeb) -> None:
    """ALICE opens a channel to BOB, pays in it and closes it."""
    alice, bob = web.path
    opened = await alice.order(
        commands.OpenChannel(bob.actor.address, ZERO_ADDRESS, DEPOSIT, 0, 86_400, b"abcd")
    )
    channel_id = opened.channel_id
    assert channel_id is not None
    await web.until(
        lambda: all(status(node.channel(channel_id)) == ChannelStatus.OPEN for node in web.path)
    )
    for number in range(1, 11):
        await alice.order(commands.SendPayment(channel_id, 10, number.to_bytes(32, "big")))
    await bob.order(commands.CloseChannel(channel_id))
    await web.until(
        lambda: all(
            objective.status == ObjectiveStatus.COMPLETED
            for node in web.path
            for objective in node.state.objectives_of(channel_id)
        )
    )
    await web.until(lambda: not any(node.outbox.message_count for node in web.path))
    for node in web.path:
        assert status(node.channel(channel_id)) == ChannelStatus.CLOSED
        assert node.folded().digest() == node.state.digest()


@pytest.mark.parametrize("seed", range(10))
def test_a_direct_channel_opens_pays_and_closes_in_a_storm(seed: int) -> None:
    web = run(direct_channel, people=(ALICE, BOB), seed=seed, weather=STORM)
    assert sum(web.chain.paid.values()) == DEPOSIT


def test_one_seed_gives_one_run_byte_for_byte() -> None:
    first, second = (
        run(direct_channel, people=(ALICE, BOB), seed=7, weather=STORM) for _ in range(2)
    )
    for one, other in zip(first.path, second.path, strict=True):
        assert one.records() == other.records()
    different = run(direct_channel, people=(ALICE, BOB), seed=8, weather=STORM)
    assert different.path[0].records() != first.path[0].records()


def people_of(seed: int) -> tuple[Actor, ...]:
    """Three to six, in turn: a payer, one to four hubs, a payee."""
    return (*PEOPLE[: 2 + seed % 4], PEOPLE[-1])


@pytest.mark.parametrize("seed", range(times(24)))
def test_every_objective_ends_in_a_storm_and_everybody_gets_what_is_theirs(seed: int) -> None:
    """Ledgers, virtual channels, payments and closings; some channels are given up half-way."""
    people = people_of(seed)
    expected: list[Expectation] = []

    async def story(web: TimedWeb) -> None:
        expected.append(await tell(web))
        await web.until(lambda: not any(node.outbox.message_count for node in web.path))

    web = run(story, people=people, seed=seed, weather=STORM)
    assert web.chain.paid == {who: owed for who, owed in expected[0].owed.items() if owed}
    for node in web.path:
        assert node.folded().digest() == node.state.digest()
        assert not [event for _, event in node.records() if isinstance(event, MessageDropped)]


def test_a_storm_over_a_path_can_be_had_again_byte_for_byte() -> None:
    async def story(web: TimedWeb) -> None:
        await tell(web)

    first, second = (run(story, people=people_of(2), seed=2, weather=STORM) for _ in range(2))
    for one, other in zip(first.path, second.path, strict=True):
        assert one.records() == other.records()
