"""What signing and watching transactions share: the orders, the nonces, and what was said of them.

Orders are taken from the inbox by whoever comes first. Nothing here asks a chain.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from node.chain.fees import Moment
from node.chain.link import ChainTrouble
from node.chain.nonces import NonceBook, OwnedTransaction
from node.chain.transactions import opened
from node.chain.tx_inbox import TransactionInbox
from protocols.types import Bytes32, to_hex

DISK_WAIT_S_MAX = 60.0
"""Seconds until a signed transaction that was neither let out nor settled is dropped: a bug of the
engine's must not keep every later transaction, defence included, from being signed."""

log = structlog.get_logger()


def has_had_its_time_to_disk(signed_at: float) -> bool:
    """Whether what was signed then, trio's time, should have been let out by now."""
    return trio.current_time() - signed_at >= DISK_WAIT_S_MAX


class TransactionDesk:
    """The open transactions of one key."""

    def __init__(
        self, inbox: TransactionInbox, moment: Callable[[], Moment], nonce_min: int = 0
    ) -> None:
        self.inbox = inbox
        self.book = NonceBook(nonce_min)
        self.moment = moment
        self._said: dict[Bytes32, str] = {}
        self._signed_at = 0.0

    def take_orders(self) -> None:
        """Broadcasts come first: the nonces they own must be known before one is given away."""
        for effect in self.inbox.take_broadcasts():
            owned = self.book.get(effect.intent_id)
            if owned is None:
                _, nonce = opened(effect.raw)
                now_s = self.moment().time_s
                name, raw = effect.tx_hash, effect.raw
                owned = OwnedTransaction(effect.intent_id, name, nonce, raw)
                owned.began_s = owned.bid_s = now_s
                self.book.own(owned)
            owned.let_out(effect)
            self.book.allow_broadcast(effect.intent_id)
        for intent_id in self.inbox.take_settled():
            owned = self.book.get(intent_id)
            if owned is None:
                continue
            if owned.may_broadcast:
                owned.settled = True
            else:
                self.forget(intent_id)

    def own_signed(self, owned: OwnedTransaction) -> None:
        """It was signed now, and leaves once its bytes are on disk."""
        self.book.own(owned)
        self.unsay(owned.intent_id)
        self._signed_at = trio.current_time()

    async def disk(self) -> None:
        """Wait until all that is signed is on disk, or has waited too long: that is dropped."""
        while True:
            seen_count = self.inbox.news_count
            self.take_orders()
            if not self.book.waits_for_disk():
                return
            if has_had_its_time_to_disk(self._signed_at):
                self._drop_what_waits()
                return
            with trio.move_on_at(self._signed_at + DISK_WAIT_S_MAX):
                await self.inbox.wait(seen_count)

    def _drop_what_waits(self) -> None:
        for owned in self.book.in_order():
            if not owned.may_broadcast:
                log.error("signed transaction was never let out", nonce=owned.nonce)
                self.forget(owned.intent_id)

    def forget(self, intent_id: Bytes32) -> None:
        """The transaction is buried, dead, or never left."""
        self.book.forget(intent_id)
        self.unsay(intent_id)

    def say(self, intent_id: Bytes32, trouble: str) -> None:
        """What is in an intent's way: one line per change, not per try."""
        if self._said.get(intent_id) != trouble:
            self._said[intent_id] = trouble
            log.warning("transaction waits", intent_id=to_hex(intent_id), reason=trouble)

    def unsay(self, intent_id: Bytes32) -> None:
        """Nothing is in its way any more."""
        self._said.pop(intent_id, None)

    def troubles(self) -> list[ChainTrouble]:
        """What keeps intents waiting that a person can mend."""
        return [
            ChainTrouble(
                "transaction-waits",
                reason,
                "mend what is in the way, no restart is needed; whether it goes on tells: "
                "tally objectives",
                intent_id,
            )
            for intent_id, reason in self._said.items()
        ]
