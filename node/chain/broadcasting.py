"""Signed transactions go to every endpoint, and one that keeps them for itself is named.

The endpoint in use is the caller's business; the others get the same bytes here, each at its own
pace, so that none can hold up another. What an endpoint answers is a claim: it took a transaction
when it knows it later. Nothing is kept for an endpoint that is away, for what is not mined is
offered again with every block.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
import trio

from node.chain.errors import EndpointDown, RpcError
from node.chain.link import ChainTrouble, EndpointLink
from node.chain.rpc_client import RpcClient
from node.chain.wire import MalformedAnswer
from protocols.types import Bytes32, to_hex

WAITING_COUNT_MAX = 256
"""Transactions that wait for one endpoint; more are offered again a block later."""
TAKEN_COUNT_MAX = 1_024
"""Transactions of which it is remembered that an endpoint has them."""
SWALLOWED_BLOCK_COUNT = 3
"""Blocks after which an endpoint that was given a transaction should know it, as others do."""
ANSWER_S = 5.0
"""Seconds in which an endpoint says whether it knows a transaction."""
ALARM_S = 3_600.0
"""Seconds for which an endpoint that swallowed a transaction is named, unless it knows another."""

log = structlog.get_logger()


class _Post:
    """What waits for one endpoint."""

    def __init__(self, line: EndpointLink) -> None:
        self.line = line
        self.waiting: dict[Bytes32, bytes] = {}
        self.news = trio.Event()


class Broadcaster:
    """Sends through `lines`, one for each endpoint, beside the one that `link` uses."""

    def __init__(self, link: EndpointLink, lines: Sequence[EndpointLink]) -> None:
        self._link = link
        self._posts = [_Post(line) for line in lines]
        self._taken: dict[Bytes32, None] = {}
        self._named: dict[str, tuple[float, str]] = {}

    async def run(self) -> None:
        """Send what is offered, for ever."""
        async with trio.open_nursery() as nursery:
            for post in self._posts:
                nursery.start_soon(self._serve, post)

    def offer(self, tx_hash: Bytes32, raw: bytes) -> None:
        """Give it to every endpoint but the one in use."""
        for post in self._posts:
            if post.line.connected and len(post.waiting) < WAITING_COUNT_MAX:
                post.waiting[tx_hash] = raw
                post.news.set()

    def was_taken(self, tx_hash: Bytes32) -> bool:
        """Whether an endpoint beside the one in use has it."""
        return tx_hash in self._taken

    async def look_for(self, tx_hash: Bytes32) -> None:
        """Ask all endpoints whether they know what was sent some blocks ago; who does not, while
        others do, is named, and given up if it is the one in use."""
        if not self._posts:
            return
        used = await self._link.client()
        known: dict[str, bool] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask, used, tx_hash, known)
            for post in self._others():
                if post.line.connected:
                    nursery.start_soon(self._ask, await post.line.client(), tx_hash, known)
        if not any(known.values()):
            return
        for label, knows in known.items():
            self._judge(label, tx_hash, knows=knows)
        if not known.get(used.label, True):
            self._link.blame(used, "it keeps transactions for itself")

    def troubles(self) -> list[ChainTrouble]:
        """Who keeps transactions for itself."""
        now = trio.current_time()
        return [
            ChainTrouble(
                "endpoint-swallows",
                what,
                "mend it; or stop the node, leave it out and type: tally run -c DIR --set "
                "chain.urls=URL,URL",
            )
            for until, what in self._named.values()
            if now < until
        ]

    def _others(self) -> list[_Post]:
        return [post for post in self._posts if post.line.urls != (self._link.url,)]

    def _judge(self, label: str, tx_hash: Bytes32, *, knows: bool) -> None:
        if knows:
            self._named.pop(label, None)
            return
        what = (
            f"{label} does not know transaction {to_hex(tx_hash)}, which was sent to it "
            f"{SWALLOWED_BLOCK_COUNT} blocks ago or earlier and which others have"
        )
        if label not in self._named:
            log.error("a chain endpoint swallows transactions", endpoint=label, what=what)
        self._named[label] = (trio.current_time() + ALARM_S, what)

    async def _serve(self, post: _Post) -> None:
        while True:
            while not post.waiting:
                post.news = trio.Event()
                await post.news.wait()
            tx_hash, raw = next(iter(post.waiting.items()))
            del post.waiting[tx_hash]
            if post.line.urls == (self._link.url,):
                continue
            client = await post.line.client()
            try:
                if await self._has(client, tx_hash, raw):
                    self._remember(tx_hash)
            except (EndpointDown, RpcError, MalformedAnswer) as error:
                log.debug("not sent to another endpoint", endpoint=client.label, reason=str(error))

    async def _has(self, client: RpcClient, tx_hash: Bytes32, raw: bytes) -> bool:
        """Send it; whether the endpoint has it now. Its refusal may say that it had it before."""
        try:
            await client.call("eth_sendRawTransaction", [to_hex(raw)])
        except RpcError:
            return await _knows(client, tx_hash)
        return True

    async def _ask(self, client: RpcClient, tx_hash: Bytes32, known: dict[str, bool]) -> None:
        with trio.move_on_after(ANSWER_S):
            try:
                known[client.label] = await _knows(client, tx_hash)
            except (EndpointDown, RpcError, MalformedAnswer) as error:
                log.debug("no word on a transaction", endpoint=client.label, reason=str(error))

    def _remember(self, tx_hash: Bytes32) -> None:
        self._taken.pop(tx_hash, None)
        self._taken[tx_hash] = None
        if len(self._taken) > TAKEN_COUNT_MAX:
            del self._taken[next(iter(self._taken))]


async def _knows(client: RpcClient, tx_hash: Bytes32) -> bool:
    return await client.call("eth_getTransactionByHash", [to_hex(tx_hash)]) is not None
