"""What a bad peer costs us: the first ten faults are recorded, then one counted event a minute.

Faults in the framing come as PeerFault inputs and are held back here once there were ten. Numbered
messages are recorded one by one, because each must be counted as received: after ten that broke a
rule the peer is expelled for a minute at a time, so that it cannot fill the log. So is one that
tells nothing new more than ten times in a minute: honest peers do so when both close at once, and
after a cut tail. Refused payments have a wider bound, because an honest payer has thousands under
way when the payee begins to refuse.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from protocols.delivery import Peer
from protocols.inputs import PeerFault
from protocols.payments import PAYMENTS_IN_FLIGHT_COUNT_MAX
from protocols.types import Address

RECORDED_FAULT_COUNT = 10
"""Faults of one peer that are recorded singly."""
REPEAT_COUNT_MAX = 10
"""Messages of one peer in an interval that tell nothing new."""
REFUSAL_COUNT_MAX = PAYMENTS_IN_FLIGHT_COUNT_MAX
"""Refused payments of one peer in an interval: as many as one channel has under way. After that
the peer is expelled, and what is left of an honest payer's comes again."""
INTERVAL_S = 60.0
"""Seconds between two counted events about one peer, and how long it is expelled."""
REMEMBERED_PEER_COUNT_MAX = 1_024
"""Peers whose faults are counted in memory; the oldest is forgotten first, its count with it."""


class _Seen(Struct, frozen=True, gc=False):
    """A peer's counts when we looked last, and when the interval began."""

    last: Peer
    since_s: float
    first: Peer


class Misbehaviour:
    """Counts faults by peer. `clock_s` is monotonic."""

    def __init__(
        self, clock_s: Callable[[], float], expel: Callable[[Address, float], None]
    ) -> None:
        self._clock_s = clock_s
        self._expel = expel
        self._held: dict[Address, tuple[float, int]] = {}
        self._seen: dict[Address, _Seen] = {}

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

    def met(self, peer: Peer) -> None:
        """A session with the peer begins: what was recorded of it until now is past."""
        self._remember(peer, self._interval(peer))

    def after_batch(self, peer: Peer) -> None:
        """A batch with messages of the peer is durable: expel it if it broke rules again."""
        seen = self._interval(peer)
        self._remember(peer, seen)
        if (
            peer.fault_count > max(seen.last.fault_count, RECORDED_FAULT_COUNT)
            or peer.repeat_count - seen.first.repeat_count > REPEAT_COUNT_MAX
            or peer.refusal_count - seen.first.refusal_count > REFUSAL_COUNT_MAX
        ):
            self._expel(peer.address, INTERVAL_S)

    def _interval(self, peer: Peer) -> _Seen:
        """What we know of the peer in this interval; a new one begins when it is over."""
        now_s = self._clock_s()
        # Whom we forgot did nothing yet, as far as we know.
        seen = self._seen.get(peer.address, _Seen(peer, now_s, peer))
        if now_s - seen.since_s >= INTERVAL_S:
            seen = _Seen(seen.last, now_s, seen.last)
        return seen

    def _remember(self, peer: Peer, seen: _Seen) -> None:
        self._seen.pop(peer.address, None)
        self._seen[peer.address] = replace(seen, last=peer)
        if len(self._seen) > REMEMBERED_PEER_COUNT_MAX:
            del self._seen[next(iter(self._seen))]
