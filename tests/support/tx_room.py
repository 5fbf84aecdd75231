"""A transaction manager at work on a pool in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from node.chain.fees import Moment
from node.chain.provider import web3_over
from node.chain.transactions import TransactionMaker
from node.chain.tx_inbox import TransactionInbox
from node.chain.tx_manager import TransactionManager
from protocols.effects import BroadcastTransaction, SubmitTransaction
from protocols.inputs import TransactionReplaced, TransactionSigned
from tests.support.actors import ALICE
from tests.support.chain_room import Inbox, allowed, until
from tests.support.simulated_pool import GWEI, SimulatedPool


def intent(number: int, deadline_s: int = 0) -> SubmitTransaction:
    """An intent named by its number."""
    name = number.to_bytes(32, "big")
    return SubmitTransaction(name, "deposit", b"\xad" * 20, bytes(32), bytes([number]), deadline_s)


class Desk:
    """A manager at work on a simulated pool."""

    def __init__(self, submit: Inbox, depth: int, nonce_min: int) -> None:
        self.pool = SimulatedPool()
        self.inbox = TransactionInbox()
        self.heard = submit
        web3 = web3_over(self.pool)
        maker = TransactionMaker(web3, ALICE.secret, 31_337, [], fee_ceiling_wei=100 * GWEI)
        self.time_s = 1_700_000_000
        self.manager = TransactionManager(
            self.pool,  # type: ignore[arg-type]
            maker,
            self.inbox,
            confirmation_count=depth,
            moment=lambda: Moment(self.pool.head_num, self.time_s, 12.0),
            submit=submit,
            nonce_min=nonce_min,
        )

    @property
    def bids(self) -> list[TransactionReplaced]:
        """Every higher bid, in order."""
        return self.heard.of(TransactionReplaced)

    @property
    def signed(self) -> list[TransactionSigned]:
        """Everything signed, in order."""
        return self.heard.of(TransactionSigned)

    async def sign(self, number: int, deadline_s: int = 0) -> TransactionSigned:
        """Ask for an intent and wait until it is signed."""
        before = len(self.signed)
        self.inbox.request(intent(number, deadline_s))
        await self.heard.until(lambda: len(self.signed) > before)
        return self.signed[-1]

    async def send(self, number: int) -> TransactionSigned:
        """Sign an intent, let it out, and wait until the pool has it."""
        signed = await self.sign(number)
        self.inbox.broadcast(allowed(signed))
        await until(lambda: "0x" + signed.tx_hash.hex() in self.pool.pool)
        return signed


@asynccontextmanager
async def desk(
    submit: Inbox | None = None, depth: int = 3, nonce_min: int = 0
) -> AsyncIterator[Desk]:
    """A running manager; without an engine nothing is let out by itself."""
    found = Desk(submit if submit is not None else Inbox(), depth, nonce_min)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.manager.run)
        yield found
        nursery.cancel_scope.cancel()


def let_out(bid: TransactionReplaced, *earlier: bytes, deadline_s: int = 0) -> BroadcastTransaction:
    """What the engine gives back once the bid is on disk."""
    return BroadcastTransaction(bid.intent_id, bid.tx_hash, bid.raw, deadline_s, earlier)
