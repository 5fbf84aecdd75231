"""Acks of one session: ours that are to leave, and the peer's that are to be recorded.

Both wait for company. Ours rides on the next message and goes alone only if none comes soon. The
peer's newest is recorded with one of its messages now and then, or when it is quiet: nothing waits
for it but the outbox, and a write of its own would be in the way of what comes next. Pure
arithmetic over a time that the caller gives (seconds, of one clock).
"""

import math

from node.p2p.limits import PeerLimits


class OwnAck:
    """What we tell the peer that we hold on disk."""

    __slots__ = ("_delay_s", "_told", "due_s", "is_overdue", "sequence")

    def __init__(self, told_sequence: int, limits: PeerLimits) -> None:
        """`told_sequence` is what our hello said."""
        self.sequence = self._told = told_sequence
        self.due_s = math.inf
        """When it goes alone; infinite while it is no news."""
        self.is_overdue = False
        """Whether it goes alone now."""
        self._delay_s = limits.ack_delay_s

    @property
    def is_news(self) -> bool:
        """Whether the peer was not told yet."""
        return self.sequence > self._told

    def rise(self, sequence: int, now_s: float) -> None:
        """We hold everything up to `sequence`."""
        self.sequence = sequence
        if self.is_news and self.due_s == math.inf:
            self.due_s = now_s + self._delay_s

    def expire(self) -> None:
        """No message took it along in time."""
        self.due_s = math.inf
        self.is_overdue = True

    def leave(self) -> None:
        """It is in what is written now."""
        self._told = self.sequence
        self.due_s = math.inf
        self.is_overdue = False


class PeerAcks:
    """What the peer tells us that it holds."""

    __slots__ = ("_limits", "_message_s", "_recorded_s", "due_s", "sequence")

    def __init__(self, sequence: int, limits: PeerLimits) -> None:
        """`sequence` is what its hello said."""
        self.sequence = sequence
        """The newest."""
        self.due_s = math.inf
        """When to see whether the peer `is_quiet`; infinite while the newest is recorded."""
        self._limits = limits
        self._message_s = self._recorded_s = -math.inf

    @property
    def is_news(self) -> bool:
        """Whether the newest is still to be recorded."""
        return self.due_s < math.inf

    def rise(self, sequence: int, now_s: float) -> None:
        """The peer says so; what it said before is no news."""
        if sequence > self.sequence:
            self.sequence = sequence
            self.due_s = min(self.due_s, now_s + self._limits.ack_quiet_s)

    def came_with_message(self, now_s: float) -> bool:
        """A message came: whether the newest is to be recorded with it."""
        self._message_s = now_s
        return self.is_news and now_s >= self._recorded_s + self._limits.ack_delay_s

    def is_quiet(self, now_s: float) -> bool:
        """Whether the newest is to be recorded alone; if not, `due_s` says when to ask again."""
        quiet_s = self._message_s + self._limits.ack_quiet_s
        if now_s < quiet_s:
            self.due_s = quiet_s
        return now_s >= quiet_s

    def hand_over(self, now_s: float, *, taken: bool) -> None:
        """It was offered, and `taken` unless there was no room: then it is offered again later."""
        if taken:
            self.due_s, self._recorded_s = math.inf, now_s
        else:
            self.due_s = now_s + self._limits.ack_quiet_s
