"""Long reckonings beside everything else: each stops now and then, and others go first."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import trio

Result = TypeVar("Result")


async def in_slices(going: Generator[None, None, Result]) -> Result:
    """What the generator comes to; others go first whenever it stops."""
    while True:
        await trio.lowlevel.checkpoint()
        try:
            next(going)
        except StopIteration as done:
            result: Result = done.value
            return result
