"""One object for equal values: what a node holds by the thousand names few parties.

Each decoded event or message brings its own copy of every address and id in it. A reducer that
keeps one goes through `shared`, so that a thousand channels over one path hold one path.
"""

from __future__ import annotations

from typing import TypeVar

_Value = TypeVar("_Value", bytes, tuple[bytes, ...])

SHARED_COUNT_MAX = 8_192
"""Values remembered, then all are forgotten and the next ones remembered: a copy more, no more."""

_remembered: dict[object, object] = {}


def shared(value: _Value) -> _Value:
    """The same value; the object that was given first, as far as it is remembered."""
    if len(_remembered) >= SHARED_COUNT_MAX:
        _remembered.clear()
    return _remembered.setdefault(value, value)  # type: ignore[return-value]  # an equal one
