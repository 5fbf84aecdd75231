"""Every objective ends whatever the wires do: whole engines in virtual time, seeded."""

from __future__ import annotations

import pytest

from protocols import inputs
from protocols.channel import ChannelStatus, status
from protocols.objectives.base import ObjectiveStatus
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.timed_web import STORM, TimedWeb, run

DEPOSIT = 1_000_000


async def direct_channel(web: TimedWeb) -> None:
    """ALICE opens a channel to BOB, pays in it and closes it."""
    alice, bob = web.path
    opened = await alice.order(
        inputs.OpenChannel(bob.actor.address, ZERO_ADDRESS, DEPOSIT, 0, 86_400, b"abcd")
    )
    channel_id = opened.channel_id
    assert channel_id is not None
    await web.until(
        lambda: all(status(node.channel(channel_id)) == ChannelStatus.OPEN for node in web.path)
    )
    for number in range(1, 11):
        await alice.order(inputs.SendPayment(channel_id, 10, number.to_bytes(32, "big")))
    await bob.order(inputs.CloseChannel(channel_id))
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
