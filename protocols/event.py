"""The base of all events, so that each room can keep its events beside its rules."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all events. `NAME` is the kebab name in the record; `VERSION` that of the fields."""

    NAME: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
