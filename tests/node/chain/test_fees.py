"""What is bid, and when more of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chain.fees import (
    SLOW_S,
    SLOW_STEP_COUNT,
    STEP_COUNT,
    BidReason,
    Fees,
    Market,
    Moment,
    Standing,
    is_held_back,
    next_bid,
    raised,
    step_at,
    wanted,
)

GWEI = 10**9
CEILING = 500 * GWEI
CALM = Market(10 * GWEI, GWEI)
DEADLINE_S = 10_000


def at(time_s: int, block_time_s: float = 12.0) -> Moment:
    return Moment(time_s // 12, time_s, block_time_s)


def standing(fees: Fees | None = None, **changes: int) -> Standing:
    known = Standing(fees or wanted(CALM, 0, CEILING), 0, 0, 0, 0)
    return known._replace(**changes)


def test_the_first_bid_leaves_room_for_six_full_blocks_and_the_last_is_the_ceiling() -> None:
    assert wanted(CALM, 0, CEILING) == Fees(21 * GWEI, GWEI)
    assert wanted(CALM, 3, CEILING) == Fees(28 * GWEI, 8 * GWEI)
    assert wanted(CALM, STEP_COUNT, CEILING) == Fees(CEILING, 256 * GWEI)
    assert wanted(Market(900 * GWEI, GWEI), 0, CEILING) == Fees(CEILING, GWEI)
    assert wanted(CALM, 4, 2 * GWEI) == Fees(2 * GWEI, 2 * GWEI)


def test_a_replacement_is_an_eighth_more_of_both_or_none() -> None:
    old = Fees(80, 8)
    assert raised(old, Fees(10, 1), 1_000) == Fees(90, 9)
    assert raised(old, Fees(200, 100), 1_000) == Fees(200, 100)
    assert raised(old, Fees(200, 100), 89) is None
    assert raised(Fees(1, 0), Fees(0, 0), 1_000) == Fees(2, 1)


def test_steps_are_spread_over_the_way_to_the_deadline() -> None:
    way = [step_at(at(time_s), 0, DEADLINE_S) for time_s in range(0, DEADLINE_S, 12)]
    assert way == sorted(way)
    assert (way[0], way[-1]) == (0, STEP_COUNT)
    # The last step leaves two blocks to be mined in.
    assert step_at(at(DEADLINE_S - 24), 0, DEADLINE_S) == STEP_COUNT
    assert step_at(at(DEADLINE_S - 36), 0, DEADLINE_S) == STEP_COUNT - 1
    assert step_at(at(50), 40, 60) == STEP_COUNT


def test_without_a_deadline_a_transaction_climbs_slowly_and_not_far() -> None:
    known = standing()
    assert next_bid(known, CALM, at(SLOW_S - 1), CEILING) is None
    bid = next_bid(known, CALM, at(SLOW_S), CEILING)
    assert bid is not None
    assert (bid.step, bid.reason) == (1, BidReason.SLOW)
    last = known._replace(step=SLOW_STEP_COUNT)
    assert next_bid(last, CALM, at(10 * SLOW_S), CEILING) is None


def test_a_price_that_rose_for_good_is_followed() -> None:
    dear = Market(60 * GWEI, GWEI)
    last = standing(step=SLOW_STEP_COUNT)
    assert next_bid(last, dear, at(10), CEILING) is None
    bid = next_bid(last, dear, at(SLOW_S), CEILING)
    assert bid is not None
    assert bid.reason == BidReason.UNDERPRICED
    assert bid.fees.max_fee_wei == 120 * GWEI + 8 * GWEI
    # With a deadline it is followed at once.
    urgent = next_bid(standing(deadline_s=DEADLINE_S), dear, at(12), CEILING)
    assert urgent is not None
    assert (urgent.step, urgent.reason) == (0, BidReason.UNDERPRICED)


def test_nothing_is_bid_once_the_deadline_passed() -> None:
    known = standing(deadline_s=DEADLINE_S)
    assert next_bid(known, CALM, at(DEADLINE_S - 1), CEILING) is not None
    assert next_bid(known, CALM, at(DEADLINE_S), CEILING) is None


def test_the_ceiling_holds_a_deadline_back() -> None:
    known = standing(deadline_s=DEADLINE_S)
    assert not is_held_back(known, CALM, at(12), CEILING)
    assert is_held_back(known, Market(CEILING + 1, 0), at(12), CEILING)
    assert not is_held_back(standing(), Market(CEILING + 1, 0), at(12), CEILING)
    highest = known._replace(fees=Fees(CEILING, GWEI))
    assert not is_held_back(highest, CALM, at(12), CEILING)
    assert is_held_back(highest, CALM, at(DEADLINE_S // 2), CEILING)


@pytest.mark.parametrize(("deadline_s", "blocks"), [(1_000, 0), (1_120, 10), (900, 0)])
def test_a_deadline_is_so_many_blocks_away(deadline_s: int, blocks: int) -> None:
    assert at(1_000).blocks_until(deadline_s) == blocks


@given(
    prices=st.lists(st.integers(0, 2_000 * GWEI), min_size=1, max_size=60),
    tip=st.integers(0, 50 * GWEI),
    ceiling=st.integers(1, 1_000 * GWEI),
    deadline_s=st.sampled_from([0, 300, 3_000]),
)
def test_bids_rise_by_an_eighth_each_and_never_above_the_ceiling(
    prices: list[int], tip: int, ceiling: int, deadline_s: int
) -> None:
    known = Standing(wanted(Market(prices[0], tip), 0, ceiling), 0, 0, 0, deadline_s)
    assert known.fees.max_fee_wei <= ceiling
    for number, price in enumerate(prices):
        moment = at(number * 12)
        bid = next_bid(known, Market(price, tip), moment, ceiling)
        if bid is None:
            continue
        assert bid.fees.max_fee_wei * 8 >= known.fees.max_fee_wei * 9
        assert bid.fees.priority_fee_wei * 8 >= known.fees.priority_fee_wei * 9
        assert bid.fees.priority_fee_wei <= bid.fees.max_fee_wei <= ceiling
        assert bid.step >= known.step
        known = known._replace(fees=bid.fees, step=bid.step, bid_s=moment.time_s)
