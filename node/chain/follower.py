"""Follows the chain and hands over the adjudicator's logs: observed, then confirmed, each once.

It subscribes first and reads what it missed afterwards, so that nothing falls between. Blocks are
joined by parent hash; one that does not fit means that the chain forked, which is an input of its
own. A log that is called removed makes it look at once whether its block still stands, and is never
believed. A slow poll covers what notifications miss. While no endpoint answers it waits. It knows
which contract it watches, and nothing of channels.

Each log is delivered once for each time its block joins the chain: again only after a `ChainReorg`
took that block away, or after a restart, from the processed block on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import structlog
import trio
from msgspec.structs import replace

from node.chain.errors import EndpointDown, RpcError, ToldOtherwise
from node.chain.handover import HEAD_REPORT_INTERVAL_S, Handover, Submit
from node.chain.link import EndpointLink
from node.chain.news import News, Tidings
from node.chain.patience import Patience
from node.chain.quorum import Outvoted, Quorum
from node.chain.reader import ChainReader, Decoder
from node.chain.remembered import RememberedBlocks
from node.chain.rpc_client import RpcClient
from node.chain.stretch import Stretch
from node.chain.window import ConfirmationWindow
from node.chain.wire import BlockName, Header, MalformedAnswer
from node.chain.witnesses import Witnesses
from node.limits import BLOCK_TIME_S
from protocols.inputs import ChainLog, ChannelRead
from protocols.types import Address, Bytes32, ChannelId, to_hex

POLL_S = 4.0
"""Seconds of silence on a subscription after which the head is asked for."""
POLL_WITHOUT_SUBSCRIPTION_S = 0.5
"""Seconds between polls where there is no subscription."""
BY_HASH_BLOCK_COUNT = 64
"""Blocks below the head (at least the confirmation depth) that are read one by one, by hash: two
epochs, what Ethereum takes to finalise. Deeper ones are read in stretches, by number."""
FIRST_LOOK_BACK_BLOCK_COUNT = 7_200
"""Where a new node begins below the head: a day of Ethereum's blocks, so that a deposit made while
our endpoint was down is found."""
STALLED_BLOCK_COUNT = 10
"""Blocks that should have come since the newest one before an endpoint counts as stalled."""
STALLED_S_MIN = 120.0
"""And at least so many seconds."""
QUORUM_PAUSE_S = 2.0
"""Seconds until endpoints that disagree on a deep fork are asked again."""
QUORUM_QUESTION_COUNT_MAX = 16
"""Questions to the witnesses about what waits for them, before the head is looked at again."""

CONFIRMED_REPLACED = "the chain replaced confirmed blocks; raise [chain] confirmation_count"

log = structlog.get_logger()


class ChainFollower:
    """Reads one adjudicator's logs through `link` and submits them."""

    def __init__(
        self,
        link: EndpointLink,
        *,
        adjudicator: Address,
        confirmation_count: int,
        submit: Submit,
        on_head: Callable[[Header], None],
        quorum: Quorum | None = None,
        clock_s: Callable[[], float] = time.time,
        is_known: Callable[[ChannelId], bool] = lambda channel_id: True,
    ) -> None:
        self._link = link
        self._adjudicator = adjudicator
        self._depth = confirmation_count
        self._handover = Handover(submit, is_known)
        self._on_head = on_head
        self._clock_s = clock_s
        self._witnesses = Witnesses(quorum)
        self._window: ConfirmationWindow | None = None
        self._remembered = RememberedBlocks({}, self._handover)
        self._unread: dict[ChannelId, Address] = {}
        self._stretch = Stretch()
        self._seen_at = -math.inf
        self._behind = False

    @property
    def head(self) -> Header | None:
        """The newest block whose logs were read."""
        return self._window.head if self._window is not None else None

    @property
    def cursor(self) -> Header | None:
        """The newest block whose logs were handed over as confirmed."""
        return self._window.cursor if self._window is not None else None

    @property
    def block_time_s(self) -> float:
        """Seconds between the last blocks; what a chain like Ethereum takes before any is known."""
        if self._window is None:
            return BLOCK_TIME_S
        first, last = self._window.oldest_dated, self._window.head
        if last.number <= first.number or last.timestamp_s <= first.timestamp_s:
            return BLOCK_TIME_S
        return (last.timestamp_s - first.timestamp_s) / (last.number - first.number)

    @property
    def is_stalled(self) -> bool:
        """Whether the newest block is older than it should be, on a chain that money waits for.

        With depth 0 never: a development chain mines on demand.
        """
        head = self.head
        if head is None or not self._depth:
            return False
        age_s = self._clock_s() - head.timestamp_s
        return age_s > max(STALLED_S_MIN, STALLED_BLOCK_COUNT * self.block_time_s)

    @property
    def seen_at(self) -> float:
        """trio's time when an endpoint last showed `head` as its newest; -inf before that."""
        return self._seen_at

    def read_holdings(self, channel_id: ChannelId, asset: Address) -> None:
        """Ask what the channel holds at the cursor; `ChannelRead` comes between the logs, so that
        what is confirmed after it is above it."""
        self._unread[channel_id] = asset

    async def run(
        self,
        decoder: Decoder,
        processed_block_num: int | None,
        known_blocks: Mapping[int, Bytes32],
    ) -> None:
        """Follow for ever, from above the processed block.

        `known_blocks` are hashes by number that the core remembers from before a restart. Where the
        chain has another block now, a `ChainReorg` says so before that block's logs.
        """
        self._remembered = RememberedBlocks(known_blocks, self._handover)
        while True:
            client = await self._link.client()
            reader = ChainReader(client, decoder, self._adjudicator)
            try:
                await self._follow(client, reader, processed_block_num)
            except EndpointDown as error:
                client.close(error.reason)
            except Outvoted as error:
                self._link.blame(client, str(error))
                client.close(str(error))
                await self._take_back()
            except MalformedAnswer as error:
                reason = f"malformed answer: {error}"
                self._link.blame(client, reason)
                client.close(reason)

    async def _follow(
        self, client: RpcClient, reader: ChainReader, processed_block_num: int | None
    ) -> None:
        news = News(client, self._adjudicator)
        await news.begin()
        patience = Patience(self._link, client)
        tidings = Tidings()
        while True:
            try:
                asked_at = trio.current_time()
                newest = tidings.newest or await reader.latest()
                patience.took(trio.current_time() - asked_at)
                before = self.head
                if self._window is None:
                    await self._begin(reader, newest, processed_block_num)
                if self._window is not None:
                    await self._advance(reader, self._window, newest)
                    await self._look_at(reader, self._window, tidings.removed)
                if self.is_stalled:
                    self._link.blame(client, f"its newest block, {newest.number}, is old")
                if tidings == Tidings():
                    await news.polled(found_untold=before is not None and self.head != before)
                patience.served()
                self._link.proved_useful()
            except ToldOtherwise as error:
                log.warning("reading blocks again that do not count yet", reason=str(error))
                await self._take_back()
                tidings = tidings._replace(newest=None)
                await trio.sleep(POLL_WITHOUT_SUBSCRIPTION_S)
            except RpcError as error:
                # The newest block is asked for anew; what was taken back is told only once.
                tidings = tidings._replace(newest=None)
                await patience.refused(error)
            else:
                tidings = await news.next(self._wait_s(news))

    def _wait_s(self, news: News) -> float:
        wait_s = POLL_S if news.tells_blocks else POLL_WITHOUT_SUBSCRIPTION_S
        is_due = self._window is not None and self._handover.is_due(self._window)
        return min(wait_s, HEAD_REPORT_INTERVAL_S) if is_due else wait_s

    async def _look_at(
        self, reader: ChainReader, window: ConfirmationWindow, removed: tuple[BlockName, ...]
    ) -> None:
        """Whether blocks that we hold, and of which a log was called removed, still stand.

        The endpoint's newest block was joined a moment ago: what is a parent of it is only in doubt
        if the endpoint shows another block of that height.
        """
        for number, name in removed:
            held = window.at(number)
            if held is None or held.hash != name:
                continue
            standing = await reader.at(number)
            if standing in (None, held) or not await self._witnesses.tell_block(reader, standing):
                continue
            await self._join(reader, window, standing)

    async def _begin(
        self, reader: ChainReader, newest: Header, processed_block_num: int | None
    ) -> None:
        """Choose the block below the first one to read."""
        if processed_block_num is None:
            processed_block_num = max(0, newest.number - FIRST_LOOK_BACK_BLOCK_COUNT)
        base = await reader.at(processed_block_num)
        if base is None:
            self._say_behind(newest, processed_block_num)
            return
        self._behind = False
        remembered = self._remembered.take(base)
        if remembered != base.hash:
            log.error(CONFIRMED_REPLACED, processed_block_num=base.number)
            base = await self._remembered.base_below(
                reader, Header(base.number, remembered, bytes(32))
            )
        # Without a depth there is no time in which an endpoint could change its mind.
        waits = self._depth > 0 or self._witnesses.are_needed
        self._window = ConfirmationWindow(self._depth, base, waits=waits)
        self._handover.begin_at(base.number)
        log.info("following the chain", from_block_num=base.number, head_block_num=newest.number)

    async def _advance(
        self, reader: ChainReader, window: ConfirmationWindow, newest: Header
    ) -> None:
        """Bring the window up to the endpoint's newest block."""
        by_hash_count = max(BY_HASH_BLOCK_COUNT, self._depth)
        is_told = True
        while newest.number - by_hash_count > window.head.number:
            limit_num = newest.number - by_hash_count
            is_told = is_told and await self._read_stretch(reader, window, limit_num)
            if not is_told:
                await self._observe_more(reader, window)
        if window.at(newest.number) != newest:
            await self._join(reader, window, newest)
        await self._confirm(reader, window, window.ripe)
        if window.head == newest:
            self._seen_at = trio.current_time()
            self._behind = False
            self._on_head(newest)
        else:
            # An older block of our own chain: the endpoint lags, or a local chain was rolled back
            # and will show its new blocks soon.
            self._say_behind(newest, window.head.number)
        await self._handover.report(window)
        if window.head == newest and self._unread:
            await self._read_channels(reader, window)

    async def _confirm(
        self, reader: ChainReader, window: ConfirmationWindow, through: Header
    ) -> bool:
        """Hand over what lies deep enough, once enough endpoints tell the same of it.

        What waited for them is asked about in stretches. Whether all through that block is done.
        """
        for _ in range(QUORUM_QUESTION_COUNT_MAX):
            if window.cursor == through:
                return True
            last = window.at(min(through.number, window.cursor.number + self._stretch.count))
            assert last is not None
            logs = window.logs_above_cursor(last)
            if not await self._is_told(reader, window.cursor, last, logs):
                self._stretch.refused()
                return False
            self._stretch.served()
            await self._handover.deliver(window.confirm(last))
        return window.cursor == through

    async def _is_told(
        self, reader: ChainReader, cursor: Header, last: Header, logs: tuple[ChainLog, ...]
    ) -> bool:
        """Whether the endpoint in use and enough others tell that these are the logs between.

        The one in use is asked again: another may have told them when they were new, and one that
        lied would vote twice, by what it told then and as a witness. And what was left out by
        mistake is found before it counts as not there. Raises `ToldOtherwise`.
        """
        try:
            told = await reader.told(cursor.number + 1, last.number)
        except RpcError:
            if self._stretch.count > 1:
                return False
            raise
        if told is None:
            return False
        if told != (last.hash, logs):
            blocks = f"blocks {cursor.number + 1} to {last.number}"
            raise ToldOtherwise(f"{reader.client.label} tells other logs of {blocks} than before")
        return await self._witnesses.tell_logs(reader, cursor, last, logs)

    async def _take_back(self) -> None:
        """Forget all that does not count yet: others deny it, or whoever is in use now does."""
        window = self._window
        if window is None or window.head == window.cursor:
            return
        first = window.at(window.cursor.number + 1)
        assert first is not None
        window.restart_at(window.cursor)
        await self._handover.tell_fork(first, first)

    async def _read_channels(self, reader: ChainReader, window: ConfirmationWindow) -> None:
        """Answer what was asked: money counts at the cursor, disputes at the head."""
        cursor, head = window.cursor, window.head
        for channel_id, asset in list(self._unread.items()):
            try:
                held, finalizes_at = await reader.reading(asset, channel_id, cursor, head)
                at, ours = (cursor, head), (held, finalizes_at)
                if not await self._witnesses.tell_reading(reader, asset, channel_id, at, ours):
                    return
            except RpcError as error:
                # Following must go on; the next look at the head asks again.
                log.warning(
                    "a channel cannot be read", channel=to_hex(channel_id), error=str(error)
                )
                return
            del self._unread[channel_id]
            # What the reading rests on must be known to count, or a fork below it is no deep one.
            self._handover.hurry()
            await self._handover.report(window)
            reading = (held, cursor.number, cursor.hash, finalizes_at)
            await self._handover.submit(ChannelRead(channel_id, asset, *reading))

    async def _join(self, reader: ChainReader, window: ConfirmationWindow, newest: Header) -> None:
        """Find where `newest` leaves our chain, retract what it replaces, read what it adds."""
        if newest.number < window.lowest.number:
            return
        path = [newest]
        while not _fits(window, path[-1]):
            if path[-1].number <= window.lowest.number:
                if not await self._witnesses.tell_block(reader, path[-1]):
                    return
                await self._forget_all(reader, window, path[-1])
                continue
            path.append(await reader.parent_of(path[-1]))
        ancestor = window.at(path[-1].number - 1)
        assert ancestor is not None
        if ancestor.number < window.cursor.number and not await self._witnesses.tell_block(
            reader, path[-1]
        ):
            return
        if ancestor != window.head:
            fork = window.rewind(ancestor)
            if fork.below_cursor:
                self._handover.begin_at(window.cursor.number)
                log.error(CONFIRMED_REPLACED, fork_block_num=path[-1].number)
            await self._handover.tell_fork(fork.first_replaced, path[-1])
        for block in reversed(path):
            logs = await reader.logs_in(block)
            await self._remembered.compare(block)
            await self._handover.deliver(window.append(block, logs))
            await self._handover.report(window)

    async def _forget_all(
        self, reader: ChainReader, window: ConfirmationWindow, first_new: Header
    ) -> None:
        """The chain forked below everything we remember: begin again from there."""
        if first_new.number == 0:
            raise MalformedAnswer("its chain has another first block than ours")
        log.error(
            "the chain replaced more blocks than this node remembers",
            fork_block_num=first_new.number,
        )
        window.restart_at(await self._remembered.base_below(reader, window.lowest))
        self._handover.begin_at(window.cursor.number)

    async def _observe_more(self, reader: ChainReader, window: ConfirmationWindow) -> None:
        """Read on without the quorum, block by block: what is observed waits for nobody (M19)."""
        before = window.head
        block = await reader.at(before.number + BY_HASH_BLOCK_COUNT)
        if block is not None:
            await self._join(reader, window, block)
        if window.head == before:
            await trio.sleep(QUORUM_PAUSE_S)

    async def _read_stretch(
        self, reader: ChainReader, window: ConfirmationWindow, limit_num: int
    ) -> bool:
        """Read many old blocks at once; all of them are deep enough to be confirmed.

        False if too few endpoints tell the same of even one of them.
        """
        still_ours = await reader.at(window.head.number)
        if still_ours is not None and still_ours != window.head:
            await self._join(reader, window, still_ours)
        may_shrink, cursor = self._stretch.count > 1, window.cursor
        if not await self._confirm(reader, window, window.head):
            return may_shrink or window.cursor != cursor
        first_num = window.head.number + 1
        last_num = min(limit_num, window.head.number + self._stretch.count)
        last = await reader.at(last_num)
        try:
            logs = await reader.logs_between(first_num, last_num)
        except RpcError:
            if not self._stretch.refused():
                raise
            return True
        if last is None or await reader.at(last_num) != last:
            raise RpcError("eth_getLogs", 0, f"block {last_num} was replaced meanwhile")
        if not await self._witnesses.tell_logs(reader, window.head, last, logs):
            return self._stretch.refused()
        await self._remembered.compare_between(reader, first_num, last_num)
        self._stretch.served()
        await self._handover.deliver(window.bury())
        for item in logs:
            await self._handover.deliver([item, replace(item, confirmed=True)])
        window.restart_at(last)
        await self._handover.report(window)
        return True

    def _say_behind(self, newest: Header, expected_num: int) -> None:
        if not self._behind:
            self._behind = True
            log.warning(
                "the chain endpoint is behind what this node has seen, waiting",
                endpoint_block_num=newest.number,
                expected_block_num=expected_num,
            )


def _fits(window: ConfirmationWindow, block: Header) -> bool:
    """Whether the block's parent is in the window."""
    parent = window.at(block.number - 1)
    return parent is not None and parent.hash == block.parent_hash
