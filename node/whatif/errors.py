"""How a simulation ends early. What the node refuses within one is part of its answer."""

from __future__ import annotations


class TooLarge(Exception):
    """The assumptions lead to more than one answer holds, or takes too long."""

    def __init__(self, what: str, limit: str) -> None:
        super().__init__(f"{what}, the most is {limit}")
        self.what = what
        self.limit = limit


class NotPossible(Exception):
    """The assumptions lead where no honest peer and no chain can: the node's own rules break."""
