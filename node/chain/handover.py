"""What a follower hands to the core: logs of our channels, forks, and how far it has come."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable

import structlog
import trio

from node.chain.window import ConfirmationWindow
from node.chain.wire import Header
from protocols.inputs import ChainHead, ChainLog, ChainReorg, Input
from protocols.types import ChannelId, to_hex

HEAD_REPORT_INTERVAL_S = 1.0
"""Seconds between reports of a risen cursor when no log gives reason to."""

Submit = Callable[[Input], Awaitable[None]]

log = structlog.get_logger()


class Handover:
    """One follower's way to the core."""

    def __init__(self, submit: Submit, is_known: Callable[[ChannelId], bool]) -> None:
        self.submit = submit
        self._is_known = is_known
        self._reported_num = -1
        self._reported_at = -math.inf

    def begin_at(self, block_num: int) -> None:
        """The core knows that the cursor is there: from there on it is reported."""
        self._reported_num = block_num

    def hurry(self) -> None:
        """The next report waits for no interval."""
        self._reported_at = -math.inf

    async def deliver(self, due: Iterable[ChainLog]) -> None:
        """Hand over logs, in order."""
        # Strangers share the contract: what they do there stays out of the engine's queue.
        ours = [item for item in due if self._is_known(item.channel_id)]
        for item in ours:
            await self.submit(item)
        if any(item.confirmed for item in ours):
            # A restart should not read again what was acted upon: report at once.
            self.hurry()

    async def tell_fork(self, old: Header, new: Header) -> None:
        """That block was replaced by this one, and with it all above it."""
        log.warning(
            "the chain forked",
            fork_block_num=new.number,
            old_block_hash=to_hex(old.hash),
            new_block_hash=to_hex(new.hash),
        )
        await self.submit(ChainReorg(new.number, old.hash, new.hash))

    def is_due(self, window: ConfirmationWindow) -> bool:
        """Whether the cursor rose since it was reported last."""
        return window.cursor.number > self._reported_num

    async def report(self, window: ConfirmationWindow) -> None:
        """Say how far the cursor is, unless that was done a moment ago."""
        now = trio.current_time()
        if self.is_due(window) and now - self._reported_at >= HEAD_REPORT_INTERVAL_S:
            cursor = window.cursor
            self._reported_num, self._reported_at = cursor.number, now
            await self.submit(ChainHead(cursor.number, cursor.hash, cursor.timestamp_s))
