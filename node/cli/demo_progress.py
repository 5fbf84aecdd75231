"""How far the demo is: bars on a person's screen, or silence for a program."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from node.cli.output import console

if TYPE_CHECKING:
    from node.cli.demo_nodes import Progress


def demo_progress(quiet: bool) -> AbstractContextManager[Progress]:
    """Something to tell the progress to: bars on a person's screen, or nobody."""
    return _Quiet() if quiet else _Bars()


class _Quiet:
    """Tells nobody."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def step(self, text: str) -> None:
        pass

    def count(self, done: int, total: int) -> None:
        pass


class _Bars:
    """One line per step: a spinner while it runs, a bar where it counts, the time it took."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(finished_text="[green]*[/green]"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[shown]}"),
            TextColumn("{task.fields[took]}"),
            console=console(),
        )
        self._task: Any = None
        self._started_s = 0.0

    def __enter__(self) -> Progress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        self._progress.stop()

    def step(self, text: str) -> None:
        self._finish()
        self._task = self._progress.add_task(text, total=None, shown="", took="")
        self._started_s = time.monotonic()

    def count(self, done: int, total: int) -> None:
        self._progress.update(
            self._task, completed=done, total=total, shown=f"{done:,} of {total:,}"
        )

    def _finish(self) -> None:
        if self._task is not None:
            took = f"{time.monotonic() - self._started_s:.2f} s"
            self._progress.update(self._task, total=1, completed=1, took=took)
