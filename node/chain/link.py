"""Keeps one of several endpoints connected, and lends it to whoever needs the chain.

Endpoints are tried in the order of the configuration, the first again after every loss; one that
was at fault lately comes after those that were not. One that serves another chain, or has no
adjudicator, is refused like one that is down: a person made a mistake, and the other endpoints are
still good. While none answers, the link waits and says so once; callers wait with it. Nothing here
knows what the calls are for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
import trio

from node.chain.deployment import check_endpoint
from node.chain.errors import EndpointDown, NoCodeAtAddress, RpcError, WrongChain
from node.chain.http_client import client_for
from node.chain.rpc_client import RpcClient
from node.chain.streams import require_url
from node.chain.wire import MalformedAnswer
from protocols.types import Address

BACKOFF_S_MIN = 0.25
"""Seconds before the endpoints are tried again, doubling from here."""
BACKOFF_S_MAX = 30.0
"""Seconds between tries when nobody answers for long."""
FAULT_MEMORY_S = 300.0
"""Seconds for which an endpoint that broke the rules is tried after the others."""

log = structlog.get_logger()


class ChainTrouble(NamedTuple):
    """What is wrong with the chain, or with our way to it, that its owner should know."""

    name: str
    what: str
    next_step: str
    intent_id: bytes | None = None
    """Of the one transaction that it is about, if it is."""


class EndpointLink:
    """One endpoint out of `urls` at a time."""

    def __init__(
        self, urls: Sequence[str], chain_id: int, contracts: Mapping[str, Address]
    ) -> None:
        if not urls:
            raise ValueError("at least one chain endpoint is needed")
        for url in urls:
            require_url(url)
        self._urls = tuple(urls)
        self._chain_id = chain_id
        self._contracts = dict(contracts)
        self._client: RpcClient | None = None
        self._changed = trio.Event()
        self._backoff_s = BACKOFF_S_MIN
        self._troubles: tuple[str, ...] = ()
        self._url = ""
        self._faults: dict[str, float] = {}

    @property
    def endpoint(self) -> str:
        """The label of the connected endpoint, or nothing."""
        return self._client.label if self._client is not None else ""

    @property
    def urls(self) -> tuple[str, ...]:
        """What it was made with."""
        return self._urls

    @property
    def url(self) -> str:
        """The endpoint connected last, path and all: never for a log line."""
        return self._url

    @property
    def connected(self) -> bool:
        """Whether an endpoint is connected as far as we know."""
        return self._client is not None

    def troubles(self) -> list[ChainTrouble]:
        """That no endpoint answers, if so."""
        if self._client is not None or not self._troubles:
            return []
        what = "no chain endpoint answers: " + "; ".join(self._troubles)
        return [
            ChainTrouble(
                "no-endpoint",
                what,
                "start one of [chain] urls: no restart is needed; or stop the node, add another "
                "and type: tally run -c DIR --set chain.urls=URL,URL",
            )
        ]

    async def client(self) -> RpcClient:
        """The connected client, waiting for one as long as it takes."""
        while self._client is None or self._client.closed.is_set():
            await self._changed.wait()
        return self._client

    async def call(self, method: str, params: list[Any]) -> Any:
        """One call on whatever endpoint is connected; raises as `RpcClient.call`.

        Never repeated here: only the caller knows whether that is safe.
        """
        return await (await self.client()).call(method, params)

    def proved_useful(self) -> None:
        """The endpoint gave us something: after its loss the first wait is short again."""
        self._backoff_s = BACKOFF_S_MIN

    def blame(self, client: RpcClient, reason: str) -> None:
        """The client's endpoint answers what it must not: others are preferred for a while.

        It is given up at once where there is another that was not at fault lately. Where there is
        none it stays: a bad endpoint is more than no endpoint, and may be bad at one call alone.
        """
        if client is not self._client:
            return
        self._faults[self._url] = trio.current_time()
        if any(self._fault_time(url) == -math.inf for url in self._urls):
            client.close(reason)

    def _fault_time(self, url: str) -> float:
        """When the endpoint was at fault; -inf when that is long ago."""
        at = self._faults.get(url, -math.inf)
        return at if trio.current_time() - at < FAULT_MEMORY_S else -math.inf

    async def run(self) -> None:
        """Connect, keep, replace; for ever."""
        while True:
            for url in sorted(self._urls, key=self._fault_time):
                if await self._serve(url):
                    # It worked until now: begin again with the preferred endpoint.
                    break
            await trio.sleep(self._backoff_s)
            self._backoff_s = min(self._backoff_s * 2, BACKOFF_S_MAX)

    async def _serve(self, url: str) -> bool:
        """Use this endpoint until it is lost; whether it was usable at all."""
        client = client_for(url)
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(client.run)
                await check_endpoint(client, self._chain_id, self._contracts)
            except (EndpointDown, WrongChain, NoCodeAtAddress) as error:
                self._refused(client, str(error))
            except (RpcError, MalformedAnswer) as error:
                self._refused(client, f"{client.label}: {error}")
            else:
                self._url = url
                self._begin(client)
                await client.closed.wait()
                self._lost(client)
                return True
            finally:
                client.close("not used any more")
        return False

    def _begin(self, client: RpcClient) -> None:
        log.info("chain endpoint connected", endpoint=client.label)
        self._troubles = ()
        self._use(client)

    def _lost(self, client: RpcClient) -> None:
        self._use(None)
        log.warning(
            "chain endpoint lost, looking for another",
            endpoint=client.label,
            reason=client.closed_reason,
        )

    def _use(self, client: RpcClient | None) -> None:
        self._client = client
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    def _refused(self, client: RpcClient, reason: str) -> None:
        """Say it once per reason, not at every try."""
        if reason not in self._troubles:
            self._troubles = (*self._troubles, reason)[-2 * len(self._urls) :]
            log.warning(
                "chain endpoint not usable, waiting for one", endpoint=client.label, reason=reason
            )
