"""What the engine asks of reducers, once a batch: runs of messages on the channels' views.

Answers are facts for the core. Whatever fails here that is not the reducer's own doing gives no
answer: the channel waits, the node goes on, and it is tried again after a pause.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from node.apps.errors import HistoryDiffers, ReducerMissing
from node.apps.installed import Installed
from node.apps.limits import OFFER_TIME_S_MAX, OPEN_VIEW_COUNT_MAX, RUN_TIME_S_MAX
from node.views.errors import ViewError
from protocols.app_judging import AppRun
from protocols.inputs import AppVerdict
from protocols.types import ChannelId

if TYPE_CHECKING:
    from node.apps.channel_view import ChannelView

log = structlog.get_logger()

RETRY_PAUSE_S = 5.0
"""Between two attempts at a channel whose view does not go on."""

Messages = Callable[[ChannelId], Iterator[bytes]]
"""A channel's messages as its reducer was given them, from the first on, out of the log."""


class AppJudge:
    """The open views of a node's application channels. For one thread."""

    def __init__(
        self,
        installed: Installed,
        messages: Messages,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._installed = installed
        self._messages = messages
        self._clock_s = clock_s
        self._views: OrderedDict[ChannelId, ChannelView] = OrderedDict()
        self.failing: dict[ChannelId, tuple[float, str]] = {}
        """Channels whose view does not go on: when it was tried last, and why."""

    def close(self) -> None:
        """Close all files."""
        while self._views:
            self._views.popitem()[1].close()

    def reasons(self) -> dict[ChannelId, str]:
        """Channels whose view does not go on, and why."""
        return {channel_id: reason for channel_id, (_, reason) in self.failing.items()}

    def run(self, run: AppRun) -> tuple[AppVerdict, ...] | None:
        """A verdict for each message, in order; fewer if time is up and the run may be cut, or one
        comes to something else than expected. None while the view does not go on."""
        failed_s = self.failing.get(run.channel_id)
        if failed_s is not None and self._clock_s() - failed_s[0] < RETRY_PAUSE_S:
            return None
        try:
            view = self._view(run)
            until_s = self._clock_s() + (OFFER_TIME_S_MAX if run.is_offer else RUN_TIME_S_MAX)
            verdicts = view.run(
                run, lambda: self._messages(run.channel_id), lambda: self._clock_s() >= until_s
            )
        except (ViewError, ReducerMissing, HistoryDiffers, OSError) as error:
            self._give_up(run.channel_id, str(error))
            return None
        self.failing.pop(run.channel_id, None)
        return verdicts

    def _view(self, run: AppRun) -> ChannelView:
        from node.apps.channel_view import ChannelView

        view, path = self._views.get(run.channel_id), self.path(run.channel_id)
        if view is not None and not path.exists():
            # Somebody removed it: what were written on would be a file that nobody can ask.
            self._views.pop(run.channel_id).close()
            view = None
        if view is None:
            module = self._installed.module(run.reducer_id)
            view = ChannelView(path, module, run.channel_id, run.deposits)
            self._views[run.channel_id] = view
            if len(self._views) > OPEN_VIEW_COUNT_MAX:
                self._views.popitem(last=False)[1].close()
        self._views.move_to_end(run.channel_id)
        return view

    def path(self, channel_id: ChannelId) -> Path:
        """The file of a channel's view."""
        return self._installed.directory / "views" / f"{channel_id.hex()}.db"

    def adopt(self, channel_id: ChannelId, draft: Path) -> None:
        """Put a view that was made beside its place there, unless one is there by now."""
        path = self.path(channel_id)
        if path.exists():
            return
        view = self._views.pop(channel_id, None)
        if view is not None:
            view.close()
        for ending in ("-wal", "-shm"):
            # What is left of a view that was removed would be taken for this one's.
            path.with_name(path.name + ending).unlink(missing_ok=True)
        draft.replace(path)

    def _give_up(self, channel_id: ChannelId, reason: str) -> None:
        """Close what may be broken: it is opened anew the next time."""
        if channel_id not in self.failing:
            log.error("application's view does not go on", channel=channel_id.hex(), reason=reason)
        self.failing[channel_id] = (self._clock_s(), reason)
        view = self._views.pop(channel_id, None)
        if view is not None:
            view.close()
