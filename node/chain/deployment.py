"""Is this the chain, and are these the contracts, that the node was made for?

Asked once when a daemon starts, where the answer is an error a person reads, and again of every
endpoint before it is used. Does not know why the answer matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
import trio

from node.chain.errors import (
    ChainError,
    EndpointDown,
    NoCodeAtAddress,
    NoTokenAtAddress,
    RpcError,
    WrongChain,
)
from node.chain.http_client import client_for
from node.chain.rpc_client import RpcClient
from node.chain.wire import MalformedAnswer, data, quantity
from protocols.types import Address, to_hex

RETRY_S = 0.5
"""Seconds between rounds over endpoints that do not answer."""

log = structlog.get_logger()


async def verify_deployment(
    urls: Sequence[str],
    chain_id: int,
    contracts: Mapping[str, Address],
    tokens: Sequence[Address] = (),
) -> None:
    """Return when an endpoint answers and serves `chain_id` with code at every address.

    `contracts` maps configuration keys (`adjudicator`, ...) to addresses; `tokens` are those the
    policy accepts. Endpoints are asked in order; while none answers this waits, saying so once.
    Raises `WrongChain`, `NoCodeAtAddress` or `NoTokenAtAddress` as the first that answers gives
    reason to.
    """
    said = False
    while True:
        for url in urls:
            try:
                return await _ask(url, chain_id, contracts, tokens)
            except (EndpointDown, RpcError, MalformedAnswer) as error:
                if not said:
                    log.warning("waiting for a chain endpoint", reason=str(error))
        said = True
        await trio.sleep(RETRY_S)


async def check_endpoint(
    client: RpcClient,
    chain_id: int,
    contracts: Mapping[str, Address],
    tokens: Sequence[Address] = (),
) -> None:
    """Raise `WrongChain`, `NoCodeAtAddress` or `NoTokenAtAddress`.

    Besides `EndpointDown`, `RpcError` and `MalformedAnswer` when the question got no answer.
    """
    served = quantity(await client.call("eth_chainId", []), "chain id")
    if served != chain_id:
        raise WrongChain(client.label, chain_id, served)
    for name, address in contracts.items():
        if not await _has_code(client, address):
            raise NoCodeAtAddress(client.label, name, address, chain_id)
    for address in tokens:
        if not await _has_code(client, address):
            raise NoTokenAtAddress(client.label, address, chain_id)


async def _has_code(client: RpcClient, address: Address) -> bool:
    code = await client.call("eth_getCode", [to_hex(address), "latest"])
    return bool(data(code, "contract code"))


async def _ask(
    url: str, chain_id: int, contracts: Mapping[str, Address], tokens: Sequence[Address]
) -> None:
    client = client_for(url)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(client.run)
            await check_endpoint(client, chain_id, contracts, tokens)
        except (ChainError, MalformedAnswer) as error:
            # Carried out of the nursery by hand: it would come out wrapped in a group.
            failure = error
        client.close("asked and answered")
    if failure is not None:
        raise failure
