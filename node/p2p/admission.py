"""Room for strangers: how many inbound connections may be in their handshake at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class HalfOpen:
    """A bounded set of unfinished handshakes in which the newest pushes out the oldest.

    Whoever opens connections and stays silent loses them to whoever comes next, so a flood of them
    costs a bounded number of sockets and does not keep out a peer that answers.
    """

    def __init__(self, count_max: int) -> None:
        assert count_max > 0, "a node without room for a handshake cannot be reached"
        self._count_max = count_max
        self._scopes: dict[trio.CancelScope, None] = {}

    def __len__(self) -> int:
        return len(self._scopes)

    @contextmanager
    def enter(self, timeout_s: float) -> Iterator[trio.CancelScope]:
        """Hold one place for at most `timeout_s`. The scope is cancelled when time or place is
        gone; the place is given back in every case."""
        while len(self._scopes) >= self._count_max:
            oldest = next(iter(self._scopes))
            del self._scopes[oldest]
            oldest.cancel()
        scope = trio.CancelScope(deadline=trio.current_time() + timeout_s)
        self._scopes[scope] = None
        try:
            with scope:
                yield scope
        finally:
            self._scopes.pop(scope, None)
