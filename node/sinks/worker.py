"""A sink in a thread of its own: it tries again after every failure, and tells how far it is.

Whoever writes the view never waits for it: they share a file, nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from node.sinks.errors import SinkError
from node.sinks.limits import PING_S, POLL_S, RETRY_S_MAX, RETRY_S_MIN, STOP_S
from node.sinks.sink import Sink, SinkSettings, Step
from node.sinks.status import CopyReason, SinkState, SinkStatus


class SinkRunner:
    """Steps until it is stopped. `run` belongs to one thread, the rest to any."""

    def __init__(
        self,
        settings: SinkSettings,
        note: Callable[[Step], None] | None = None,
        note_failure: Callable[[SinkError], None] | None = None,
    ) -> None:
        """`note` is told each step, `note_failure` each failure that is not the one before."""
        self.sink = Sink(settings, self._copying)
        self._note, self._note_failure = note, note_failure
        self._stopping = threading.Event()
        self._status = SinkStatus(namespace=settings.namespace)
        self._level_at_s = self._ping_at_s = time.monotonic()

    def status(self) -> SinkStatus:
        """As of now."""
        status = self._status
        if status.state is SinkState.LEVEL:
            return status
        return msgspec.structs.replace(status, lag_s=time.monotonic() - self._level_at_s)

    def request_stop(self) -> None:
        """Let `run` end after its transaction."""
        self._stopping.set()

    def run(self, gives_up: bool = False) -> None:
        """Step until `request_stop`. With `gives_up`, raise a `SinkError` that time cannot mend."""
        pause_s = RETRY_S_MIN
        try:
            while not self._stopping.is_set():
                try:
                    is_level = self._step()
                    pause_s = RETRY_S_MIN
                except SinkError as error:
                    self._fail(error)
                    if gives_up and not error.is_transient:
                        raise
                    self._stopping.wait(pause_s)
                    pause_s = min(2 * pause_s, RETRY_S_MAX)
                    continue
                if is_level:
                    self._stopping.wait(POLL_S)
        finally:
            self.sink.close()
            self._put(state=SinkState.STOPPED)

    def run_once(self, patience_s: float) -> None:
        """Step until level. Raises `SinkError`, a transient one after so many seconds of it."""
        give_up_at_s = time.monotonic() + patience_s
        try:
            while not self._stopping.is_set():
                try:
                    if self._step():
                        return
                except SinkError as error:
                    self._fail(error)
                    if not error.is_transient or time.monotonic() >= give_up_at_s:
                        raise
                    self._stopping.wait(RETRY_S_MIN)
        finally:
            self.sink.close()

    def _step(self) -> bool:
        """One step; whether PostgreSQL is level now."""
        step = self.sink.step()
        if step is None and time.monotonic() >= self._ping_at_s:
            self.sink.ping()
            self._ping_at_s = time.monotonic() + PING_S
        seq, view_seq = self.sink.seqs()
        found: dict[str, object] = {"seq": seq, "view_seq": view_seq, **_NO_FAILURE}
        is_level = step is None and seq >= view_seq
        if is_level:
            self._level_at_s = time.monotonic()
        if step is not None:
            if self._note is not None:
                self._note(step)
            status = self._status
            found["change_count"] = status.change_count + step.change_count
            if step.copied is not None:
                found |= {"copy_count": status.copy_count + 1, "copy_reason": step.copied}
        self._put(state=SinkState.LEVEL if is_level else SinkState.BEHIND, **found)
        return is_level

    def _copying(self, reason: CopyReason) -> None:
        self._put(state=SinkState.COPYING, copy_reason=reason, **_NO_FAILURE)

    def _fail(self, error: SinkError) -> None:
        if self._note_failure is not None and error.failure != self._status.failure:
            self._note_failure(error)
        self._put(
            state=SinkState.WAITING,
            failure=error.failure.value,
            detail=error.detail,
            next_step=error.next_step,
        )

    def _put(self, **fields: object) -> None:
        self._status = msgspec.structs.replace(self._status, **fields)


_NO_FAILURE: dict[str, object] = {"failure": "", "detail": "", "next_step": "", "lag_s": 0.0}


class SinkThread:
    """A sink beside everything else. Nothing that happens to it reaches its owner."""

    def __init__(self, settings: SinkSettings) -> None:
        self._runner = SinkRunner(settings)
        # A daemon thread: a server that hangs never keeps the process from ending.
        self._thread = threading.Thread(target=self._runner.run, name="sink", daemon=True)

    def start(self) -> None:
        """Begin. Once."""
        self._thread.start()

    def status(self) -> SinkStatus:
        """As of now; from any thread."""
        return self._runner.status()

    def stop(self) -> bool:
        """End after the transaction at hand, or without it; whether the thread has ended."""
        self._runner.request_stop()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            try:
                self._runner.sink.cancel()
            except SinkError:
                pass
            self._thread.join(STOP_S)
        return not self._thread.is_alive()
