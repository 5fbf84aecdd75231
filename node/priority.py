"""Going after others: a process of ours that may take long leaves the cores to who serves peers.

A nice value alone does little on many machines: where Linux groups processes by session
(`autogroup`) it counts within a session only, and a daemon has one of its own. So who goes after
others does so as a session. And it gives its core away at short intervals, for whoever runs may
finish a slice of milliseconds first, however nice it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from node.processes import end_with_parent

NAP_INTERVAL_S = 0.001
"""Between two naps: what somebody who has to run waits for a question at most. A payment takes 1.5
ms where nobody asks."""
NAP_S = 1e-6
"""A nap; the kernel makes some 60 us of it. A shorter call would not let go of the core."""
BRIEF_S = 0.1
"""What is done sooner is in nobody's way, and should not take seconds on a busy machine."""

_AUTOGROUP = Path("/proc/self/autogroup")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def give_way(niceness: int) -> None:
    """This process goes after others from now on, and so does its session if it leads one.

    What the machine does not let us do is left out.
    """
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with contextlib.suppress(OSError):
        # One that wakes up never pushes aside who runs.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(niceness))


class GivingWay:
    """One that may compute for long: it naps, so that whoever waits for its core gets it, and after
    a moment its process goes after others, if it may."""

    def __init__(self, niceness: int | None = None) -> None:
        """`niceness` is what a process that does nothing else goes to; None: it does more."""
        self._niceness = niceness
        self._began_s = self._last_s = time.monotonic()

    def at(self, now_s: float) -> None:
        """Nap if it is time; to be called often."""
        if now_s - self._last_s < NAP_INTERVAL_S:
            return
        if self._niceness is not None and now_s - self._began_s >= BRIEF_S:
            give_way(self._niceness)
            self._niceness = None
        time.sleep(NAP_S)
        self._last_s = time.monotonic()


_is_apart = False


def is_apart() -> bool:
    """Whether this process does one thing alone, and may go after others as a whole."""
    return _is_apart


def go_on_apart() -> None:
    """Go on as a child with a session of its own, unless this leads one.

    This process waits for it, hands it what signals it gets, and ends as it does. To be called
    before anything else runs in this process. A child of a terminal's session gets no signal from
    its keys, and does not outlive us.
    """
    global _is_apart
    _is_apart = True
    if os.getsid(0) == os.getpid():
        return
    parent = os.getpid()
    # A signal that comes before it can be handed on is kept until it can.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGTSTP))
    child = os.fork()
    if child:
        _end_as(child, mask)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.setsid()
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def _end_as(child: int, mask: set[signal.Signals | int]) -> NoReturn:
    def forward(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    def pause(number: int, _: FrameType | None) -> None:
        os.kill(child, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(child, signal.SIGCONT)

    for number in _FORWARDED:
        signal.signal(number, forward)
    signal.signal(signal.SIGTSTP, pause)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    # Not reaped before this returns: the signals above never reach another process.
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with contextlib.suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
