"""What a node has under way: active objectives, and proposals of peers that are not funded yet.

A view of the objectives, kept by `apply` and not digested, so that a tick costs what is under way
and a proposal costs what its sender has open, however many objectives there ever were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType
from protocols.types import Address, ObjectiveId

PROPOSAL_WINDOW_MS = 86_400_000
"""How long a proposal that came to nothing counts against its sender: a day."""

REJECTED_COUNT_MAX = 1_000
"""Rejected proposals of one peer that are remembered: enough to tell when it asks too often."""


class _Waiting:
    """Proposals of one kind that nothing came of yet, and when each was made, oldest first."""

    def __init__(self) -> None:
        self.by_peer: dict[Address, dict[ObjectiveId, int]] = {}
        self.of_strangers: dict[ObjectiveId, int] = {}

    def add(self, objective: Objective, *, is_stranger: bool) -> None:
        """One more proposal of its initiator."""
        known = self.by_peer.setdefault(objective.initiator, {})
        known[objective.objective_id] = objective.created_ms
        if is_stranger:
            self.of_strangers[objective.objective_id] = objective.created_ms

    def drop(self, peer: Address, identity: ObjectiveId) -> bool:
        """Something came of it; False if it was not waiting."""
        known = self.by_peer.get(peer, {})
        if known.pop(identity, None) is None:
            return False
        if not known:
            del self.by_peer[peer]
        self.of_strangers.pop(identity, None)
        return True

    def prove(self, peer: Address) -> None:
        """The peer is no stranger any more."""
        for identity in self.by_peer.get(peer, ()):
            self.of_strangers.pop(identity, None)


class Agenda:
    """Objectives by what may still come of them. `update` after each change of one."""

    def __init__(self) -> None:
        self.active: dict[ObjectiveId, None] = {}
        """Those that cranking may move, in the order of their approval."""
        self.proven: set[Address] = set()
        """Peers with whom a channel was funded once: a deposit is what a stranger lacks."""
        self._unfunded = _Waiting()
        """Direct channels and ledgers that nobody deposited into yet."""
        self._opening = _Waiting()
        """Virtual channels that are not open yet."""
        self._rejected: dict[Address, deque[int]] = {}

    def update(self, objective: Objective, me: Address) -> None:
        """The objective was created, decided on, or ended."""
        identity = objective.objective_id
        if objective.is_active:
            self.active[identity] = None
        else:
            self.active.pop(identity, None)
        is_direct = objective.objective_type == ObjectiveType.DIRECT_FUND
        if not is_direct and objective.objective_type != ObjectiveType.VIRTUAL_FUND:
            return
        if is_direct and objective.success:
            self._prove(peer for peer in objective.participants if peer != me)
        if objective.initiator and objective.initiator != me:
            self._count(self._unfunded if is_direct else self._opening, objective)

    def _count(self, waiting: _Waiting, objective: Objective) -> None:
        peer, identity = objective.initiator, objective.objective_id
        if objective.status in (ObjectiveStatus.UNAPPROVED, ObjectiveStatus.APPROVED):
            waiting.add(objective, is_stranger=peer not in self.proven)
            return
        if waiting.drop(peer, identity) and objective.status == ObjectiveStatus.REJECTED:
            times = self._rejected.setdefault(peer, deque(maxlen=REJECTED_COUNT_MAX))
            times.append(objective.created_ms)

    def _prove(self, peers: Iterable[Address]) -> None:
        for peer in peers:
            self.proven.add(peer)
            self._unfunded.prove(peer)
            self._opening.prove(peer)

    def unfunded_count(self, peer: Address, since_ms: int) -> int:
        """Unfunded channels that the peer proposed since then."""
        return _newer(self._unfunded.by_peer.get(peer, {}), since_ms)

    def strangers_count(self, since_ms: int) -> int:
        """Unfunded channels that all peers without a funded one proposed since then."""
        return _newer(self._unfunded.of_strangers, since_ms)

    def opening_count(self, peer: Address) -> int:
        """Virtual channels that the peer proposed and that neither opened nor ended."""
        return len(self._opening.by_peer.get(peer, ()))

    def strangers_opening_count(self) -> int:
        """The same of all peers without a funded channel with us."""
        return len(self._opening.of_strangers)

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
