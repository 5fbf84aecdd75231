"""A story for a web of whole engines: ledgers along a path, virtual channels over it, and home.

Everything that may vary is drawn from the web's own seed: who leads a ledger, how many channels,
how payments are made, who closes, and whether somebody gives up before the channel is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import trio
from msgspec import Struct

from protocols import commands
from protocols.channel import ChannelStatus, status, supported_final
from protocols.errors import ProtocolError
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.types import ZERO_ADDRESS, Address, ChannelId
from tests.support.timed_web import HUB_FEE, TimedNode, TimedWeb

DEPOSIT = 1_000_000
"""What each party puts into each of its ledgers."""
AMOUNT = 10_000
"""What a virtual channel can pay."""
DURATION_S = 86_400
OVER = (ObjectiveStatus.COMPLETED, ObjectiveStatus.REJECTED)


class Expectation(Struct):
    """What the chain owes everybody when the story is told, by address."""

    owed: dict[Address, int]

    def move(self, giver: TimedNode, taker: TimedNode, amount: int) -> None:
        """An agreed payment changes it."""
        self.owed[giver.actor.address] -= amount
        self.owed[taker.actor.address] += amount


def are_over(nodes: Sequence[TimedNode], channel_id: ChannelId) -> bool:
    """Every objective of the channel has ended wherever it is known."""
    return all(
        objective.status in OVER
        for node in nodes
        for objective in node.state.objectives_of(channel_id)
    )


def is_everywhere(nodes: Sequence[TimedNode], channel_id: ChannelId, wanted: ChannelStatus) -> bool:
    """All of these nodes hold the channel to be in that status."""
    return all(
        channel_id in node.state.channels and status(node.channel(channel_id)) == wanted
        for node in nodes
    )


async def open_ledgers(
    web: TimedWeb, asset: Address = ZERO_ADDRESS, deposit: int = DEPOSIT
) -> list[ChannelId]:
    """A ledger between all neighbours of the path; either of them leads, both deposit."""
    found: list[ChannelId] = []
    for number, (left, right) in enumerate(pairwise(web.path)):
        leader, follower = (left, right) if web.random.random() < 0.5 else (right, left)
        entropy = number.to_bytes(4, "big")
        who = follower.actor.address
        command = commands.OpenLedger(who, asset, deposit, deposit, DURATION_S, entropy)
        answer = await leader.order(command)
        assert answer.channel_id is not None
        found.append(answer.channel_id)
    for ledger_id, pair in zip(found, pairwise(web.path), strict=True):
        await web.until(condition(pair, ledger_id, ChannelStatus.OPEN))
    return found


def condition(
    nodes: Sequence[TimedNode], channel_id: ChannelId, wanted: ChannelStatus
) -> Callable[[], bool]:
    return lambda: is_everywhere(nodes, channel_id, wanted)


async def open_virtual(
    web: TimedWeb, number: int, asset: Address = ZERO_ADDRESS, amount: int = AMOUNT
) -> ChannelId:
    """The first of the path opens a channel to the last, for what the hubs want."""
    path = web.path
    command = commands.OpenVirtual(
        tuple(node.actor.address for node in path[1:]),
        asset,
        amount,
        (HUB_FEE,) * (len(path) - 2),
        DURATION_S,
        b"v" + number.to_bytes(3, "big"),
    )
    answer = await path[0].order(command)
    assert answer.channel_id is not None
    return answer.channel_id


async def pay(web: TimedWeb, channel_id: ChannelId) -> int:
    """A few payments, each with its voucher; what they come to."""
    amounts = [web.random.randint(1, 500) for _ in range(web.random.randint(0, 6))]
    for place, amount in enumerate(amounts):
        identity = channel_id[:16] + place.to_bytes(16, "big")
        await web.path[0].order(commands.SendPayment(channel_id, amount, identity))
    return sum(amounts)


async def give_up(web: TimedWeb, channel_id: ChannelId) -> None:
    """Somewhere on the path an owner rejects the channel, at any moment of its opening."""
    await trio.sleep(web.random.uniform(0.0, 15.0))
    node = web.random.choice(web.path)
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
    try:
        await node.order(commands.RejectObjective(identity, "changed my mind"))
    except ProtocolError:
        return  # It has not heard of it yet, or signed what it cannot take back.


def is_at_rest(web: TimedWeb, ledger_id: ChannelId) -> bool:
    """No guarantee, proposal or request is left in the ledger, on either side."""
    for node in web.path:
        if ledger_id in node.state.channels:
            ledger = node.channel(ledger_id).ledger
            assert ledger is not None, "an open ledger has one"
            if ledger.current.guarantees or ledger.queue or ledger.asked:
                return False
    return True


async def channel_life(
    web: TimedWeb, number: int, expectation: Expectation, *, may_fail: bool
) -> None:
    """One virtual channel from its opening to the end of its guarantees."""
    path, random = web.path, web.random
    channel_id = await open_virtual(web, number)
    if may_fail and random.random() < 0.5:
        await give_up(web, channel_id)
    opened = condition(path, channel_id, ChannelStatus.OPEN)
    await web.until(lambda: opened() or are_over(path, channel_id))
    has_opened = opened()
    if has_opened or supported_final(path[0].channel(channel_id)) is not None:
        # A hub that signed the postfund keeps its fee, also if the channel is closed unused.
        for left, right in pairwise(path):
            hubs_to_the_right = len(path) - 1 - path.index(right)
            expectation.move(left, right, HUB_FEE * hubs_to_the_right)
    if not has_opened:
        return
    expectation.move(path[0], path[-1], await pay(web, channel_id))
    closer = random.choice((path[0], path[-1]))
    await closer.order(commands.CloseChannel(channel_id))
    await web.until(condition(path, channel_id, ChannelStatus.CLOSED))
    await web.until(lambda: are_over(path, channel_id))


async def pay_in_ledger(
    web: TimedWeb, number: int, ledger_id: ChannelId, expectation: Expectation
) -> None:
    """Either party of a ledger pays the other one directly; under one number only once."""
    pair = [node for node in web.path if ledger_id in node.state.channels]
    web.random.shuffle(pair)
    giver, taker = pair
    amount = web.random.randint(1, 1_000)
    try:
        await giver.order(commands.PayLedger(ledger_id, amount, f"rent {number}"))
    except ProtocolError:
        return
    expectation.move(giver, taker, amount)
    await web.until(lambda: is_at_rest(web, ledger_id))


def deposits(web: TimedWeb, deposit: int = DEPOSIT) -> Expectation:
    """What everybody put into its one or two ledgers."""
    last = len(web.path) - 1
    ledger_counts = {node: 1 if place in (0, last) else 2 for place, node in enumerate(web.path)}
    return Expectation(
        {node.actor.address: deposit * count for node, count in ledger_counts.items()}
    )


async def close_ledgers(web: TimedWeb, ledgers: list[ChannelId]) -> None:
    """Once nothing is left in them."""
    for ledger_id, left in zip(ledgers, web.path[:-1], strict=True):
        await web.until(partial(is_at_rest, web, ledger_id))
        await left.order(commands.CloseChannel(ledger_id))
    await web.until(lambda: all(are_over(web.path, ledger_id) for ledger_id in ledgers))


async def tell(web: TimedWeb) -> Expectation:
    """Ledgers, channels over them, direct payments, and everything closed."""
    path = web.path
    expectation = deposits(web)
    ledgers = await open_ledgers(web)
    for number in range(web.random.randint(1, 3)):
        await channel_life(web, number, expectation, may_fail=len(path) > 2)
        await pay_in_ledger(web, number, web.random.choice(ledgers), expectation)
    await close_ledgers(web, ledgers)
    return expectation
