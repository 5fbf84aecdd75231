"""What a node has under way: active objectives, and proposals of peers that are not funded yet.

A view of the objectives, kept by `apply` and not digested, so that a tick costs what is under way
and a proposal costs what its sender has open, however many objectives there ever were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from protocols.objectives.base import Objective, ObjectiveStatus, ObjectiveType
from protocols.rejections import Rejections
from protocols.table import KeySet, Table
from protocols.types import Address, ObjectiveId


class _Waiting:
    """Proposals of one kind that nothing came of yet, and when each was made, oldest first."""

    def __init__(self) -> None:
        self.by_peer: dict[Address, dict[ObjectiveId, int]] = {}
        self.by_pair: Counter[tuple[Address, Address]] = Counter()
        """By who proposed and who is to pay: a hub proposes to the next one for its payers."""
        self.of_strangers: dict[ObjectiveId, int] = {}

    def add(self, objective: Objective, *, is_stranger: bool) -> None:
        """One more proposal of its initiator."""
        known = self.by_peer.setdefault(objective.initiator, {})
        if objective.objective_id not in known:
            self.by_pair[_pair(objective)] += 1
        known[objective.objective_id] = objective.created_ms
        if is_stranger:
            self.of_strangers[objective.objective_id] = objective.created_ms

    def drop(self, objective: Objective) -> bool:
        """Something came of it; False if it was not waiting."""
        peer, identity = objective.initiator, objective.objective_id
        known = self.by_peer.get(peer, {})
        if known.pop(identity, None) is None:
            return False
        if not known:
            del self.by_peer[peer]
        pair = _pair(objective)
        self.by_pair[pair] -= 1
        if not self.by_pair[pair]:
            del self.by_pair[pair]
        self.of_strangers.pop(identity, None)
        return True

    def prove(self, peer: Address) -> None:
        """The peer is no stranger any more."""
        for identity in self.by_peer.get(peer, ()):
            self.of_strangers.pop(identity, None)


def _pair(objective: Objective) -> tuple[Address, Address]:
    """Who proposed it to us, and for whom: of a virtual channel the payer."""
    is_virtual = objective.objective_type == ObjectiveType.VIRTUAL_FUND
    return objective.initiator, objective.participants[0] if is_virtual else objective.initiator


class Agenda:
    """Objectives by what may still come of them. `update` after each change of one."""

    def __init__(self) -> None:
        self.active: Table[ObjectiveId, bool] = Table()
        """Those that cranking may move, in the order of their approval."""
        self.proven: KeySet[Address] = KeySet()
        """Peers with whom a channel was funded once: a deposit is what a stranger lacks."""
        self._unfunded = _Waiting()
        """Direct channels and ledgers that nobody deposited into yet."""
        self._opening = _Waiting()
        """Virtual channels that are not open yet."""
        self.rejections = Rejections()

    def update(self, objective: Objective, me: Address) -> None:
        """The objective was created, decided on, or ended."""
        identity = objective.objective_id
        if objective.is_active:
            self.active[identity] = True
        else:
            self.active.pop(identity, None)
        self._follow(objective, me)

    def rebuild(self, begun: Iterable[Objective], me: Address) -> None:
        """What follows from the restored tables: `begun` are all that neither succeeded nor ended,
        oldest first."""
        self.rejections.rebuild()
        for objective in begun:
            self._follow(objective, me)

    def _follow(self, objective: Objective, me: Address) -> None:
        is_direct = objective.objective_type == ObjectiveType.DIRECT_FUND
        if not is_direct and objective.objective_type != ObjectiveType.VIRTUAL_FUND:
            return
        if is_direct and objective.success:
            self._prove(peer for peer in objective.participants if peer != me)
        if objective.initiator and objective.initiator != me:
            self._count(self._unfunded if is_direct else self._opening, objective)

    def _count(self, waiting: _Waiting, objective: Objective) -> None:
        if objective.status in (ObjectiveStatus.UNAPPROVED, ObjectiveStatus.APPROVED):
            waiting.add(objective, is_stranger=objective.initiator not in self.proven)
            return
        if waiting.drop(objective) and objective.status == ObjectiveStatus.REJECTED:
            self.rejections.add(*_pair(objective), objective.created_ms)

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

    def opening_count_for(self, peer: Address, payer: Address) -> int:
        """The same, of one payer alone."""
        return self._opening.by_pair[(peer, payer)]

    def strangers_opening_count(self) -> int:
        """The same of all peers without a funded channel with us."""
        return len(self._opening.of_strangers)


def _newer(times_ms: dict[ObjectiveId, int], since_ms: int) -> int:
    """How many of the times, which never fall, are not before `since_ms`."""
    count = 0
    for time_ms in reversed(times_ms.values()):
        if time_ms < since_ms:
            break
        count += 1
    return count
