"""How one process's transactions are mined: the manager of the chain room, without its waiting.

Nonces, bids and when they rise are decided by the node's own `nonces` and `fees`; what is asked of
an endpoint there is asked of the simulated chain here. Signed bytes are the transaction's hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from node.chain.fees import Fees, Market, Moment, Standing, is_held_back, next_bid, step_at, wanted
from node.chain.nonces import NonceBook, OwnedTransaction
from node.chain.tx_desk import DISK_WAIT_S_MAX
from node.chain.tx_inbox import TransactionInbox
from node.chain.tx_manager import NONCE_TAKEN
from protocols import inputs
from protocols.effects import SubmitTransaction
from protocols.transactions import REPLACEMENT_COUNT_MAX
from protocols.types import Address, Bytes32
from tests.simulation.simulator.forking import GWEI, TIP_WEI, ForkingChain

CEILING_WEI = 500 * GWEI
"""What the owners allow."""


class Sender:
    """One key's way into blocks."""

    def __init__(
        self,
        chain: ForkingChain,
        me: Address,
        nonce_min: int,
        *,
        hand_in: Callable[[inputs.Input], None],
        clock_s: Callable[[], float],
    ) -> None:
        self.inbox = TransactionInbox()
        self._chain = chain
        self._me = me
        self._book = NonceBook(nonce_min)
        self._hand_in = hand_in
        self._clock_s = clock_s
        self._signed_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits that the core cares for."""
        owned = [each for each in self._book.in_order() if not each.settled]
        return not (owned or self.inbox.requests() or self.inbox._broadcasts)

    def outbid(self) -> Iterator[tuple[Bytes32, int]]:
        """What was let out, has to be mined in time and bids less than is asked: intent and bid."""
        asked_wei, now_s = self._chain.base_fee_wei, self._chain.time_s
        for owned in self._book.in_order():
            bid_wei = self._chain.bids[owned.tx_hash].fees.max_fee_wei
            deadline_s = self._book.urgent_deadline(owned.nonce)
            is_open = owned.may_broadcast and not owned.settled
            is_unmined = owned.nonce >= self._chain.counts.get(self._me, 0)
            if is_open and is_unmined and now_s < deadline_s and bid_wei < asked_wei:
                yield owned.intent_id, bid_wei

    def look(self, moment: Moment, depth: int, *, is_heard: bool) -> None:
        """Send, bid higher, sign; what an endpoint that `is_heard` not swallows is never mined."""
        self._take_orders(moment)
        unmined = [
            owned
            for owned in self._book.in_order()
            if owned.may_broadcast and not self._watch(owned, moment, depth, is_heard)
        ]
        self._bid_higher(unmined, moment)
        for effect in self.inbox.requests():
            if self._book.waits_for_disk() and not self._gave_up_waiting():
                return
            if effect.intent_id in self._book:
                self.inbox.finish_request(effect.intent_id)
            else:
                self._sign(effect, moment)

    @property
    def _market(self) -> Market:
        return Market(self._chain.base_fee_wei, TIP_WEI)

    def _take_orders(self, moment: Moment) -> None:
        for effect in self.inbox.take_broadcasts():
            owned = self._book.get(effect.intent_id)
            if owned is None:
                bid = self._chain.bids[effect.raw]
                owned = OwnedTransaction(effect.intent_id, bid.name, bid.nonce, bid.name)
                owned.began_s = owned.bid_s = moment.time_s
                self._book.own(owned)
            owned.let_out(effect)
            self._book.allow_broadcast(effect.intent_id)
        for intent_id in self.inbox.take_settled():
            owned = self._book.get(intent_id)
            if owned is not None and owned.may_broadcast:
                owned.settled = True
            elif owned is not None:
                self._book.forget(intent_id)

    def _watch(self, owned: OwnedTransaction, moment: Moment, depth: int, is_heard: bool) -> bool:
        receipts = [self._chain.receipts.get(name) for name in owned.tx_hashes]
        receipt = next((found for found in receipts if found is not None), None)
        if receipt is None:
            self._send(owned, is_heard)
            return owned.intent_id not in self._book
        if owned.reported_block_hash != receipt.block_hash and not owned.settled:
            self._hand_in(receipt)
        owned.reported_block_hash = receipt.block_hash
        if moment.block_num - receipt.block_num >= depth:
            self._book.forget(owned.intent_id)
        return True

    def _send(self, owned: OwnedTransaction, is_heard: bool) -> None:
        if owned.nonce < self._chain.counts.get(self._me, 0):
            # Somebody else's transaction has the nonce: one that this log forgot.
            self._book.forget(owned.intent_id)
            if not owned.settled:
                self._hand_in(inputs.TransactionRefused(owned.intent_id, NONCE_TAKEN))
        elif is_heard:
            self._chain.send(owned.tx_hash)

    def _bid_higher(self, unmined: list[OwnedTransaction], moment: Moment) -> None:
        now_s, market = self._clock_s(), self._market
        for owned in unmined:
            if owned.settled or now_s - owned.offered_at < DISK_WAIT_S_MAX:
                continue
            old = self._chain.bids[owned.tx_hash]
            deadline_s = self._book.urgent_deadline(owned.nonce)
            standing = Standing(old.fees, owned.step, owned.began_s, owned.bid_s, deadline_s)
            if is_held_back(standing, market, moment, CEILING_WEI) and not owned.held_back:
                owned.held_back = True
                left = moment.blocks_until(deadline_s)
                place = (market.base_fee_wei, CEILING_WEI, moment.block_num, left)
                self._hand_in(inputs.TransactionHeldBack(owned.intent_id, *place))
            bid = next_bid(standing, market, moment, CEILING_WEI)
            if bid is None or len(owned.earlier) >= REPLACEMENT_COUNT_MAX:
                continue
            owned.step, owned.bid_s, owned.offered_at = bid.step, moment.time_s, now_s
            self._replace(owned, old.fees, bid.fees, bid.reason.value)

    def _replace(self, owned: OwnedTransaction, old: Fees, fees: Fees, reason: str) -> None:
        new = self._chain.raised(self._chain.bids[owned.tx_hash], fees)
        names = (owned.intent_id, owned.tx_hash, new.name, owned.nonce)
        self._hand_in(inputs.TransactionReplaced(*names, tuple(old), tuple(fees), new.name, reason))

    def _gave_up_waiting(self) -> bool:
        if self._clock_s() - self._signed_at < DISK_WAIT_S_MAX:
            return False
        for owned in self._book.in_order():
            if not owned.may_broadcast:
                self._book.forget(owned.intent_id)
        return True

    def _sign(self, effect: SubmitTransaction, moment: Moment) -> None:
        if not self._chain.would_succeed(self._me, effect):
            self.inbox.finish_request(effect.intent_id)
            self._hand_in(inputs.TransactionRefused(effect.intent_id, "it would revert"))
            return
        market, end_s = self._market, effect.deadline_s
        if market.base_fee_wei > CEILING_WEI and not end_s:
            return
        step = step_at(moment, moment.time_s, end_s) if end_s else 0
        nonce = self._book.next_nonce(self._chain.pending_count(self._me))
        bid = self._chain.bid(self._me, effect, nonce, wanted(market, step, CEILING_WEI))
        owned = OwnedTransaction(effect.intent_id, bid.name, nonce, bid.name, end_s)
        owned.began_s = owned.bid_s = moment.time_s
        self._book.own(owned)
        self.inbox.finish_request(effect.intent_id)
        self._signed_at = self._clock_s()
        named = (effect.intent_id, bid.name, self._me, nonce, bid.name)
        self._hand_in(inputs.TransactionSigned(*named))
