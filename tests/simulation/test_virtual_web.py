"""Virtual channels over wires that lose, repeat and reorder: everybody ends with what was signed.

Each seed opens several channels over 0 to 4 hubs, too many for the balances of some, pays in them,
gives some up and closes the rest from either end, while three messages in ten are lost.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from protocols import commands, inputs
from protocols.channel import supported_final
from protocols.error import ProtocolError
from protocols.objectives.base import ObjectiveStatus, ObjectiveType
from protocols.types import ChannelId
from tests.support.soak import times
from tests.support.web import Web, WebNode

pytestmark = pytest.mark.slow

OVER = (ObjectiveStatus.COMPLETED, ObjectiveStatus.REJECTED)
SEED_COUNT = 40
CHANNEL_COUNT = 3


def tried(node: WebNode, item: inputs.Input) -> bool:
    """The owner's command; False if it was refused."""
    try:
        node.feed(item)
    except ProtocolError:
        return False
    return True


def meddle(web: Web, rng: random.Random, paid: Counter[ChannelId]) -> None:
    """An owner does something to one of the channels, if it may."""
    channel_id = rng.choice(sorted(web.payer.state.channels.keys() - set(web.ledgers)))
    what = rng.random()
    if what < 0.7:
        amount = rng.randrange(1, 50)
        number = len(web.payer.log)
        payment = commands.SendPayment(channel_id, amount, number.to_bytes(32, "big"))
        paid[channel_id] += amount if tried(web.payer, payment) else 0
    elif what < 0.85:
        tried(rng.choice([web.payer, web.payee]), commands.CloseChannel(channel_id))
    else:
        for objective in rng.choice(web.row).state.objectives_of(channel_id):
            if objective.objective_type == ObjectiveType.VIRTUAL_FUND:
                node = rng.choice(web.row)
                tried(node, commands.RejectObjective(objective.objective_id))


def run(seed: int) -> Web:
    """One life of a web; asserts that all is over and nobody lost."""
    rng = random.Random(seed)
    hops = rng.choice([0, 1, 2, 4])
    right_leads = frozenset(k for k in range(hops + 1) if rng.random() < 0.3)
    web = Web(hops, right_leads=right_leads)
    for node in web.row:
        node.proves_purity = False
    amounts = [rng.choice([100, 1_000, 6_000]) for _ in range(CHANNEL_COUNT)]
    for number, amount in enumerate(amounts):
        tried(web.payer, web.open_command(amount, b"v%03d" % number))
    if not web.payer.state.channels.keys() - set(web.ledgers):
        return web
    paid: Counter[ChannelId] = Counter()
    for _ in range(rng.randrange(400)):
        web.step(rng)
        web.sums_are_constant()
        if rng.random() < 0.02:
            meddle(web, rng, paid)
    web.storm(rng)
    finish(web, rng)
    check(web, paid)
    return web


def finish(web: Web, rng: random.Random) -> None:
    """Whoever still has a channel closes it, and time passes for what waits for time."""
    for _ in range(30):
        for channel_id in web.payer.state.channels.keys() - set(web.ledgers):
            tried(rng.choice([web.payer, web.payee]), commands.CloseChannel(channel_id))
        web.storm(rng)
        web.wait(60_000)
        web.storm(rng)


def check(web: Web, paid: Counter[ChannelId]) -> None:
    """Everything ended, with the split that was signed and the fees of what was not unwound."""
    web.sums_are_constant()
    web.nobody_signed_twice()
    web.nothing_was_dropped()
    earned = 0
    for node in web.row:
        for objective in node.state.objectives.values():
            assert objective.status in OVER, (node.actor.name, objective)
        assert node.state.digest() == node.fold().digest()
    for channel_id in web.payer.state.channels.keys() - set(web.ledgers):
        # A channel that was left by a final state after hubs signed its postfund pays its fees too.
        earned += supported_final(web.payer.channel(channel_id)) is not None
    web.no_guarantee_is_left()
    total = sum(paid.values())
    fees = [fee * earned for fee in web.fees]
    assert web.changes() == [-total - sum(fees), *fees, total]


@pytest.mark.parametrize("seed", range(times(SEED_COUNT)))
def test_every_channel_ends_and_nobody_loses(seed: int) -> None:
    run(seed)
