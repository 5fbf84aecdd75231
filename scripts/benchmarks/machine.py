"""How to measure on this machine: medians of blocks, and how busy others kept the cores.

A figure is only as good as the limit measured in the same minute, so nothing here knows an
absolute number.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BLOCK_COUNT = 7
"""Timed blocks a figure is the median of."""
PRESSURE_FILE = Path("/proc/pressure/cpu")
PRESSURE_PERCENT_MAX = 5.0
"""Above it somebody else wanted our cores: figures of such a run are not to be quoted."""


@dataclass(frozen=True)
class Pressure:
    """How long tasks of this machine waited for a core while something ran."""

    waited_percent: float | None
    """Share of the time in which some task waited; None where the kernel does not count it."""

    @property
    def is_quiet(self) -> bool:
        """Whether figures of this time may be quoted."""
        return self.waited_percent is None or self.waited_percent <= PRESSURE_PERCENT_MAX


def waited_us() -> int | None:
    """Microseconds since boot in which some task waited for a core; None if it is not counted."""
    try:
        some = PRESSURE_FILE.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    return int(some.rpartition("total=")[2])


class PressureMeter:
    """Counts the waiting while it runs, over any number of stretches.

    Run it over the limits only: what is measured there needs one core at a time, so whoever waits
    then waits because of somebody else.
    """

    def __init__(self) -> None:
        self._waited_us: int | None = 0
        self._elapsed_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count inside."""
        before_us, started_s = waited_us(), time.monotonic()
        yield
        after_us = waited_us()
        self._elapsed_s += time.monotonic() - started_s
        if self._waited_us is None or before_us is None or after_us is None:
            self._waited_us = None
        else:
            self._waited_us += after_us - before_us

    def read(self) -> Pressure:
        """The share of the time it ran."""
        if self._waited_us is None or self._elapsed_s == 0.0:
            return Pressure(None)
        return Pressure(round(self._waited_us / self._elapsed_s / 1e4, 1))


def median_us(work: Callable[[], object], repeats: int, blocks: int = BLOCK_COUNT) -> float:
    """Microseconds for one call of `work`: the median of `blocks` blocks of `repeats` calls."""
    found = []
    with without_gc():
        for _ in range(blocks):
            started = time.perf_counter()
            for _ in range(repeats):
                work()
            found.append((time.perf_counter() - started) / repeats * 1e6)
    return statistics.median(found)


def median_seconds(work: Callable[[], object], blocks: int) -> float:
    """Seconds for one call of `work`: the median of `blocks` calls."""
    return median_us(work, 1, blocks) / 1e6


@contextmanager
def without_gc() -> Iterator[None]:
    """No garbage collection inside; one before."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process on one core, counted from 0 among those it may use; all of them again after."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[core % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def resident_size_bytes(process_id: int) -> int:
    """Memory of another process that is in use, from /proc."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def process_cpu_s(process_id: int) -> float:
    """Processor time a process used until now, in user mode and in the kernel."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
