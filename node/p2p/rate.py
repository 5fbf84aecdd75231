"""How much a peer may send, and how long to wait before the next dial. Pure arithmetic over a time
that the caller gives; no clock and no randomness of its own."""

from collections.abc import Callable

from protocols.types import Address


class TokenBucket:
    """A budget that refills with time. Debt is allowed: who overdraws waits until it is paid."""

    __slots__ = ("_burst", "_rate_per_s", "_tokens", "_updated_s")

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        """Start full."""
        assert min(rate_per_s, burst) > 0, "a bucket that never fills stops its peer for good"
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._updated_s = now_s

    def take(self, amount: float, now_s: float) -> float:
        """Spend `amount`; the result is how long to wait before the next, 0.0 if not at all."""
        refilled = self._tokens + (now_s - self._updated_s) * self._rate_per_s
        self._tokens = min(self._burst, refilled) - amount
        self._updated_s = now_s
        return max(0.0, -self._tokens / self._rate_per_s)

    def allows(self, amount: float, now_s: float) -> bool:
        """Spend `amount` if it is there without debt, else leave the budget as it is."""
        if self.take(0.0, now_s) > 0.0 or self._tokens < amount:
            return False
        self._tokens -= amount
        return True


class PeerBudgets:
    """What each of many peers may ask for; the budgets of the last few are remembered."""

    def __init__(self, rate_per_s: float, burst: float, peer_count_max: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._peer_count_max = peer_count_max
        self._buckets: dict[Address, TokenBucket] = {}

    def allow(self, peer: Address, now_s: float) -> bool:
        """Whether the peer asked seldom enough; once more counts."""
        bucket = self._buckets.pop(peer, None) or TokenBucket(self._rate_per_s, self._burst, now_s)
        self._buckets[peer] = bucket
        while len(self._buckets) > self._peer_count_max:
            del self._buckets[next(iter(self._buckets))]
        return bucket.allows(1.0, now_s)


class Backoff:
    """Delays that double from `first_s` up to `max_s`, each shortened by up to a half at random, so
    that two nodes which lost each other do not collide for ever."""

    __slots__ = ("_first_s", "_max_s", "_next_s", "_random")

    def __init__(self, first_s: float, max_s: float, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0.0 to below 1.0."""
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s
        self._random = random

    def next_delay_s(self) -> float:
        """How long to wait now; the following answer is about twice as long."""
        delay_s = self._next_s * (1.0 - self._random() / 2)
        self._next_s = min(self._max_s, self._next_s * 2)
        return delay_s

    def reset(self) -> None:
        """The peer was there: start over."""
        self._next_s = self._first_s
