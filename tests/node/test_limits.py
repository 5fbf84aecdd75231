"""The engine's bounds and how they hang together."""

import pytest

from node import limits
from node.p2p.limits import PeerLimits
from protocols.payments import PAYMENTS_IN_FLIGHT_COUNT_MAX


def test_the_shortest_challenge_duration_covers_depth_and_three_margins() -> None:
    assert limits.challenge_duration_s_min(0) == 3 * 10 * 12
    assert limits.challenge_duration_s_min(12) == (12 + 3 * 10) * 12
    assert limits.challenge_duration_s_min(100) - limits.challenge_duration_s_min(99) == 12


def test_the_default_policy_meets_the_shortest_duration_at_the_default_depth() -> None:
    assert limits.challenge_duration_s_min(12) <= 3_600


@pytest.mark.parametrize(
    "name", [name for name in vars(limits) if name.isupper() and not name.startswith("_")]
)
def test_every_bound_is_positive(name: str) -> None:
    assert getattr(limits, name) > 0


def test_a_queue_holds_several_batches_and_a_batch_all_that_one_caller_has_in_flight() -> None:
    assert limits.INPUT_QUEUE_COUNT_MAX >= 4 * limits.BATCH_INPUT_COUNT_MAX
    assert limits.BATCH_INPUT_COUNT_MAX >= 64


def test_as_many_callers_may_wait_as_one_channel_has_payments_in_flight() -> None:
    assert limits.WAITER_COUNT_MAX >= PAYMENTS_IN_FLIGHT_COUNT_MAX


def test_a_stalled_write_is_cut_long_before_a_challenge_could_run_out() -> None:
    assert PeerLimits().write_timeout_s < limits.challenge_duration_s_min(0)
    assert PeerLimits().write_timeout_s > limits.TICK_INTERVAL_S


def test_what_is_carried_out_at_once_is_far_less_than_a_batch() -> None:
    assert 4 * limits.PROMPT_INPUT_COUNT_MAX <= limits.BATCH_INPUT_COUNT_MAX
