"""What an endpoint tells unasked: new blocks, and logs that it took back.

None of it is a fact. A new block says that the chain should be read; a log that is called removed
says that it should be read now, and from where. What is lost on the way, polling finds: where it
finds blocks again and again that nobody told of, the subscriptions are begun anew.
Source: `eth_subscribe` as geth documents it, `newHeads` and `logs`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog
import trio

from node.chain.errors import EndpointDown, RpcError
from node.chain.rpc_client import RpcClient, Subscription
from node.chain.wire import BlockName, Header, header, removed_block
from protocols.types import Address, to_hex

UNTOLD_COUNT_MAX = 3
"""Polls in a row that found a block nobody told of, after which the subscriptions are renewed."""
HINT_INTERVAL_S = 0.5
"""Seconds between two looks for which there is no other reason than a removed log."""

log = structlog.get_logger()


class Tidings(NamedTuple):
    """What came since the last time."""

    newest: Header | None = None
    """The newest block told of, or None when it is time to ask."""
    removed: tuple[BlockName, ...] = ()
    """Blocks of which a log was called removed."""


class News:
    """The subscriptions of one connection; none where the endpoint offers none."""

    def __init__(self, client: RpcClient, adjudicator: Address) -> None:
        self._client = client
        self._address = to_hex(adjudicator)
        self._heads: Subscription | None = None
        self._logs: Subscription | None = None
        self._stir = trio.Event()
        self._untold_count = 0
        self._hinted_at = -HINT_INTERVAL_S
        self._removed: dict[BlockName, None] = {}

    @property
    def tells_blocks(self) -> bool:
        """Whether new blocks are told at all."""
        return self._heads is not None

    async def begin(self) -> None:
        """Subscribe. Raises `EndpointDown`."""
        self._heads = await self._subscribe("newHeads")
        if self._heads is not None:
            self._logs = await self._subscribe("logs", {"address": self._address})

    async def next(self, wait_s: float) -> Tidings:
        """The next tidings, or none after so many seconds.

        Raises `EndpointDown` once the connection is gone, and `MalformedAnswer`.
        """
        if self._heads is None:
            with trio.move_on_after(wait_s):
                await self._client.closed.wait()
                raise EndpointDown(self._client.label, self._client.closed_reason)
            return Tidings()
        give_up_at = trio.current_time() + wait_s
        while True:
            self._stir = trio.Event()
            newest = self._newest()
            self._collect_removed()
            hint_at = self._hinted_at + HINT_INTERVAL_S
            if newest is not None or (self._removed and trio.current_time() >= hint_at):
                return self._told(newest)
            with trio.move_on_at(min(give_up_at, hint_at) if self._removed else give_up_at):
                await self._stir.wait()
                continue
            if trio.current_time() >= give_up_at:
                return self._told(None)

    async def polled(self, *, found_untold: bool) -> None:
        """The head was asked for because nobody told of one; whether there was a new one."""
        if self._heads is None:
            return
        self._untold_count = self._untold_count + 1 if found_untold else 0
        if self._untold_count >= UNTOLD_COUNT_MAX:
            log.info("block notifications stopped, subscribing again", endpoint=self._client.label)
            self._untold_count = 0
            for subscription in (self._heads, self._logs):
                if subscription is not None:
                    await self._client.unsubscribe(subscription)
            self._heads = self._logs = None
            await self.begin()

    async def _subscribe(self, kind: str, *params: Any) -> Subscription | None:
        try:
            found = await self._client.subscribe(kind, *params)
        except RpcError as error:
            log.info("no notifications", kind=kind, endpoint=self._client.label, reason=str(error))
            return None
        if found is not None:
            found.on_news = self._wake
        return found

    def _wake(self) -> None:
        self._stir.set()

    def _newest(self) -> Header | None:
        assert self._heads is not None
        told = self._heads.take()
        if told:
            self._untold_count = 0
        return header(told[-1]) if told else None

    def _collect_removed(self) -> None:
        for told in self._logs.take() if self._logs is not None else ():
            block = removed_block(told)
            if block is not None:
                self._removed[block] = None

    def _told(self, newest: Header | None) -> Tidings:
        removed, self._removed = tuple(self._removed), {}
        if removed:
            self._hinted_at = trio.current_time()
        return Tidings(newest, removed)
