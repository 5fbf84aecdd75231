"""A channel's view made from the log by a process of its own: for questions, while nobody plays.

    python -m node.apps.deriving DATA_DIR DRAFT < what is known of the channel

The engine makes a view when it next judges a message. A node that was restored, or whose view was
removed, may be asked before: the file is made here, beside the place where it belongs, which it
takes only when it is whole. One JSON document comes out: empty, or why there is no view.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from node.app_history import given_to
from node.apps.judge import AppJudge
from node.apps.limits import DERIVING_NICENESS, DERIVING_TIME_S_MAX
from node.priority import GivingWay
from node.processes import our_environment, our_python
from protocols.app_errors import AppQueryFailed
from protocols.app_reducers import app_of
from protocols.channel import Channel, funding_terms

_DRAFT_ENDING = ".draft"


class Wanted(Struct, frozen=True):
    """What the process has to know of a channel beside what its log says."""

    channel_id: bytes
    reducer_id: bytes
    deposits: tuple[int, int]
    first: bytes
    """The first participant."""
    is_judged: bool


class Made(Struct, frozen=True):
    """How it ended."""

    failure: str = ""


class Deriver:
    """Makes views that are asked for and not there, one at a time."""

    def __init__(self, data_dir: Path, judge: AppJudge) -> None:
        self._data_dir, self._judge = data_dir, judge
        self._turn = trio.Lock()
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a node that was killed began."""
        directory = self._judge.path(b"").parent
        for draft in directory.glob(f"*{_DRAFT_ENDING}*"):
            with contextlib.suppress(OSError):
                draft.unlink()

    async def require(self, channel: Channel) -> None:
        """Have the channel's view at its place. Raises AppQueryFailed if it cannot be made."""
        path = self._judge.path(channel.channel_id)
        if await trio.Path(path).exists():
            return
        async with self._turn:
            if await trio.Path(path).exists():
                return
            draft = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{_DRAFT_ENDING}")
            try:
                await self._make(channel, draft)
                # In the engine's thread and without a pause: it never sees half of it.
                self._judge.adopt(channel.channel_id, draft)
            finally:
                for left in draft.parent.glob(f"{draft.name}*"):
                    left.unlink(missing_ok=True)

    async def _make(self, channel: Channel, draft: Path) -> None:
        app = app_of(channel)
        first, last = funding_terms(channel).deposits
        people = channel.fixed.participants
        wanted = Wanted(channel.channel_id, app.reducer_id, (first, last), people[0], app.is_judged)
        draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with trio.move_on_after(DERIVING_TIME_S_MAX) as scope:
            done = await trio.run_process(
                our_python("node.apps.deriving", str(self._data_dir), str(draft)),
                stdin=msgspec.json.encode(wanted),
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                env=our_environment(),
                start_new_session=True,
                check=False,
            )
        if scope.cancelled_caught:
            reason = f"making the channel's tables took more than {DERIVING_TIME_S_MAX:g} s"
            raise AppQueryFailed("QUERY_TIMED_OUT", reason)
        try:
            made = msgspec.json.decode(done.stdout, type=Made)
        except msgspec.MsgspecError as error:
            reason = "the process that makes the tables ended early"
            raise AppQueryFailed("QUERY_FAILED", reason) from error
        if made.failure:
            reason = f"the channel's tables cannot be made: {made.failure}"
            raise AppQueryFailed("QUERY_FAILED", reason)


def derive(data_dir: Path, draft: Path, wanted: Wanted, giving_way: GivingWay) -> Made:
    """Make the view of all messages that the log has now."""
    from node.apps.channel_view import ChannelView
    from node.apps.errors import HistoryDiffers, ReducerMissing
    from node.apps.installed import Installed
    from node.store.errors import StoreError
    from node.store.log import EventLog
    from node.views.errors import ViewError

    try:
        module = Installed(data_dir).module(wanted.reducer_id)
        with contextlib.ExitStack() as stack:
            log = EventLog.open(data_dir, read_only=True)
            stack.callback(log.close)
            messages = list(given_to(log, wanted.channel_id, wanted.first, wanted.is_judged))
            view = ChannelView(draft, module, wanted.channel_id, wanted.deposits)
            stack.callback(view.close)
            view.bring_to(len(messages), _slowly(messages, giving_way))
            if view.refusal:
                return Made(str(view.refusal))
    except (ViewError, ReducerMissing, HistoryDiffers, StoreError, OSError) as error:
        return Made(str(error))
    return Made()


def _slowly(messages: list[bytes], giving_way: GivingWay) -> Iterator[bytes]:
    for message in messages:
        giving_way.at(time.monotonic())
        yield message


def main() -> None:
    """Make what stdin says."""
    data_dir, draft = map(Path, sys.argv[1:])
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    made = derive(data_dir, draft, wanted, GivingWay(DERIVING_NICENESS))
    sys.stdout.buffer.write(msgspec.json.encode(made))


if __name__ == "__main__":
    main()
