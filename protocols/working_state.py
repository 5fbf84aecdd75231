"""The state as one crank sees it: overlays over the maps of the state below, and views that begin
empty.

What is folded here is folded into the state below once more, by the engine, so a view is kept here
only as far as the rest of the crank reads it; of the others nothing is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from protocols.agenda import Agenda
from protocols.carried import Carried
from protocols.channel import Channel
from protocols.entities import NODE_KEY, EntityMap, Node, NodeState
from protocols.objectives.base import Objective
from protocols.rejected import RejectedChannels
from protocols.rejections import NOTHING, Rejections
from protocols.table import KeySet, Table
from protocols.transactions import Transaction
from protocols.types import Address, ChannelId, ObjectiveId
from protocols.unconfirmed import Unconfirmed

Key = TypeVar("Key")
Value = TypeVar("Value")


_GONE: Any = object()
"""Stands for a value that was deleted in an overlay."""


class Overlay(Generic[Key, Value]):
    """A map over another: reads fall through, writes stay here."""

    __slots__ = ("_base", "_changed")

    def __init__(self, base: EntityMap[Key, Value]) -> None:
        self._base = base
        self._changed: dict[Key, Value] = {}

    def get(self, key: Key, /) -> Value | None:
        """The value as this crank sees it; None if there is none."""
        found = self._changed.get(key)
        if found is None:
            return self._base.get(key)
        return None if found is _GONE else found

    def __getitem__(self, key: Key, /) -> Value:
        found = self._changed.get(key)
        if found is None:
            return self._base[key]
        if found is _GONE:
            raise KeyError(key)
        return found

    def __setitem__(self, key: Key, value: Value, /) -> None:
        self._changed[key] = value

    def __delitem__(self, key: Key, /) -> None:
        self._changed[key] = _GONE

    def __iter__(self) -> Iterator[Key]:
        gone = {key for key, value in self._changed.items() if value is _GONE}
        for key in self._base:
            if key not in gone:
                yield key
        for key in self._changed:
            if key not in gone and self._base.get(key) is None:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _NoRejections(Rejections):
    """What was rejected is counted by the state below."""

    def refuse(self, neighbour: Address, identity: ObjectiveId, time_ms: int) -> None:
        pass

    def hear(self, neighbour: Address, identity: ObjectiveId) -> None:
        pass

    def add(
        self, neighbour: Address, payer: Address, time_ms: int, identity: ObjectiveId = NOTHING
    ) -> None:
        pass


class _BegunAgenda(Agenda):
    """What this crank began: a tick looks at it. Whose proposals wait is read below."""

    def __init__(self) -> None:
        self.active = Table()
        self.proven = KeySet()
        self.rejections = _NO_REJECTIONS

    def update(self, objective: Objective, me: Address) -> None:
        if objective.is_active:
            self.active[objective.objective_id] = True
        else:
            self.active.pop(objective.objective_id, None)


class _NotCarried(Carried):
    """What channels weigh is read below: one input accepts one channel at most."""

    def take(self, channel: Channel) -> None:
        pass

    def release(self, channel_id: ChannelId) -> None:
        pass

    def opened(self, channel: Channel) -> None:
        pass


class _NotRejected(RejectedChannels):
    """What may be pruned is read below."""

    def add(self, objective: Objective, channel: Channel, me: Address) -> None:
        pass

    def keep(self, identity: ObjectiveId) -> None:
        pass

    def keep_all(self) -> None:
        pass

    def prune(self, identity: ObjectiveId) -> None:
        pass


class _AsBefore(Unconfirmed):
    """What the chain may take back, as before this crank: a fork is an input of its own."""

    def __init__(self, base: Unconfirmed) -> None:
        self.channels = base.channels
        self.mined = base.mined
        self.disputed = base.disputed
        self.troubled = base.troubled

    def look_at(self, channel: Channel) -> None:
        pass

    def weigh(self, transaction: Transaction) -> None:
        pass

    def mine(self, transaction: Transaction, processed_block_num: int) -> None:
        pass

    def process(self, block_num: int) -> None:
        pass


_NO_REJECTIONS, _NOT_CARRIED, _NOT_REJECTED = _NoRejections(), _NotCarried(), _NotRejected()


class _Made:
    """A map or view that is made when it is first looked at, and stands in its place from then on.

    No `__getattr__`: it would be asked after an AttributeError, which costs more than an overlay.
    """

    __slots__ = ("_make", "_name")

    def __init__(self, name: str, make: Callable[[NodeState], object]) -> None:
        self._name = name
        self._make = make

    def __get__(self, state: WorkingState, owner: type[WorkingState]) -> object:
        made = self._make(state.base)
        state.__dict__[self._name] = made
        return made


class WorkingState(NodeState):
    """The state as one crank sees it.

    Each map and view is made when it is first looked at: most cranks touch two, and making all of
    them cost half of a payment's crank.
    """

    def __init__(self, base: NodeState) -> None:
        self.base = base

    @property
    def node(self) -> Node:
        """As this crank sees it; it changes in few."""
        own = self.__dict__.get("nodes")
        node: Node = (self.base.nodes if own is None else own)[NODE_KEY]
        return node


_MAKERS: dict[str, Callable[[NodeState], object]] = {
    "nodes": lambda base: Overlay(base.nodes),
    "channels": lambda base: Overlay(base.channels),
    "objectives": lambda base: Overlay(base.objectives),
    "peers": lambda base: Overlay(base.peers),
    "transactions": lambda base: Overlay(base.transactions),
    "approvers": lambda base: Overlay(base.approvers),
    "ledgers": lambda base: Overlay(base.ledgers),
    "unreceipted": lambda base: set(),
    "refused": lambda base: set(),
    "unanswered": lambda base: set(),
    "unjudged": lambda base: set(),
    "unapproved": lambda base: {},
    "agenda": lambda base: _BegunAgenda(),
    "carried": lambda base: _NOT_CARRIED,
    "rejected": lambda base: _NOT_REJECTED,
    "unconfirmed": lambda base: _AsBefore(base.unconfirmed),
}
for _name, _make in _MAKERS.items():
    setattr(WorkingState, _name, _Made(_name, _make))
