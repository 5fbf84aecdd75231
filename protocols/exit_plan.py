"""What leaving a channel alone takes: the steps in order, when each may be made, and its gas.

A forecast from what is held now, if nobody answers and nobody helps. Nothing is decided here: the
objectives (`objectives.exits`) go by what the chain says then.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence

from msgspec import Struct

from protocols.adjudication import exit_of
from protocols.app_definitions import rule_of
from protocols.channel import (
    POSTFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    is_finalised,
    observed_adjudicated,
    supported_final,
)
from protocols.entities import Node, NodeState
from protocols.errors import TooManyEndings
from protocols.exit_value import STOP_COUNT, Material, exit_value_steps, material_of
from protocols.ledger import Guarantee
from protocols.objectives.app_supports import app_turn
from protocols.objectives.supports import newest_turn
from protocols.objectives.withdraw import may_gain
from protocols.types import Address, Amount, ChannelId
from protocols.virtual_paths import stands

GAS = {
    "conclude": 110_000,
    "challenge": 105_000,
    "redemption": 165_000,
    "application": 270_000,
    "checkpoint": 72_000,
    "reclaim": 62_000,
    "transfer": 72_000,
}
"""About what each call takes, a little above what docs/contracts.md measured."""
GUARANTEE_GAS = 7_000
"""What each guarantee of a ledger adds to its challenge."""


class PlannedStep(Struct, frozen=True, gc=False):
    """One transaction of ours."""

    step: str
    """conclude, challenge, redemption (a challenge with it), reclaim or transfer."""
    channel_id: ChannelId
    gas: int
    after_s: int
    """Seconds from now at the earliest, confirmations left out."""


class ExitPlan(Struct, frozen=True, gc=False):
    """How a channel would be left."""

    steps: tuple[PlannedStep, ...]

    @property
    def gas(self) -> int:
        """Of all steps."""
        return sum(step.gas for step in self.steps)

    @property
    def duration_s(self) -> int:
        """Until the last step may be made, seconds."""
        return max((step.after_s for step in self.steps), default=0)


def plan_exit(state: NodeState, channel: Channel, now_s: int) -> ExitPlan:
    """The steps of leaving this channel alone; `now_s` is Unix time."""
    if channel.virtual is None:
        steps, _ = _of_direct(state, channel, now_s, 0)
        return ExitPlan(tuple(steps))
    steps, final_s = _ending(state, channel, now_s, 0)
    for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger):
        if stands(state, ledger_id, channel.channel_id):
            carried, _ = _of_direct(
                state, state.channels[ledger_id], now_s, final_s, done=channel.channel_id
            )
            steps += carried
    return ExitPlan(tuple(steps))


def worth_steps(
    state: NodeState, plan: ExitPlan
) -> Generator[None, None, dict[Address, Amount] | None]:
    """What we get at least, by asset, of all channels named in the steps (M22), gas left out.

    None if there are more ways for them to end than are looked at. It may take seconds: it stops
    now and then to let others go first, and tells of the moment when it was called.
    """
    named = dict.fromkeys(step.channel_id for step in plan.steps)
    return worth_of_channels(state.node, [state.channels[channel_id] for channel_id in named])


def worth_of_channels(
    node: Node, channels: Sequence[Channel]
) -> Generator[None, None, dict[Address, Amount] | None]:
    """The same for channels that are given: all together, as they are in the list."""
    materials = []
    for count, channel in enumerate(channels, start=1):
        if channel.turns:
            materials.append(_material(node, channel))
        if count % STOP_COUNT == 0:
            yield
    try:
        return (yield from exit_value_steps(node.address, materials))
    except TooManyEndings:
        return None


def _material(node: Node, channel: Channel) -> Material:
    rule = rule_of(node, channel.fixed.app_definition)
    return material_of(channel, node.virtual_payment_app, rule)


def _of_direct(
    state: NodeState, channel: Channel, now_s: int, start_s: int, done: ChannelId = b""
) -> tuple[list[PlannedStep], int]:
    """A channel with holdings of its own, and the channels it guarantees; and when it is over."""
    steps, final_s = _ending(state, channel, now_s, start_s)
    reclaims = []
    for guarantee in _guarantees(channel):
        target = state.channels.get(guarantee.target)
        if target is None or not may_gain(state.node, channel, guarantee.left, target):
            continue
        if guarantee.target != done:
            ended, target_s = _ending(state, target, now_s, start_s)
            steps += ended
            final_s = max(final_s, target_s)
        reclaims.append(PlannedStep("reclaim", channel.channel_id, GAS["reclaim"], 0))
    late = [*reclaims, PlannedStep("transfer", channel.channel_id, GAS["transfer"], 0)]
    if supported_final(channel) is not None and not is_finalised(channel):
        late = []  # Concluding pays everybody.
    steps += [PlannedStep(one.step, one.channel_id, one.gas, final_s) for one in late]
    return steps, final_s


def _guarantees(channel: Channel) -> Iterable[Guarantee]:
    return () if channel.ledger is None else channel.ledger.current.guarantees


def _ending(
    state: NodeState, channel: Channel, now_s: int, start_s: int
) -> tuple[list[PlannedStep], int]:
    """How one channel becomes final, and in how many seconds."""
    known = observed_adjudicated(channel)
    if is_finalised(channel):
        return [], start_s
    if supported_final(channel) is not None:
        return [PlannedStep("conclude", channel.channel_id, GAS["conclude"], start_s)], start_s
    turn_num = newest_turn(state.node, channel)
    if known.finalizes_at and exit_of(known.outcome) is not None and known.turn_num >= turn_num:
        return [], max(start_s, known.finalizes_at - now_s)
    is_payment = channel.fixed.app_definition == state.node.virtual_payment_app
    is_redemption = is_payment and turn_num == REDEMPTION_TURN
    step = "redemption" if is_redemption else "challenge"
    is_running = app_turn(state.node, channel) > POSTFUND_TURN
    gas = GAS["application" if is_running else step] + GUARANTEE_GAS * sum(
        1 for _ in _guarantees(channel)
    )
    challenged = PlannedStep(step, channel.channel_id, gas, start_s)
    return [challenged], start_s + channel.fixed.challenge_duration
