"""The view of one application channel: brought to where the log is, and on with each run.

Message 0 of the view says who paid what, message n is the channel's n-th. The log alone counts:
what the view holds beyond it is taken back, and what it lacks is applied again.

Messages of ours run here before anybody else is told of them. Until the other end came to the same
they are an open transaction: whoever asks the view does not see them, and they are dropped by the
next run that is not theirs (ADR 0097).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog
from msgspec import Struct

from node.apps.errors import HistoryDiffers
from node.apps.payouts import Amounts, payouts_of
from node.views.errors import Failure, ReducerFailed, StampMismatch, ViewBroken
from node.views.module import ReducerModule
from node.views.view import Verdict, View
from protocols.app_data import reducer_opening
from protocols.app_judging import AppRun
from protocols.inputs import AppVerdict
from protocols.types import ChannelId

log = structlog.get_logger()

CATCH_UP_COUNT = 256
"""Messages of the log that are applied in one transaction when the view lacks them."""

OPENING_SEQ = 0
"""Of what the reducer is told before the first message."""


class _Ahead(Struct, frozen=True):
    """Messages that ran and are not kept: none of them is agreed on."""

    base_count: int
    inputs: tuple[bytes, ...]
    """Of those that the reducer took in."""
    verdicts: tuple[AppVerdict, ...]

    def is_of(self, run: AppRun) -> bool:
        """Whether the run is of these very messages, and they are to be kept now."""
        is_kept = not run.is_offer and not run.expected
        return is_kept and (self.base_count, self.inputs) == (run.base_count, run.inputs)


class ChannelView:
    """A view in one file. Raises `ViewBroken` where the machine does not let it."""

    def __init__(
        self, path: Path, module: ReducerModule, channel_id: ChannelId, deposits: Amounts
    ) -> None:
        self._path, self._module = path, module
        self._channel_id, self._deposits = channel_id, deposits
        self._amounts = deposits
        """After the last message that was taken in, or is being looked at."""
        self.refusal: Failure | str = ""
        """Why the reducer does not play for these deposits; empty if it does."""
        self._view: View | None = None
        self._ahead: _Ahead | None = None
        self._open()

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        view, self._view = self._view, None
        if view is not None:
            view.close()

    @property
    def count(self) -> int:
        """Messages of the channel that it holds."""
        return 0 if self._view is None else max(0, self._view.stamp.seq)

    def bring_to(self, count: int, messages: Iterable[bytes]) -> None:
        """Hold exactly so many messages. `messages` are all that the log has, from the first on.

        Raises `HistoryDiffers` if one of them is not taken in any more.
        """
        self._drop_ahead()
        if self._view is None or self.count == count:
            return
        if self.count > count:
            log.info("messages taken back", channel=self._channel_id.hex(), to_count=count)
            self._view.undo_after(count)
            return
        self._view.begin_run()
        try:
            self._catch_up(self._view, _up_to(messages, count))
        finally:
            self._view.keep_run()
        if self.count != count:
            raise HistoryDiffers(f"the log has {self.count} of {count} messages")

    def _catch_up(self, view: View, messages: Iterable[bytes]) -> None:
        for number, message in enumerate(messages, start=1):
            if number <= self.count:
                continue
            verdict = view.apply(number, message, check=self._check)
            if not verdict.is_applied:
                raise HistoryDiffers(f"message {number} is not taken in: {_words(verdict)}")
            if number % CATCH_UP_COUNT == 0:
                view.keep_run()
                view.begin_run()

    def run(
        self, run: AppRun, history: Callable[[], Iterable[bytes]], is_over: Callable[[], bool]
    ) -> tuple[AppVerdict, ...]:
        """A verdict for each message of the run, in order: up to one that comes to something else
        than the run expects, and, if the run may be cut, until `is_over`.

        What the run took in is kept, unless it is still to be offered. Raises as `bring_to`.
        """
        ahead = self._ahead
        if ahead is not None and ahead.is_of(run):
            self._ahead = None
            assert self._view is not None, "it took them in"
            self._view.keep_run()
            return ahead.verdicts
        self.bring_to(run.base_count, history())
        if self._view is None:
            return tuple(AppVerdict(0, str(self.refusal), (), b"") for _ in run.inputs)
        self._view.begin_run()
        verdicts = self._run_each(run, is_over)
        if run.is_offer:
            pairs = zip(run.inputs, verdicts, strict=False)
            applied = [(given, verdict) for given, verdict in pairs if verdict.is_applied]
            inputs = tuple(given for given, _ in applied)
            self._ahead = _Ahead(run.base_count, inputs, tuple(verdict for _, verdict in applied))
        else:
            self._view.keep_run()
        return verdicts

    def _run_each(self, run: AppRun, is_over: Callable[[], bool]) -> tuple[AppVerdict, ...]:
        verdicts: list[AppVerdict] = []
        for place, message in enumerate(run.inputs):
            verdict = self._judge(message)
            verdicts.append(verdict)
            if run.expected and verdict.digest != run.expected[place]:
                if verdict.is_applied:
                    assert self._view is not None, "it took it in"
                    self._view.undo_after(self.count - 1)
                break
            if run.may_be_cut and is_over():
                break
        return tuple(verdicts)

    def _judge(self, message: bytes) -> AppVerdict:
        """Run the reducer on the channel's next message."""
        assert self._view is not None, "the caller looked"
        verdict = self._view.apply(self.count + 1, message, check=self._check)
        if verdict.is_applied:
            return AppVerdict(0, "", self._amounts, self._view.digest)
        return AppVerdict(verdict.code, str(verdict.failure or ""), (), b"")

    def _check(self, view: View) -> None:
        self._amounts = payouts_of(view, self._deposits)

    def _drop_ahead(self) -> None:
        if self._ahead is not None and self._view is not None:
            self._view.drop_run()
        self._ahead = None

    def point(self) -> tuple[Amounts, bytes]:
        """What the two ends get now, and the view's digest."""
        assert self._view is not None, "only a view that takes messages in comes to something"
        return payouts_of(self._view, self._deposits), self._view.digest

    def _open(self) -> None:
        try:
            self._view = self._made()
        except ReducerFailed as failed:
            self.refusal = failed.failure
        except (StampMismatch, ViewBroken) as error:
            log.warning("view made anew", channel=self._channel_id.hex(), reason=str(error))
            self._remove()
            with contextlib.suppress(ReducerFailed):
                self._view = self._made()

    def _made(self) -> View | None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        view = View(self._path, self._module)
        if view.stamp.seq >= OPENING_SEQ:
            return view
        told = reducer_opening(self._channel_id, self._deposits)
        verdict = view.apply(OPENING_SEQ, told, check=self._check)
        if verdict.is_applied:
            return view
        view.close()
        self.refusal = f"opening-refused {_words(verdict)}"
        return None

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _up_to(messages: Iterable[bytes], count: int) -> Iterator[bytes]:
    for number, message in enumerate(messages, start=1):
        if number > count:
            return
        yield message


def _words(verdict: Verdict) -> str:
    return str(verdict.failure or verdict.code)
