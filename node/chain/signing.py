"""Turns intents into signed transactions: several are tried out at once, one is signed at a time.

What must wait is told and tried again; what can never work is refused. The next one is signed once
the one before is on disk: if it never is, its nonce must still be the highest. Nothing is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from web3.exceptions import Web3Exception

from node.chain.errors import RpcError
from node.chain.link import EndpointLink
from node.chain.nonces import OwnedTransaction
from node.chain.side_by_side import CALLS_SIDE_BY_SIDE_MAX, side_by_side
from node.chain.standing import is_standing
from node.chain.transactions import (
    AboveCeiling,
    EndpointBehind,
    GasNotCovered,
    Prepared,
    TransactionMaker,
    WouldRevert,
)
from node.chain.tx_desk import TransactionDesk
from node.chain.tx_reader import TransactionReader
from node.chain.wire import recordable
from protocols.effects import SubmitTransaction
from protocols.inputs import Input, TransactionRefused, TransactionSigned
from protocols.transactions import OUTCOME_MISMATCH, filled_nonce

NONCE_NOT_MISSING = "the nonce is not missing any more"
"""Why a nonce is not filled."""

log = structlog.get_logger()


class _Never(NamedTuple):
    """The call can never work."""

    reason: str


class IntentSigner:
    """Works off the requests of the desk."""

    def __init__(
        self,
        desk: TransactionDesk,
        maker: TransactionMaker,
        reader: TransactionReader,
        *,
        link: EndpointLink,
        submit: Callable[[Input], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._maker = maker
        self._reader = reader
        self._link = link
        self._submit = submit

    async def sign_all(self) -> None:
        """Look at every request once. Raises `EndpointDown`, `MalformedAnswer` and what else an
        endpoint may refuse."""
        self._desk.take_orders()
        requests = self._desk.inbox.requests()
        for first in range(0, len(requests), CALLS_SIDE_BY_SIDE_MAX):
            await self._desk.disk()
            await self._sign_some(requests[first : first + CALLS_SIDE_BY_SIDE_MAX])

    async def _sign_some(self, requests: list[SubmitTransaction]) -> None:
        wanted: list[SubmitTransaction] = []
        for effect in requests:
            if effect.intent_id in self._desk.book:
                self._desk.inbox.finish_request(effect.intent_id)
            else:
                wanted.append(effect)
        found = await side_by_side(self._prepare, wanted)
        # Only now: an error of one call would take back what another was about to tell.
        for effect, reason in zip(wanted, found, strict=True):
            if isinstance(reason, _Never):
                await self._refuse(effect, reason.reason)
        if not any(isinstance(prepared, Prepared) for prepared in found):
            return
        pending_count = await self._reader.count("pending")
        for effect, prepared in zip(wanted, found, strict=True):
            if isinstance(prepared, Prepared):
                # More may have been allowed out while the endpoint was asked.
                await self._desk.disk()
                await self._sign(effect, prepared, pending_count)

    async def _prepare(self, effect: SubmitTransaction) -> Prepared | _Never | None:
        """The call as it would work now; None if it must wait, which is told."""
        missing = filled_nonce(effect.kind)
        if missing is not None and not await self.is_missing(missing):
            return _Never(NONCE_NOT_MISSING)
        try:
            return await self._maker.prepare(effect, self._desk.moment())
        except WouldRevert as error:
            stands = await is_standing(self._link, effect.to, effect.data)
            return _Never(recordable(error.reason) if stands else OUTCOME_MISMATCH)
        except (GasNotCovered, AboveCeiling, EndpointBehind, RpcError, Web3Exception) as error:
            # What the endpoint cannot tell of one must not hold up the others.
            self._desk.say(effect.intent_id, f"cannot sign yet: {error}")
        return None

    async def _refuse(self, effect: SubmitTransaction, reason: str) -> None:
        if self._desk.inbox.finish_request(effect.intent_id):
            log.warning("transaction refused", kind=effect.kind, reason=reason)
            await self._submit(TransactionRefused(effect.intent_id, reason))

    async def _sign(
        self, effect: SubmitTransaction, prepared: Prepared, pending_count: int
    ) -> None:
        if not self._desk.inbox.finish_request(effect.intent_id):
            return
        missing = filled_nonce(effect.kind)
        nonce = self._desk.book.next_nonce(pending_count) if missing is None else missing
        signed = self._maker.sign(prepared, nonce)
        owned = OwnedTransaction(
            effect.intent_id, signed.tx_hash, signed.nonce, signed.raw, effect.deadline_s
        )
        owned.began_s = owned.bid_s = self._desk.moment().time_s
        owned.may_be_mined = False
        self._desk.own_signed(owned)
        sender = self._maker.sender
        await self._submit(
            TransactionSigned(effect.intent_id, signed.tx_hash, sender, signed.nonce, signed.raw)
        )

    async def is_missing(self, nonce: int) -> bool:
        """Whether neither the chain nor a pool has a transaction with that nonce, nor have we."""
        if any(owned.nonce == nonce for owned in self._desk.book.in_order()):
            return False
        mined_count, pending_count = (
            await self._reader.count("latest"),
            await self._reader.count("pending"),
        )
        return mined_count <= nonce >= pending_count
