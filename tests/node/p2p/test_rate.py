from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.p2p.rate import Backoff, PeerBudgets, TokenBucket


def test_a_full_bucket_gives_its_burst_without_waiting() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=100.0, now_s=0.0)
    assert bucket.take(100.0, 0.0) == 0.0
    assert bucket.take(1.0, 0.0) == pytest.approx(0.1)


def test_debt_is_paid_by_time() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=10.0, now_s=0.0)
    assert bucket.take(30.0, 0.0) == pytest.approx(2.0)
    assert bucket.take(0.0, 1.0) == pytest.approx(1.0)
    assert bucket.take(0.0, 2.0) == 0.0


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=10.0, now_s=0.0)
    assert bucket.take(20.0, 1_000.0) == pytest.approx(1.0)


def test_asking_leaves_the_budget_as_it_is_when_it_does_not_suffice() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=2.0, now_s=0.0)
    assert bucket.allows(2.0, 0.0)
    assert not bucket.allows(1.0, 0.0)
    assert not bucket.allows(1.0, 0.5)
    assert bucket.allows(1.0, 1.0)


def test_a_bucket_that_never_fills_is_refused() -> None:
    with pytest.raises(AssertionError, match="never fills"):
        TokenBucket(rate_per_s=0.0, burst=1.0, now_s=0.0)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 2)), max_size=30))
def test_who_waits_as_told_never_exceeds_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    bucket, now_s, spent = TokenBucket(rate_per_s=10.0, burst=50.0, now_s=0.0), 0.0, 0.0
    for amount, pause_s in steps:
        now_s += pause_s
        wait_s = bucket.take(amount, now_s)
        spent += amount
        now_s += wait_s
        assert spent <= 50.0 + 10.0 * now_s + 1e-6


def test_each_peer_has_a_budget_and_the_last_few_are_remembered() -> None:
    budgets = PeerBudgets(1.0, 2.0, 2)
    peers = [bytes([n]) * 20 for n in range(3)]
    assert [budgets.allow(peers[0], 0.0) for _ in range(3)] == [True, True, False]
    assert budgets.allow(peers[1], 0.0)
    assert not budgets.allow(peers[0], 0.0)
    assert budgets.allow(peers[0], 1.0)
    assert budgets.allow(peers[2], 1.0)
    assert [budgets.allow(peers[1], 1.0) for _ in range(3)] == [True, True, False]


def test_the_delay_doubles_from_a_quarter_second_to_thirty() -> None:
    backoff = Backoff(0.25, 30.0, lambda: 0.0)
    delays = [backoff.next_delay_s() for _ in range(10)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_jitter_shortens_a_delay_by_at_most_a_half() -> None:
    backoff = Backoff(1.0, 8.0, lambda: 0.999)
    assert backoff.next_delay_s() == pytest.approx(0.5, abs=0.001)
    assert backoff.next_delay_s() == pytest.approx(1.0, abs=0.002)


def test_a_peer_that_came_back_starts_the_back_off_over() -> None:
    backoff = Backoff(1.0, 8.0, lambda: 0.0)
    assert [backoff.next_delay_s() for _ in range(3)] == [1.0, 2.0, 4.0]
    backoff.reset()
    assert backoff.next_delay_s() == 1.0
