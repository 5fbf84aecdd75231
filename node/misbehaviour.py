"""What a bad peer costs us: the first ten faults are recorded, then one counted event a minute.

Faults in the framing come as PeerFault inputs and are held back here once there were ten. Numbered
messages are recorded one by one, because each must be counted as received: after ten that broke a
rule the peer is expelled for a minute at a time, and of what it said beyond the last one nothing is
taken in, so that it cannot fill the log. So is one that
tells nothing new more than ten times in a minute for each channel we share: honest peers do so when
both close at once, and after a loss of records that we cannot see. One that we see excuses more,
once a minute at most, because then both say again what counts and answer each other; a peer that
pretends one gains no more than that. Refused payments have a wider bound, because an honest
payer has thousands under way when the payee begins to refuse.
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
"""Messages in an interval that tell nothing new: of a peer for each channel we share with it, and
of one with whom we share none."""
RETOLD_COUNT_PER_CHANNEL = 64
"""Repeats that one loss excuses for each channel we share: an opening and a newest state, said by
both and answered by both, are ten, and 35 is the most that two losses led to in 600 simulations."""
LOSS_COUNT_MAX = 10
"""Sessions of one peer in an interval that begin with a loss: at each we say everything again."""
REFUSAL_COUNT_MAX = PAYMENTS_IN_FLIGHT_COUNT_MAX
"""Refused payments and messages of one peer in an interval: as many as one channel has under way.
After that the peer is expelled, and what is left of an honest payer's comes again."""
INTERVAL_S = 60.0
"""Seconds between two counted events about one peer, and how long it is expelled."""
REMEMBERED_PEER_COUNT_MAX = 1_024
"""Peers whose faults are counted in memory; the oldest is forgotten first, its count with it."""


class _Seen(Struct, frozen=True, gc=False):
    """A peer's counts when we looked last, and when the interval began."""

    last: Peer
    since_s: float
    first: Peer
    loss_count: int = 0
    """Sessions of this interval that began with a loss."""
    retold_from: int | None = None
    """How many repeats there were when the last excused loss was met: kept until the next one,
    because what is said again of many channels may take longer than an interval."""
    channel_count: int = 0
    """How many channels we share, as far as anybody had to ask."""


class Misbehaviour:
    """Counts faults by peer. `clock_s` is monotonic; `channel_count` says how many we share."""

    def __init__(
        self,
        clock_s: Callable[[], float],
        expel: Callable[[Address, float], None],
        channel_count: Callable[[Address], int],
    ) -> None:
        self._clock_s = clock_s
        self._expel = expel
        self._channel_count = channel_count
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

    def met(self, peer: Peer, *, is_loss: bool = False) -> None:
        """A session with the peer begins: what was recorded of it until now is past.

        After a loss, its or ours, both say again what the other knows already.
        """
        seen = self._interval(peer)
        if is_loss:
            is_first = seen.loss_count == 0
            retold_from = peer.repeat_count if is_first else seen.retold_from
            seen = replace(seen, loss_count=seen.loss_count + 1, retold_from=retold_from)
        self._remember(peer, seen)
        if is_loss and seen.loss_count > LOSS_COUNT_MAX:
            self._expel(peer.address, INTERVAL_S)

    def after_batch(self, peer: Peer) -> None:
        """A batch with messages of the peer is durable: expel it if it broke rules again."""
        seen = self._interval(peer)
        repeats = _repeats_itself(peer, seen)
        if repeats:
            # Asked late, because it costs to count, and who lost records learns of channels anew.
            seen = replace(seen, channel_count=self._channel_count(peer.address))
            repeats = _repeats_itself(peer, seen)
        self._remember(peer, seen)
        if (
            repeats
            or is_too_much(peer.fault_count, seen.last.fault_count)
            or peer.refusal_count - seen.first.refusal_count > REFUSAL_COUNT_MAX
        ):
            self._expel(peer.address, INTERVAL_S)

    def _interval(self, peer: Peer) -> _Seen:
        """What we know of the peer in this interval; a new one begins when it is over."""
        now_s = self._clock_s()
        # Whom we forgot did nothing yet, as far as we know.
        seen = self._seen.get(peer.address, _Seen(peer, now_s, peer))
        if now_s - seen.since_s >= INTERVAL_S:
            seen = _Seen(seen.last, now_s, seen.last, retold_from=seen.retold_from)
        return seen

    def _remember(self, peer: Peer, seen: _Seen) -> None:
        self._seen.pop(peer.address, None)
        self._seen[peer.address] = replace(seen, last=peer)
        if len(self._seen) > REMEMBERED_PEER_COUNT_MAX:
            del self._seen[next(iter(self._seen))]


def is_too_much(fault_count: int, known_count: int) -> bool:
    """Whether a peer that had `known_count` faults when we looked last is to be expelled."""
    return fault_count > max(known_count, RECORDED_FAULT_COUNT)


def _repeats_itself(peer: Peer, seen: _Seen) -> bool:
    """More often than anybody may, and more than a loss explains."""
    repeat_count = peer.repeat_count - seen.first.repeat_count
    if repeat_count <= REPEAT_COUNT_MAX * max(1, seen.channel_count):
        return False
    if seen.retold_from is None:
        return True
    excused_count = RETOLD_COUNT_PER_CHANNEL * seen.channel_count
    return peer.repeat_count - seen.retold_from > excused_count
