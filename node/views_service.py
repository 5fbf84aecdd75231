"""The node's views, in a process of their own: started, told how far the log is, started again.

Nobody waits for it: it is told a number four times a second, and what it says is only shown. A view
that fails, hangs or is killed costs the node a line in its log.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog
import trio
from msgspec import Struct

from node.log_views.limits import (
    CYCLE_INTERVAL_S,
    DETAIL_SIZE_MAX,
    RESTART_DELAY_S_MAX,
    RESTART_DELAY_S_MIN,
    STALL_TIMEOUT_S,
    STOP_TIMEOUT_S,
)
from node.log_views.report import Report
from node.processes import our_environment, our_python
from node.sinks.status import SinkStatus

log = structlog.get_logger()

OFF, STARTING, FOLLOWING, WAITING = "off", "starting", "following", "waiting"

_decode = msgspec.json.Decoder(Report).decode
_LINE_SIZE_BYTES_MAX = 64 * 1024


class ViewsStatus(Struct):
    """What is known of the process."""

    state: str = STARTING
    """starting, following, or waiting: until it is started again after a failure."""
    seq: int = -1
    """Of the last record in the views."""
    restart_count: int = 0
    rebuilt: str = ""
    """Why they were last made anew since the node started."""
    failure: str = ""
    """What ended the process last; empty once it follows again."""
    detail: str = ""
    sink: SinkStatus | None = None
    """Of the copy in PostgreSQL, as last heard; None if there is none."""


def views_status(views: ViewsService | None, record_count: int) -> dict[str, object]:
    """JSON values for `node_status`; without a service the views are off, all else is null."""
    if views is None:
        return {"state": OFF, **dict.fromkeys(_FIGURES)}
    status = views.status
    return {
        "state": status.state,
        "seq": status.seq,
        "lag_records": max(record_count - 1 - status.seq, 0),
        "restart_count": status.restart_count,
        "rebuilt": status.rebuilt,
        "failure": status.failure,
        "detail": status.detail,
        "sink": None if status.sink is None else status.sink.document(),
    }


_FIGURES = ("seq", "lag_records", "restart_count", "rebuilt", "failure", "detail", "sink")


def past_views_status() -> dict[str, object]:
    """The same of a past moment, of which nothing is known."""
    return dict.fromkeys(("state", *_FIGURES))


class ViewsService:
    """Keeps the process going. `record_count` says how many records of the log are durable."""

    def __init__(
        self,
        data_dir: Path,
        record_count: Callable[[], int],
        *,
        keeps_changes: bool = False,
        sink: tuple[str, str] | None = None,
    ) -> None:
        """`sink` is a database, as libpq takes it, and a schema: the views are copied there."""
        options = ["--keep-changes"] if keeps_changes else []
        if sink is not None:
            options += ["--sink", *sink]
        self._command = our_python("node.log_views.process", str(data_dir), *options)
        self._record_count = record_count
        self.status = ViewsStatus()
        self._heard_s = 0.0
        self._process_id: int | None = None

    @property
    def process_id(self) -> int | None:
        """Of the process that runs now."""
        return self._process_id

    async def run(self) -> None:
        """Until it is cancelled; nothing that the process does ends it."""
        delay_s = RESTART_DELAY_S_MIN
        while True:
            before = self.status.seq
            try:
                await self._live()
            except OSError as error:
                self._failed("views-not-started", str(error))
            # Who got further before it failed is not in a circle.
            has_moved = self.status.seq > before
            delay_s = RESTART_DELAY_S_MIN if has_moved else min(delay_s * 2, RESTART_DELAY_S_MAX)
            self.status.state = WAITING
            log.warning(
                "views ended",
                failure=self.status.failure,
                detail=self.status.detail,
                again_in_s=delay_s,
            )
            await trio.sleep(delay_s)
            self.status.restart_count += 1

    async def _live(self) -> None:
        """One process, from its start to its end."""
        self.status.state = STARTING
        process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=our_environment(),
            start_new_session=True,
        )
        self._process_id = process.pid
        self._heard_s = trio.current_time()
        words: list[str] = []
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._tell, process)
                nursery.start_soon(self._watch, process)
                await self._hear(process, words)
                nursery.cancel_scope.cancel()
            with trio.move_on_after(STOP_TIMEOUT_S):
                await process.wait()
        finally:
            await self._end(process)
            self._process_id = None
        if not self.status.failure:
            code = process.returncode or 0
            how = f"signal-{-code}" if code < 0 else f"exit-{code}"
            self._failed(how, " ".join(words))

    async def _end(self, process: trio.Process) -> None:
        """It ends when nobody speaks to it; if not, it is killed."""
        with trio.CancelScope(shield=True):
            if process.stdin is not None:
                await process.stdin.aclose()
            with trio.move_on_after(STOP_TIMEOUT_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()

    async def _tell(self, process: trio.Process) -> None:
        """How many records are durable, whenever that changed."""
        assert process.stdin is not None, "stdin is a pipe"
        told = 0
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                count = self._record_count()
                if count != told:
                    await process.stdin.send_all(b"%d\n" % count)
                    told = count
                await trio.sleep(CYCLE_INTERVAL_S)

    async def _watch(self, process: trio.Process) -> None:
        """A process that says nothing while records wait for it is killed."""
        while True:
            await trio.sleep(STALL_TIMEOUT_S / 4)
            is_behind = self.status.seq + 1 < self._record_count()
            if is_behind and trio.current_time() - self._heard_s > STALL_TIMEOUT_S:
                self._failed("views-stalled", f"nothing heard for {STALL_TIMEOUT_S:g} s")
                process.kill()

    async def _hear(self, process: trio.Process, words: list[str]) -> None:
        """What it says, until it ends; what is no report is kept in `words`."""
        assert process.stdout is not None, "stdout is a pipe"
        rest = b""
        async for data in process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-_LINE_SIZE_BYTES_MAX:]
            for line in lines:
                try:
                    self._take(_decode(line))
                except msgspec.MsgspecError:
                    words.append(line.decode(errors="replace"))
                    del words[:-3]

    def _take(self, report: Report) -> None:
        self._heard_s = trio.current_time()
        status = self.status
        if report.failure:
            self._failed(report.failure, report.detail)
            return
        if report.sink is not None:
            self._take_sink(report.sink)
        status.state, status.seq = FOLLOWING, report.seq
        status.failure = status.detail = ""
        if report.rebuilt:
            status.rebuilt = report.rebuilt
            log.info("views are made anew", reason=report.rebuilt)

    def _take_sink(self, sink: SinkStatus) -> None:
        before = "" if self.status.sink is None else self.status.sink.failure
        self.status.sink = sink
        if sink.failure and sink.failure != before:
            log.warning(
                "views are not copied to PostgreSQL",
                failure=sink.failure,
                detail=sink.detail,
                next_step=sink.next_step,
            )

    def _failed(self, failure: str, detail: str) -> None:
        self.status.failure, self.status.detail = failure, detail[-DETAIL_SIZE_MAX:]
