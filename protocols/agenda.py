"""What a node has under way: active objectives, and proposals of peers that are not funded yet.

A view of the objectives, kept by `apply` and not digested, so that a tick costs what is under way
and a proposal costs what its sender has open, however many objectives there ever were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType
from protocols.types import Address, ObjectiveId

REJECTED_COUNT_MAX = 1_000
"""Rejected proposals of one peer that are remembered: enough to tell when it asks too often."""


class Agenda:
    """Objectives by what may still come of them. `update` after each change of one."""

    def __init__(self) -> None:
        self.active: dict[ObjectiveId, None] = {}
        """Those that cranking may move, in the order of their approval."""
        self.proven: set[Address] = set()
        """Peers with whom a channel was funded once: a deposit is what a stranger lacks."""
        self._unfunded: dict[Address, dict[ObjectiveId, int]] = {}
        """By proposer, when each of its unfunded channels was proposed, oldest first."""
        self._of_strangers: dict[ObjectiveId, int] = {}
        self._rejected: dict[Address, deque[int]] = {}

    def update(self, objective: Objective, me: Address) -> None:
        """The objective was created, decided on, or ended."""
        identity = objective.objective_id
        if objective.is_active:
            self.active[identity] = None
        else:
            self.active.pop(identity, None)
        if objective.objective_type != ObjectiveType.DIRECT_FUND:
            return
        if objective.success:
            self._prove(peer for peer in objective.participants if peer != me)
        if objective.initiator and objective.initiator != me:
            self._count(objective)

    def _count(self, objective: Objective) -> None:
        peer, identity = objective.initiator, objective.objective_id
        if objective.status in (ObjectiveStatus.UNAPPROVED, ObjectiveStatus.APPROVED):
            self._unfunded.setdefault(peer, {})[identity] = objective.created_ms
            if peer not in self.proven:
                self._of_strangers[identity] = objective.created_ms
            return
        known = self._unfunded.get(peer, {})
        if known.pop(identity, None) is None:
            return
        if not known:
            del self._unfunded[peer]
        self._of_strangers.pop(identity, None)
        if objective.status == ObjectiveStatus.REJECTED:
            times = self._rejected.setdefault(peer, deque(maxlen=REJECTED_COUNT_MAX))
            times.append(objective.created_ms)

    def _prove(self, peers: Iterable[Address]) -> None:
        for peer in peers:
            self.proven.add(peer)
            for identity in self._unfunded.get(peer, ()):
                self._of_strangers.pop(identity, None)

    def unfunded_count(self, peer: Address, since_ms: int) -> int:
        """Unfunded channels that the peer proposed since then."""
        return _newer(self._unfunded.get(peer, {}), since_ms)

    def strangers_count(self, since_ms: int) -> int:
        """Unfunded channels that all peers without a funded one proposed since then."""
        return _newer(self._of_strangers, since_ms)

    def rejected_too_often(self, peer: Address, since_ms: int) -> bool:
        """True if `REJECTED_COUNT_MAX` proposals of the peer since then were rejected."""
        times = self._rejected.get(peer)
        return times is not None and len(times) == REJECTED_COUNT_MAX and times[0] >= since_ms


def _newer(times_ms: dict[ObjectiveId, int], since_ms: int) -> int:
    """How many of the times, which never fall, are not before `since_ms`."""
    count = 0
    for time_ms in reversed(times_ms.values()):
        if time_ms < since_ms:
            break
        count += 1
    return count
