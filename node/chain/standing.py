"""Whether the outcome that a payout carries is the one that stands on chain (M4).

Asked when a call would revert, to tell a wrong fold, which a person must hear of, from what a
stranger's transaction or a receiver did. How often it is tried again is not decided here.
"""

from __future__ import annotations

from typing import Any, Protocol

from node.chain.reader import FINGERPRINT_BITS, STATUS_SELECTOR
from node.chain.wire import data
from protocols.crypto import keccak256
from protocols.exit_claims import Claim, claims_of
from protocols.types import Address, to_hex

FIRST_FINGERPRINT_SELECTOR = keccak256(b"firstFingerprintOf(bytes32)")[:4]


class Link(Protocol):
    """What this module needs of `link.EndpointLink`."""

    async def call(self, method: str, params: list[Any]) -> Any:
        """One call on whatever endpoint is connected."""


async def is_standing(link: Link, adjudicator: Address, call: bytes) -> bool:
    """Whether all that the call data claims stands now; true for a call that claims nothing.

    Raises `EndpointDown`, `RpcError` and `MalformedAnswer`.
    """
    for claim in claims_of(call):
        if await _kept(link, adjudicator, claim) != claim.fingerprint:
            return False
    return True


async def _kept(link: Link, adjudicator: Address, claim: Claim) -> bytes:
    if claim.is_first:
        first = await _view(link, adjudicator, FIRST_FINGERPRINT_SELECTOR + claim.channel_id)
        if any(first):
            return first
        # Nothing was paid out of it yet: what stands is what it finalised with.
    return await _view(link, adjudicator, STATUS_SELECTOR + claim.channel_id)


async def _view(link: Link, adjudicator: Address, call: bytes) -> bytes:
    order = {"to": to_hex(adjudicator), "data": to_hex(call)}
    answer = await link.call("eth_call", [order, "latest"])
    return data(answer, "a view's answer", 32)[FINGERPRINT_BITS]
