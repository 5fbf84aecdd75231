"""Owners who order anything at any time are answered or refused by name, and stop no node."""

from __future__ import annotations

import pytest
import trio

from protocols import commands, inputs
from protocols.errors import ProtocolError
from protocols.types import ZERO_ADDRESS, ChannelId, ObjectiveId
from tests.support.soak import times
from tests.support.timed_web import CALM, HUB_FEE, PEOPLE, TimedWeb, run
from tests.support.virtual_stories import DURATION_S, open_ledgers

pytestmark = pytest.mark.slow

ORDER_COUNT = 250


def any_command(web: TimedWeb, ledgers: list[ChannelId], number: int) -> inputs.Input:
    """A command of any kind, about anything that anybody knows, whatever state it is in."""
    draw = web.random
    channels = sorted({one for each in web.path for one in each.state.channels})
    objectives = sorted({one for each in web.path for one in each.state.objectives})
    # Ledgers that close early would leave nothing to do.
    virtual = [one for one in channels if one not in ledgers]
    channel_id: ChannelId = draw.choice(channels if not virtual or number % 16 == 0 else virtual)
    objective_id: ObjectiveId = draw.choice(objectives)
    request_id = draw.choice(["", "", "one", "two", f"own {number}"])
    identity, entropy = number.to_bytes(32, "big"), number.to_bytes(4, "big")
    amount = draw.choice([0, 1, 7, 500, 10**7])
    path = tuple(each.actor.address for each in draw.sample(web.path, draw.randint(1, 2)))
    whole = tuple(each.actor.address for each in web.path[1:])
    opening = commands.OpenVirtual(whole, ZERO_ADDRESS, 500, (HUB_FEE,), DURATION_S, entropy)
    if not virtual:
        return opening
    closed = draw.choice(virtual if number < ORDER_COUNT - 20 else channels)
    fees = (HUB_FEE,) * draw.randint(0, 1)
    known = [each.channel(channel_id) for each in web.path if channel_id in each.state.channels]
    total, signature = known[0].vouchers.total, known[0].vouchers.signature
    return draw.choice(
        [
            commands.CloseChannel(closed, request_id),
            commands.ApproveObjective(objective_id, request_id),
            commands.RejectObjective(objective_id, "no", request_id),
            commands.PayLedger(channel_id, amount, request_id or f"drawn {number}"),
            commands.SendPayment(channel_id, amount, identity, "", request_id),
            commands.SendBatch(channel_id, (amount, 1), ("", ""), identity[4:], request_id),
            commands.CreateVoucher(channel_id, amount, identity, "", request_id),
            commands.TakeVoucher(channel_id, total, signature, request_id),
            commands.OpenVirtual(path, ZERO_ADDRESS, amount, fees, DURATION_S, entropy, request_id),
            opening,
        ]
    )


@pytest.mark.parametrize("seed", range(times(12)))
def test_any_orders_are_answered_or_refused_and_no_node_stops(seed: int) -> None:
    answered: dict[str, int] = {}

    async def story(web: TimedWeb) -> None:
        ledgers = await open_ledgers(web)
        for number in range(ORDER_COUNT):
            node = web.path[0] if number % 3 else web.random.choice(web.path)
            command = any_command(web, ledgers, number)
            try:
                await node.order(command)
                name = type(command).__name__
                answered[name] = answered.get(name, 0) + 1
            except ProtocolError:
                pass
            await trio.sleep(web.random.choice([0.0, 0.0, 0.05, 1.0]))
        await web.until(lambda: not any(node.outbox.message_count for node in web.path))

    web = run(story, people=(*PEOPLE[:2], PEOPLE[-1]), seed=seed, weather=CALM)
    assert answered.keys() > {"OpenVirtual", "CloseChannel"}, answered
    for node in web.path:
        assert node.folded().digest() == node.state.digest()
