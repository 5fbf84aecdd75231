"""Long reckonings that stop now and then, so that whoever drives them can let others go first."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")


def finished(steps: Generator[None, None, Result]) -> Result:
    """What they come to, for whoever lets nobody go first."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result
