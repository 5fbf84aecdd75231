"""A copy of the node's state that the node goes on without: entities are frozen and shared, every
container that holds them is the copy's own.

Nothing is known here of what the maps and views are made of: a view is copied container by
container, so that one that is added later is copied as well.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from msgspec import Struct

from protocols.entities import NodeState
from protocols.working_state import Overlay

TABLES = ("nodes", "channels", "objectives", "peers", "transactions", "approvers", "ledgers")
"""The maps of a state that reducers write by key; all else are views."""

_FROZEN = (bytes, str, int, bool, float, type(None), tuple, frozenset, Struct, type)


def still(state: NodeState) -> NodeState:
    """The state as it is now. Costs a reference an entity, and is never written."""
    found = object.__new__(NodeState)
    for name, value in vars(state).items():
        setattr(found, name, copy.copy(value) if name in TABLES else copied(value))
    return found


def working_copy(state: NodeState) -> NodeState:
    """A state to fold into, over one that stays as it is: writes stay in the copy."""
    found = object.__new__(NodeState)
    for name, value in vars(state).items():
        setattr(found, name, Overlay(value) if name in TABLES else copied(value))
    return found


def copied(value: Any) -> Any:
    """The value with every container in it new; what is frozen is shared."""
    if isinstance(value, _FROZEN):
        return value
    made: Any = copy.copy(value)
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(inner, _FROZEN):
                made[key] = copied(inner)
        return made
    if isinstance(value, list | deque):
        for place, inner in enumerate(value):
            if not isinstance(inner, _FROZEN):
                made[place] = copied(inner)
        return made
    if isinstance(value, set):
        return made
    for name, inner in vars(value).items():
        setattr(made, name, copied(inner))
    return made
