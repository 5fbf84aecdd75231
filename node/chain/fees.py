"""What to bid for a transaction: the first bid, and higher ones as its deadline comes nearer.

Pure arithmetic, wei per gas. A transaction that has a deadline climbs `STEP_COUNT` steps on the way
there: each doubles what the block's maker gets, the last bids all that the owner allows. One
without a deadline follows the chain's price and climbs a few steps when it is not mined for long.
Nothing is ever bid above the ceiling.
Source: EIP-1559; geth and others take a replacement from a tenth more of both fees on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

BASE_FEE_FACTOR = 2
"""The fee cap over the current base fee: it lasts for six full blocks in a row, each of which
raises the base fee by an eighth. The rest is not paid."""
STEP_COUNT = 8
"""Steps from the first bid to the last one before a deadline."""
SLOW_STEP_COUNT = 3
"""Steps that a transaction without a deadline climbs at most."""
SLOW_S = 180
"""Seconds after which a transaction without a deadline climbs a step: fifteen of Ethereum's
blocks."""
LAST_BID_BLOCK_COUNT = 2
"""Blocks before the deadline by which the last step is reached."""


class Fees(NamedTuple):
    """A bid, wei per gas."""

    max_fee_wei: int
    """All that is paid at most."""
    priority_fee_wei: int
    """What of it goes to the block's maker at most."""


class Market(NamedTuple):
    """What the chain asks now, wei per gas."""

    base_fee_wei: int
    tip_wei: int
    """What endpoints suggest for the block's maker."""


class Moment(NamedTuple):
    """Where the chain is."""

    block_num: int
    time_s: int
    """Unix seconds: the newest block's, or ours if it is later."""
    block_time_s: float
    """Seconds between the last blocks."""

    def blocks_until(self, deadline_s: int) -> int:
        """Blocks that will be mined until then, as far as the last ones tell."""
        return max(0, int((deadline_s - self.time_s) / max(self.block_time_s, 0.001)))


class BidReason(StrEnum):
    """Why a transaction is signed anew."""

    UNDERPRICED = "underpriced"
    SLOW = "slow"
    DEADLINE = "deadline"


class Standing(NamedTuple):
    """A transaction that waits to be mined: what was bid, and how long it has."""

    fees: Fees
    step: int
    began_s: int
    """When it was first bid for, as far as this process knows."""
    bid_s: int
    """When the newest bid was made."""
    deadline_s: int
    """Its own, or that of one with a higher nonce, which waits for it; 0 for none."""


class Bid(NamedTuple):
    """A higher bid."""

    fees: Fees
    step: int
    reason: BidReason


def wanted(market: Market, step: int, ceiling_wei: int) -> Fees:
    """What a step bids at these prices."""
    tip_wei = min(market.tip_wei << step, ceiling_wei)
    max_fee_wei = min(market.base_fee_wei * BASE_FEE_FACTOR + tip_wei, ceiling_wei)
    if step >= STEP_COUNT:
        max_fee_wei = ceiling_wei
    return Fees(max_fee_wei, min(tip_wei, max_fee_wei))


def raised(old: Fees, target: Fees, ceiling_wei: int) -> Fees | None:
    """The target, or the least that endpoints take in place of `old`; None above the ceiling."""
    least = Fees(_eighth_more(old.max_fee_wei), _eighth_more(old.priority_fee_wei))
    if least.max_fee_wei > ceiling_wei:
        return None
    max_fee_wei = max(target.max_fee_wei, least.max_fee_wei)
    priority_fee_wei = max(target.priority_fee_wei, least.priority_fee_wei)
    return Fees(max_fee_wei, min(priority_fee_wei, max_fee_wei))


def _eighth_more(fee_wei: int) -> int:
    return fee_wei + max(1, -(-fee_wei // 8))


def step_at(moment: Moment, began_s: int, deadline_s: int) -> int:
    """How far on the way from the first bid to the deadline: 0 to `STEP_COUNT`."""
    last_s = deadline_s - LAST_BID_BLOCK_COUNT * moment.block_time_s
    window_s = last_s - began_s
    if window_s <= 0:
        return STEP_COUNT
    step = int(STEP_COUNT * (moment.time_s - began_s) / window_s)
    return max(0, min(STEP_COUNT, step))


def next_bid(standing: Standing, market: Market, moment: Moment, ceiling_wei: int) -> Bid | None:
    """The bid that is due now, or None: nothing is, or the ceiling allows no higher one."""
    is_underpriced = standing.fees.max_fee_wei < market.base_fee_wei
    reason = BidReason.UNDERPRICED if is_underpriced else None
    step = standing.step
    if standing.deadline_s:
        if moment.time_s >= standing.deadline_s:
            return None
        due = step_at(moment, standing.began_s, standing.deadline_s)
        if due > step:
            step, reason = due, BidReason.DEADLINE
    elif moment.time_s - standing.bid_s < SLOW_S:
        # Without a deadline a short rise of prices is waited out.
        return None
    elif reason is None and step < SLOW_STEP_COUNT:
        step, reason = step + 1, BidReason.SLOW
    if reason is None:
        return None
    fees = raised(standing.fees, wanted(market, step, ceiling_wei), ceiling_wei)
    return None if fees is None else Bid(fees, step, reason)


def is_held_back(standing: Standing, market: Market, moment: Moment, ceiling_wei: int) -> bool:
    """Whether the ceiling is in the way of a deadline: the chain asks more than it, or half of the
    time is gone and no higher bid is allowed."""
    if not standing.deadline_s:
        return False
    if market.base_fee_wei > ceiling_wei:
        return True
    is_late = step_at(moment, standing.began_s, standing.deadline_s) * 2 >= STEP_COUNT
    return is_late and _eighth_more(standing.fees.max_fee_wei) > ceiling_wei
