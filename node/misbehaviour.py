"""What a bad peer costs us: the first ten faults are recorded, then one counted event a minute.

Faults in the framing come as PeerFault inputs and are held back here once there were ten. Numbered
messages that break a rule are recorded one by one, because each must be counted as received; after
ten of them the peer is expelled for a minute at a time, so that it cannot fill the log.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from protocols.inputs import PeerFault
from protocols.types import Address

RECORDED_FAULT_COUNT = 10
"""Faults of one peer that are recorded singly."""
INTERVAL_S = 60.0
"""Seconds between two counted events about one peer, and how long it is expelled."""
REMEMBERED_PEER_COUNT_MAX = 1_024
"""Peers whose faults are counted in memory; the oldest is forgotten first, its count with it."""


class Misbehaviour:
    """Counts faults by peer. `clock_s` is monotonic."""

    def __init__(
        self, clock_s: Callable[[], float], expel: Callable[[Address, float], None]
    ) -> None:
        self._clock_s = clock_s
        self._expel = expel
        self._held: dict[Address, tuple[float, int]] = {}
        self._seen: dict[Address, int] = {}

    def admit(self, fault: PeerFault, recorded_count: int) -> PeerFault | None:
        """The input to record for this fault, or None while it is only counted."""
        if recorded_count < RECORDED_FAULT_COUNT:
            return fault
        now_s = self._clock_s()
        since_s, count = self._held.pop(fault.peer, (now_s - INTERVAL_S, 0))
        if now_s - since_s < INTERVAL_S:
            self._held[fault.peer] = (since_s, count + 1)
            return None
        self._held[fault.peer] = (now_s, 0)
        if len(self._held) > REMEMBERED_PEER_COUNT_MAX:
            del self._held[next(iter(self._held))]
        return replace(fault, count=count + 1)

    def met(self, peer: Address, recorded_count: int) -> None:
        """A session with the peer begins: what was recorded of it until now is past."""
        self._remember(peer, recorded_count)

    def after_batch(self, peer: Address, recorded_count: int) -> None:
        """A batch with messages of the peer is durable: expel it if it broke rules again."""
        # Whom we forgot did nothing yet, as far as we know.
        before = self._seen.get(peer, recorded_count)
        self._remember(peer, recorded_count)
        if recorded_count > max(before, RECORDED_FAULT_COUNT):
            self._expel(peer, INTERVAL_S)

    def _remember(self, peer: Address, recorded_count: int) -> None:
        self._seen.pop(peer, None)
        self._seen[peer] = recorded_count
        if len(self._seen) > REMEMBERED_PEER_COUNT_MAX:
            del self._seen[next(iter(self._seen))]
