"""A copy of the node's state that the node goes on without: entities are frozen and shared, every
container that holds them is the copy's own.

Nothing is known here of what the maps and views are made of: a view is copied container by
container, so that one that is added later is copied as well. A container of a kind of its own, with
notes beside what it holds, holds what is frozen; its copy has notes of its own.
"""

from __future__ import annotations

import copy
from collections import Counter, deque
from typing import Any

from msgspec import Struct

from protocols.entities import NodeState
from protocols.working_state import Overlay

TABLES = ("nodes", "channels", "objectives", "peers", "transactions", "approvers", "ledgers")
"""The maps of a state that reducers write by key; all else are views."""

_FROZEN = (bytes, str, int, bool, float, type(None), tuple, frozenset, Struct, type)
_PLAIN = (dict, Counter, list, deque, set)


def still(state: NodeState) -> NodeState:
    """The state as it is now. Costs a reference an entity, and is never written."""
    found = object.__new__(NodeState)
    for name, value in vars(state).items():
        # A table's values are frozen: none of them is looked at.
        setattr(found, name, _container(value) if name in TABLES else copied(value))
    return found


def working_copy(state: NodeState) -> NodeState:
    """A state to fold into, over one that stays as it is: writes stay in the copy."""
    found = object.__new__(NodeState)
    for name, value in vars(state).items():
        setattr(found, name, Overlay(value) if name in TABLES else copied(value))
    return found


def copied(value: Any) -> Any:
    """The value with every container in it new; what is frozen is shared."""
    if isinstance(value, _FROZEN) or callable(value):
        return value
    kind = type(value)
    if kind in _PLAIN:
        return _with_inner(value, copy.copy(value))
    if isinstance(value, dict | set):
        return _container(value)
    made = object.__new__(kind)
    for name in _names(value):
        setattr(made, name, copied(getattr(value, name)))
    return made


def _container(value: Any) -> Any:
    """A new container with the same members, as they are kept, and with notes of its own.

    `copy.copy` would set them one by one, and the copy's notes would be the original's.
    """
    kind: Any = type(value)
    if kind in _PLAIN:
        return copy.copy(value)
    made = kind.__new__(kind)
    if isinstance(value, dict):
        dict.update(made, value)
    else:
        set.update(made, value)
    for name in _names(value):
        setattr(made, name, copied(getattr(value, name)))
    return made


def _with_inner(value: Any, made: Any) -> Any:
    """The new container with what it holds copied as well, where that can change."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(inner, _FROZEN):
                made[key] = copied(inner)
    elif isinstance(value, list | deque):
        for place, inner in enumerate(value):
            if not isinstance(inner, _FROZEN):
                made[place] = copied(inner)
    return made


def _names(value: Any) -> list[str]:
    """An object's attributes, wherever it keeps them."""
    names = list(getattr(value, "__dict__", ()))
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names.extend([slots] if isinstance(slots, str) else slots)
    return [name for name in names if hasattr(value, name)]
