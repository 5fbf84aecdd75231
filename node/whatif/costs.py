"""About what gas our calls take, a little above what docs/contracts.md measured, and its price."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from msgspec import Struct

from protocols.channel import REDEMPTION_TURN, Channel, funding_terms
from protocols.entities import NodeState
from protocols.exit_errors import NothingToLeave
from protocols.exit_plan import GAS, GUARANTEE_GAS, PlannedStep, plan_exit
from protocols.objectives.exits import require_exit
from protocols.transactions import DEPOSIT
from protocols.types import ZERO_ADDRESS, ChannelId

DEPOSIT_GAS = 52_000
"""The first one into a channel, of the chain's own currency."""
TOKEN_DEPOSIT_GAS = 95_000
"""The first one of a token."""


def gas_of(channel: Channel, kind: str) -> int | None:
    """What an order of that kind takes for the channel as it is; None where nobody measured it."""
    if kind == DEPOSIT:
        is_native = funding_terms(channel).asset == ZERO_ADDRESS
        return DEPOSIT_GAS if is_native else TOKEN_DEPOSIT_GAS
    step = kind.partition(" ")[0]
    if step == "challenge" and channel.ledger is None and channel.turn(REDEMPTION_TURN):
        step = "redemption"
    if step not in GAS:
        return None
    carried = () if channel.ledger is None else channel.ledger.current.guarantees
    is_shown = step in ("challenge", "checkpoint")
    return GAS[step] + (GUARANTEE_GAS * len(carried) if is_shown else 0)


class Bill(Struct, frozen=True, gc=False):
    """What calls take together: of the chain's own currency, whatever the channels are of."""

    call_count: int
    gas: int
    """About, of those that were measured."""
    unmeasured_count: int
    """Calls that nobody measured: they come on top."""
    cost_wei: int | None
    """None if no price was assumed for some of the gas."""


def bill_of(calls: Iterable[tuple[int | None, int | None]]) -> Bill:
    """Of calls, each by its gas and its price in wei for a unit; None for what is not known."""
    listed = list(calls)
    measured = [(gas, price) for gas, price in listed if gas is not None]
    costs = [None if price is None else gas * price for gas, price in measured]
    known = [cost for cost in costs if cost is not None]
    cost_wei = sum(known) if len(known) == len(costs) else None
    return Bill(len(listed), sum(gas for gas, _ in measured), len(listed) - len(measured), cost_wei)


def leaving_steps(
    state: NodeState, channel_ids: Iterable[ChannelId], now_s: int
) -> Generator[None, None, list[PlannedStep]]:
    """What leaving all these channels takes from here, each call once; stops now and then.

    Virtual channels are ended for the ledgers that carry them.
    """
    found: list[PlannedStep] = []
    ended: set[ChannelId] = set()
    for channel_id in channel_ids:
        channel = state.channels.get(channel_id)
        if channel is None or not channel.turns or channel.virtual is not None:
            continue
        try:
            require_exit(state, channel)
        except NothingToLeave:
            continue
        plan = plan_exit(state, channel, now_s)
        # The middle one of two ledgers ends a channel once for both.
        found += [step for step in plan.steps if step.channel_id not in ended]
        ended.update(step.channel_id for step in plan.steps)
        yield
    return found
