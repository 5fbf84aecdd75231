"""The plan of an exit: its steps, their deadlines and gas, and what comes of it at worst."""

from __future__ import annotations

import time

from msgspec import Struct

from node.moments import date_text
from node.rpc import params, results
from node.rpc.interface import NodeApi
from node.rpc.params import parse_hash32
from node.rpc.views import known_channel
from node.slices import in_slices
from protocols.errors import UnknownChannel
from protocols.exit_plan import plan_exit, worth_steps
from protocols.objectives.exits import require_exit
from protocols.types import checksum_address, to_hex


class ExitStep(Struct, frozen=True, gc=False):
    """One transaction of ours."""

    step: str
    """conclude, challenge, redemption (a challenge with the largest voucher), reclaim, transfer."""
    channel_id: results.Hash32Out
    gas: int
    """About."""
    after_s: int
    """Seconds from now at the earliest, if the first step is made now."""
    not_before: str
    """The same as a date, UTC."""
    blocks: int | None
    """The same in blocks, at the pace of the chain's last ones; null before any was seen."""


class ExitWorth(Struct, frozen=True, gc=False):
    """What comes home at least, of one asset."""

    asset: results.AddressOut
    amount: results.AmountOut


class ExitPlanResult(Struct, frozen=True, gc=False):
    """How a channel would be left alone, if nobody answers and nobody helps."""

    channel_id: results.Hash32Out
    steps: list[ExitStep]
    gas: int
    """About, of all steps."""
    duration_s: int
    """Until the last step, seconds; confirmations come on top."""
    worth: list[ExitWorth] | None
    """Of all channels named in the steps, at worst, gas left out; null if there are too many ways
    for them to end."""


async def exit_plan(node: NodeApi, p: params.ChannelPlanParams) -> ExitPlanResult:
    """The plan from what is held now. Raises UnknownChannel, or a LeavingRefused."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    channel = known_channel(node, channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    require_exit(node.state, channel)
    now_s = int(time.time())
    plan = plan_exit(node.state, channel, now_s)
    steps = [
        ExitStep(
            step.step,
            to_hex(step.channel_id),
            step.gas,
            step.after_s,
            date_text(now_s + step.after_s),
            node.blocks_until(now_s + step.after_s) if step.after_s else 0,
        )
        for step in plan.steps
    ]
    found = await in_slices(worth_steps(node.state, plan))
    worth = None
    if found is not None:
        worth = [ExitWorth(checksum_address(a), str(n)) for a, n in sorted(found.items())]
    return ExitPlanResult(to_hex(channel_id), steps, plan.gas, plan.duration_s, worth)
