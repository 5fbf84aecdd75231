"""Virtual time: what is to happen, in order. Nothing waits for real."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Schedule:
    """A clock that jumps from one appointment to the next; equal times keep their order."""

    def __init__(self) -> None:
        self.now_ms = 0
        """Milliseconds since the run began."""
        self._appointments: list[tuple[int, int, Action]] = []
        self._count = 0

    def after(self, delay_ms: int, action: Action) -> None:
        """Do it so much later."""
        assert delay_ms >= 0
        self._count += 1
        heapq.heappush(self._appointments, (self.now_ms + delay_ms, self._count, action))

    def run_until(self, limit_ms: int, is_done: Callable[[], bool] | None = None) -> bool:
        """Keep every appointment up to that time, or until it is done; whether it is."""
        while self._appointments and self._appointments[0][0] <= limit_ms:
            self.now_ms, _, action = heapq.heappop(self._appointments)
            action()
            if is_done is not None and is_done():
                return True
        self.now_ms = max(self.now_ms, limit_ms)
        return is_done is not None and is_done()
