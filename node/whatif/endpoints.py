"""The endpoints that a node asks of the chain, and what becomes of a lie of the one in use.

The same rule as the chain room's: blocks count at a depth, once the endpoint in use tells of them
what it told when they were new, and as many as the quorum tell the same, it included. All others
are assumed to be honest and to answer.
"""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct

from node.whatif.limits import BLOCK_TIME_S


class Verdict(StrEnum):
    """What the node makes of a lie once the block that it is about lies deep enough."""

    BELIEVED = "believed"
    """Nobody else is asked: it counts."""
    OUTVOTED = "outvoted"
    """Enough others tell the truth: all that does not count yet is taken back and read of another.
    """
    FOUND_OUT = "found-out"
    """The endpoint tells the truth by then: what does not count yet is read of it again."""
    UNDECIDED = "undecided"
    """Too few tell the same, whatever it is: nothing new counts."""


ALARMS = {Verdict.OUTVOTED: "endpoint-outvoted", Verdict.UNDECIDED: "quorum-missing"}
"""The alarm that names the endpoint; a lie that is believed, or told no more, raises none."""


class Endpoints(Struct, frozen=True, gc=False):
    """As they are configured. Nothing here is a URL: paths and user names may be secrets."""

    used: str = ""
    """The label of the one in use, which is the one that lies."""
    count: int = 1
    quorum: int = 1
    """How many must tell the same."""
    depth: int = 0
    """Blocks upon a block before it counts."""

    def verdict(self, ends_after_s: float = math.inf) -> Verdict:
        """What becomes of a lie of the one in use alone, which it tells for so many seconds."""
        if ends_after_s < self.counting_s:
            return Verdict.FOUND_OUT
        if self.quorum == 1:
            return Verdict.BELIEVED
        return Verdict.OUTVOTED if self.count - 1 >= self.quorum else Verdict.UNDECIDED

    @property
    def counting_s(self) -> int:
        """Seconds from when a block is seen until it counts."""
        return self.depth * BLOCK_TIME_S


class Lie(Struct, frozen=True, gc=False):
    """What became of a lie."""

    endpoint: str
    verdict: Verdict
    counting_s: int
    said: str
    """What that means, as one sentence."""


def judged(endpoints: Endpoints, verdict: Verdict, *, hides: bool) -> Lie:
    """What becomes of a log that the endpoint in use makes up, or `hides`."""
    who = endpoints.used or "the endpoint in use"
    others = f"{endpoints.count - 1} other{'' if endpoints.count == 2 else 's'}"
    match verdict:
        case Verdict.BELIEVED if hides:
            said = (
                "nobody else is asked, since chain.quorum is 1, and it is hidden still when its "
                "block counts: the challenge is missed, and also later, since what counts is not "
                "read again"
            )
        case Verdict.FOUND_OUT:
            said = (
                f"{who} is asked again before its block counts, and tells the truth by then: what "
                "does not count yet is taken back and read again"
            )
        case Verdict.BELIEVED:
            said = "nobody else is asked, since chain.quorum is 1: it counts, and stays"
        case Verdict.OUTVOTED:
            said = (
                f"{others} tell otherwise when its block counts: {who} is outvoted and given up, "
                "what does not count yet is taken back and read of another"
            )
        case Verdict.UNDECIDED:
            tell = "tells" if endpoints.count == 2 else "tell"
            said = (
                f"{others} {tell} otherwise, which is fewer than the chain.quorum of "
                f"{endpoints.quorum}: nothing new counts until they tell the same"
            )
    return Lie(who, verdict, endpoints.counting_s, said)
