"""The process that keeps the node's views: it follows the log, and knows neither keys nor peers.

    in    a line for each length of the log that is durable: "1234"
    out   a line of JSON for how far it is, and what it did: `Report`

It ends when nobody speaks to it any more. Whatever fails ends it too, with a traceback or a last
report: it is started again from the view as it is, which is made anew if it is damaged.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from node.log_views.keeper import NodeView, Progress, RecordRefused, remove_view, view_file
from node.log_views.limits import CYCLE_INTERVAL_S, NICENESS, REPORT_INTERVAL_S
from node.log_views.lock import ViewsInUse, views_lock
from node.log_views.report import Report
from node.priority import give_way
from node.sinks.status import SinkStatus
from node.store.errors import StoreError
from node.store.following import FollowedLog
from node.views.errors import ViewBroken

if TYPE_CHECKING:
    from node.sinks.worker import SinkThread

EXIT_FAILED = 1
_READ_SIZE_BYTES = 65_536
_DAMAGE_SIGNS = ("CorruptError", "NotADBError")


_encode = msgspec.json.Encoder().encode


class Speaker:
    """What the other side says: how many records are durable."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.count = 0
        """The last one heard."""
        self.is_gone = False

    def listen(self, timeout_s: float) -> None:
        """Hear what there is to be heard, for so long at most."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return
        data = os.read(self._descriptor, _READ_SIZE_BYTES)
        if not data:
            self.is_gone = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self.count = int(lines[-1])


class Keeping:
    """Views that follow a log, cycle by cycle."""

    def __init__(
        self,
        data_dir: Path,
        kept: NodeView,
        speaker: Speaker,
        report: Callable[[Report], None],
        sink: SinkThread | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._kept = kept
        self._speaker = speaker
        self._report = report
        self._log: FollowedLog | None = None
        self._reported_s = 0.0
        self._sink = sink
        self._sink_told: SinkStatus | None = None

    def run(self) -> None:
        """Until nobody speaks any more. Raises `StoreError`, `ViewBroken` or `RecordRefused`."""
        try:
            self._tell()
            while not self._speaker.is_gone:
                began = time.monotonic()
                if self._is_wanted():
                    self._cycle()
                    self._tell()
                if not self._is_wanted():
                    self._speaker.listen(REPORT_INTERVAL_S)
                if self._sink is not None and self._sink.status() != self._sink_told:
                    self._tell()
                time.sleep(max(0.0, began + CYCLE_INTERVAL_S - time.monotonic()))
                self._speaker.listen(0)
        finally:
            if self._log is not None:
                self._log.close()

    def _is_wanted(self) -> bool:
        """Whether there is something to take in; or, once, whether the views are this log's."""
        count = self._speaker.count
        return self._kept.seq + 1 < count or (self._log is None and count > 0)

    def _cycle(self) -> None:
        """Everything that is durable, or until nobody speaks any more."""
        try:
            self._take()
        except StoreError:
            # The writer may have replaced a file while it was being read.
            self._reopen()
            self._take()

    def _take(self) -> None:
        if self._log is None:
            self._reopen()
        else:
            self._log.catch_up()
        assert self._log is not None, "opened before"
        was_rebuilt = self._kept.rebuilt
        self._kept.catch_up(self._log, self._speaker.count, self._go_on)
        if self._kept.rebuilt != was_rebuilt:
            self._tell(self._kept.rebuilt)

    def _reopen(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        self._log = FollowedLog(self._data_dir, view_file(self._data_dir).with_name("follow"))

    def _go_on(self, _: Progress) -> bool:
        now = time.monotonic()
        if now - self._reported_s > REPORT_INTERVAL_S:
            self._speaker.listen(0)
            self._tell()
        return not self._speaker.is_gone

    def _tell(self, rebuilt: str = "") -> None:
        self._reported_s = time.monotonic()
        self._sink_told = None if self._sink is None else self._sink.status()
        self._report(Report(self._kept.seq, rebuilt, sink=self._sink_told))


@contextlib.contextmanager
def copied(path: Path, sink: tuple[str, str] | None) -> Iterator[SinkThread | None]:
    """The view in that file, followed by a sink in a thread of its own; None without one."""
    if sink is None:
        yield None
        return
    # Imported here: most nodes have no sink.
    from node.sinks.sink import SinkSettings
    from node.sinks.worker import SinkThread

    thread = SinkThread(SinkSettings(path, *sink))
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def keep(
    data_dir: Path,
    speaker: Speaker,
    report: Callable[[Report], None],
    *,
    keeps_changes: bool,
    sink: tuple[str, str] | None = None,
) -> int:
    """Keep the views of the log in `data_dir`; the process's exit code.

    `sink` is a database, as libpq takes it, and a schema; with one, changes are kept.
    """
    keeps_changes = keeps_changes or sink is not None
    path = view_file(data_dir)
    try:
        with (
            views_lock(path.parent),
            NodeView(path, keeps_changes=keeps_changes) as kept,
            copied(path, sink) as thread,
        ):
            if kept.rebuilt:
                report(Report(kept.seq, kept.rebuilt))
            Keeping(data_dir, kept, speaker, report, thread).run()
    except ViewsInUse:
        report(Report(failure="views-in-use", detail="tally sql is making them"))
    except RecordRefused as refused:
        report(Report(refused.seq - 1, failure="record-refused", detail=str(refused)))
    except StoreError as error:
        report(Report(failure="log-unreadable", detail=str(error)))
    except ViewBroken as error:
        report(Report(failure="view-broken", detail=str(error)))
        if any(sign in error.reason for sign in _DAMAGE_SIGNS):
            remove_view(path)
    else:
        return 0
    return EXIT_FAILED


def main(arguments: Sequence[str]) -> int:
    """`DATA_DIR [--keep-changes] [--sink CONNINFO SCHEMA]`; speaks on stdin and stdout."""
    data_dir, *options = arguments
    sink = None
    if "--sink" in options:
        conninfo, namespace = options[options.index("--sink") + 1 :][:2]
        sink = (conninfo, namespace)
    give_way(NICENESS)
    speaker = Speaker(sys.stdin.fileno())

    def report(told: Report) -> None:
        sys.stdout.buffer.write(_encode(told) + b"\n")
        sys.stdout.buffer.flush()

    try:
        return keep(
            Path(data_dir),
            speaker,
            report,
            keeps_changes="--keep-changes" in options,
            sink=sink,
        )
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
