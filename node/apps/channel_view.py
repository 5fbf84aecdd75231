"""The view of one application channel: brought to where the log is, and on with each message.

Message 0 of the view says who paid what, message n is the channel's n-th. The log alone counts:
what the view holds beyond it is taken back, and what it lacks is applied again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from node.apps.errors import HistoryDiffers
from node.apps.payouts import Amounts, check_payouts, payouts_of
from node.views.errors import Failure, ReducerFailed, StampMismatch, ViewBroken
from node.views.module import ReducerModule
from node.views.view import Verdict, View
from protocols.app_data import reducer_opening
from protocols.inputs import AppVerdict
from protocols.types import ChannelId

log = structlog.get_logger()

OPENING_SEQ = 0
"""Of what the reducer is told before the first message."""


class ChannelView:
    """A view in one file. Raises `ViewBroken` where the machine does not let it."""

    def __init__(
        self, path: Path, module: ReducerModule, channel_id: ChannelId, deposits: Amounts
    ) -> None:
        self._path, self._module = path, module
        self._channel_id, self._deposits = channel_id, deposits
        self._check = check_payouts(deposits)
        self.refusal: Failure | str = ""
        """Why the reducer does not play for these deposits; empty if it does."""
        self._view: View | None = None
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
        if self._view is None or self.count == count:
            return
        if self.count > count:
            log.info("messages taken back", channel=self._channel_id.hex(), to_count=count)
            self._view.undo_after(count)
            return
        for number, message in enumerate(_up_to(messages, count), start=1):
            if number <= self.count:
                continue
            verdict = self._view.apply(number, message, check=self._check)
            if not verdict.is_applied:
                raise HistoryDiffers(f"message {number} is not taken in: {_words(verdict)}")
        if self.count != count:
            raise HistoryDiffers(f"the log has {self.count} of {count} messages")

    def judge(self, message: bytes) -> AppVerdict:
        """Run the reducer on the channel's next message; what it came to is asked of `point`."""
        if self._view is None:
            return AppVerdict(0, str(self.refusal), (), b"")
        verdict = self._view.apply(self.count + 1, message, check=self._check)
        failure = "" if verdict.failure is None else str(verdict.failure)
        return AppVerdict(verdict.code, failure, (), b"")

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
