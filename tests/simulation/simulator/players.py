"""What owners want of applications: to open one, and to say something in it.

In a game that the chain judges the owner's program moves when it is its turn, by what was shown
last; its salts follow from the plan's seed, so that it has them after any crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from protocols import commands, inputs
from protocols.app_channel import ALTERNATE, JUDGED, App, mover
from protocols.app_reducers import my_end
from protocols.channel import POSTFUND_TURN, Channel, is_supported
from protocols.crypto import keccak256
from protocols.types import Address
from tests.simulation.simulator.plan import DIRECT, Step
from tests.simulation.simulator.process import HUB_FEE
from tests.simulation.simulator.reducers import GAME, TILL, commitment, winner
from tests.support.builders import RPS_APP

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode

WRONG_EVERY = 6
"""One move in so many is one that the game refuses."""


def opening_of_app(
    step: Step, path: tuple[Address, ...], asset: Address, duration_s: int, names: tuple[bytes, str]
) -> inputs.Input:
    """The command that opens an application; `names` are the nonce's entropy and the request id."""
    is_judged = step.app == JUDGED
    reducer_id, turn_rule = (GAME, ALTERNATE) if is_judged else (TILL, step.app)
    terms = (duration_s, reducer_id, turn_rule, RPS_APP if is_judged else b"", *names)
    if step.channel == DIRECT:
        return commands.OpenApp(path[-1], asset, *step.amounts, *terms)
    fees = (HUB_FEE,) * (len(path) - 1)
    first, last = step.amounts
    return commands.OpenVirtualApp(path, asset, first, fees, *terms, last)


def saying(
    step: Step, node: SimulatedNode, channel: Channel, request_id: str
) -> inputs.Input | None:
    """What the owner says now; None while the channel is not open or at somebody else's move, and
    once its game is over."""
    app, payload = channel.app, msgspec.msgpack.encode([step.amounts[0]])
    if app is None or not is_supported(channel, POSTFUND_TURN):
        return None
    is_ours = app.turn_rule != ALTERNATE or mover(app, app.tip.count) == my_end(channel)
    if not is_ours or (app.turn_rule == ALTERNATE and app.queue):
        return None
    if app.is_judged:
        payload = _move(step, node, channel, app)
    if not payload:
        return None
    name = keccak256(request_id.encode() + node.address)
    return commands.SendAppMessage(channel.channel_id, payload, name, request_id)


def _move(step: Step, node: SimulatedNode, channel: Channel, app: App) -> bytes:
    mine = my_end(channel)
    number, place = divmod(app.tip.count, 4)
    before = app.tip.message[2:] if app.tip.count else b""
    if not app.is_settled or (place == 0 and winner(before) in (0, 1)):
        return b""
    salt = keccak256(f"{node.world.plan.seed} {step.name} {mine} {number}".encode())
    move = salt[0] % 3 + 1
    if place < 2:
        part = commitment(channel.channel_id, mine, move, salt)
    else:
        part = bytes((move,)) + salt
    shown = (before if place else b"") + part
    if step.amounts[0] % WRONG_EVERY == 0:
        shown = shown[:-1] + bytes((shown[-1] ^ 1,)) if place >= 2 else shown[:-1]
    return b"\xc4" + bytes((len(shown),)) + shown
