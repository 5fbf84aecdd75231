"""Named points where a test makes the process kill itself, as a power cut would: SIGKILL, no
goodbye.

Armed only when the configuration says `[test] fault_points = true` and TALLY_FAULT=NAME:K is set;
then the K-th time the point is passed is the last thing the process does.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

FAULT_VARIABLE = "TALLY_FAULT"
"""Environment variable: NAME:K."""

FAULT_POINTS = ("before-write", "after-sync", "before-send", "after-send")
"""Before the batch is written; after it is durable; before and after messages go to the sockets."""


class Faults:
    """Counts how often each point is passed; unarmed, it does nothing."""

    def __init__(self, name: str = "", hit_count: int = 0) -> None:
        self._name = name
        self._left = hit_count

    def hit(self, name: str) -> None:
        """The process passes the point `name`."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def faults_from(environment: Mapping[str, str], *, allowed: bool) -> Faults:
    """Read TALLY_FAULT; ValueError for an unknown point or a count below 1, or if it is not
    allowed."""
    text = environment.get(FAULT_VARIABLE, "")
    if not text:
        return Faults()
    if not allowed:
        raise ValueError(f"{FAULT_VARIABLE} is set, but [test] fault_points is not true")
    name, _, count = text.partition(":")
    if name not in FAULT_POINTS or not count.isdigit() or int(count) < 1:
        raise ValueError(f"{FAULT_VARIABLE}={text}: expected NAME:K with NAME in {FAULT_POINTS}")
    return Faults(name, int(count))
