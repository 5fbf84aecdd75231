"""What each message costs: fuel, which is the same everywhere, and time, which is not."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from node.reducers.message_file import Message, MessageFile
from node.views.limits import Budget
from node.views.module import ReducerModule
from node.views.view import Verdict, View

NS_PER_US = 1_000


@dataclass(frozen=True)
class MessageProfile:
    """One message, over all runs."""

    message: Message
    verdict: Verdict
    times_us: tuple[float, ...]
    """From message to commit, in a file; one a run."""


@dataclass(frozen=True)
class Profile:
    """All messages of a file."""

    messages: tuple[MessageProfile, ...]
    budget: Budget


def profile(module: ReducerModule, file: MessageFile, run_count: int) -> Profile:
    """Apply all messages to a fresh view, so many times."""
    messages = file.messages
    times_us: list[list[float]] = [[] for _ in messages]
    verdicts: list[Verdict] = []
    for _ in range(run_count):
        with (
            tempfile.TemporaryDirectory(prefix="tally-profile-") as name,
            View(Path(name) / "view.db", module) as view,
        ):
            verdicts = []
            for seq, message in enumerate(messages):
                began_ns = time.perf_counter_ns()
                verdicts.append(view.apply(seq, message.data, check=file.check))
                times_us[seq].append((time.perf_counter_ns() - began_ns) / NS_PER_US)
    found = zip(messages, verdicts, times_us, strict=True)
    return Profile(
        tuple(MessageProfile(*parts[:2], tuple(parts[2])) for parts in found), module.budget
    )


def spread(numbers: list[float] | tuple[float, ...]) -> dict[str, float]:
    """Least, median and most, to a tenth."""
    least, median, most = min(numbers), statistics.median(numbers), max(numbers)
    return {"min": round(least, 1), "median": round(median, 1), "max": round(most, 1)}
