"""The chain of the simulation, and how one process follows it.

The rules of the adjudicator are `ModelChain`'s. Who follows it starts at the cursor its log holds,
reads late, is told some things twice, and hears nothing while its endpoint is down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from msgspec.structs import replace

from protocols import inputs
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.types import Address, Bytes32
from tests.support.builders import tx_hash
from tests.support.model_chain import ModelBlock, ModelChain, ModelTransaction

REPEATED_SHARE = 0.1
"""How much of what a follower reads it reads twice."""
LATE_SHARE = 0.3
"""How often a follower does not look when there is something to see."""


class Chain(ModelChain):
    """Blocks, receipts and who put in what; everybody reads for himself."""

    def __init__(self, followers: Iterable[Address], depth: int) -> None:
        super().__init__((), depth)
        self._everyone = tuple(followers)
        self.receipts: dict[Bytes32, inputs.TransactionReceipt] = {}
        self.deposited: dict[tuple[Address, Address], int] = {}
        """By sender and asset: what the adjudicator took."""

    def sign_for(self, address: Address, order: SubmitTransaction) -> inputs.TransactionSigned:
        """The transaction under a nonce that was never used."""
        nonce = len(self._requests)
        name = tx_hash(nonce, index=1)
        value = int.from_bytes(order.value, "big")
        signed = ModelTransaction(order.intent_id, name, address, order.to, value, order.data)
        self._requests[name] = signed
        return inputs.TransactionSigned(order.intent_id, name, address, nonce, order.data)

    def broadcast(self, order: BroadcastTransaction) -> None:
        """The transaction waits for a block, unless it is in one."""
        known = self._requests[order.tx_hash]
        if known not in self.pool and known.tx_hash not in self.receipts:
            self.pool.append(known)

    def mine(self) -> None:
        """One more block with everything that waits."""
        # The rules tell everybody at once; here everybody reads, so only the receipts are kept.
        self.feeds = {who: [] for who in self._everyone}
        super().mine()
        for feed in self.feeds.values():
            for fact in feed:
                if isinstance(fact, inputs.TransactionReceipt):
                    self.receipts[fact.tx_hash] = fact
        self._count_deposits(self.blocks[-1])

    def _count_deposits(self, block: ModelBlock) -> None:
        before = dict(block.held_before)
        senders = {sent.tx_hash: sent.sender for sent in block.transactions}
        for log in block.logs:
            if log.log_name == "Deposited":
                key = (senders[log.tx_hash], log.asset)
                added = log.amount - before.get(log.channel_id, 0)
                self.deposited[key] = self.deposited.get(key, 0) + added
                before[log.channel_id] = log.amount

    @property
    def unconfirmed_payouts(self) -> int:
        """What left the adjudicator and is not in `paid` yet."""
        logs = [log for block in self.blocks[self.confirmed_num :] for log in block.logs]
        return sum(sum(log.amounts) for log in logs if log.log_name == "OutcomePaid")

    @property
    def confirmed_num(self) -> int:
        """The newest block deep enough to count."""
        return self._confirmed_num


class ChainRoom:
    """One process's way to the chain. Everything it knows it reads again after a restart."""

    def __init__(
        self,
        chain: Chain,
        me: Address,
        cursor: int,
        *,
        hand_in: Callable[[inputs.Input], None],
        random: Random,
    ) -> None:
        self._chain = chain
        self._me = me
        self._hand_in = hand_in
        self._random = random
        self._observed_num = max(0, cursor)
        self._confirmed_num = max(0, cursor)
        self._orders: list[SubmitTransaction] = []
        self._questions: list[ReadHoldings] = []
        self._sent: dict[Bytes32, BroadcastTransaction] = {}
        self.is_down = False
        """The endpoint does not answer."""

    # --- what the outbox asks for ---

    def request(self, effect: SubmitTransaction) -> None:
        self._orders.append(effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self._sent[effect.intent_id] = effect
        if not self.is_down:
            self._chain.broadcast(effect)

    def settle(self, intent_id: Bytes32) -> None:
        self._sent.pop(intent_id, None)

    def read(self, effect: ReadHoldings) -> None:
        self._questions.append(effect)

    # --- following ---

    @property
    def is_idle(self) -> bool:
        """Nothing is on its way in either direction."""
        return (
            not (self._orders or self._questions or self._sent)
            and self._confirmed_num >= self._chain.confirmed_num
        )

    def look(self, *, is_punctual: bool) -> None:
        """Read on, sign what was ordered, tell what became of what was sent."""
        if self.is_down or (not is_punctual and self._random.random() < LATE_SHARE):
            return
        for item in self._news():
            self._hand_in(item)
            if not is_punctual and self._random.random() < REPEATED_SHARE:
                self._hand_in(item)

    def _news(self) -> list[inputs.Input]:
        news: list[inputs.Input] = []
        orders, self._orders = self._orders, []
        news += [self._chain.sign_for(self._me, order) for order in orders]
        questions, self._questions = self._questions, []
        news += [self._answer(question) for question in questions]
        for effect in self._sent.values():
            receipt = self._chain.receipts.get(effect.tx_hash)
            if receipt is not None:
                news.append(receipt)
            else:
                self._chain.broadcast(effect)
        blocks = self._chain.blocks
        for block in blocks[self._observed_num :]:
            news += block.logs
        self._observed_num = len(blocks)
        for block in blocks[self._confirmed_num : self._chain.confirmed_num]:
            news += [replace(log, confirmed=True) for log in block.logs]
            news.append(inputs.ChainHead(block.number, block.block_hash, block.time_s))
        self._confirmed_num = max(self._confirmed_num, self._chain.confirmed_num)
        return news

    def _answer(self, question: ReadHoldings) -> inputs.ChannelRead:
        number, held = self._chain.confirmed_num, self._chain.held
        if number < len(self._chain.blocks):
            held = self._chain.blocks[number].held_before
        name = self._chain.blocks[number - 1].block_hash if number else bytes(32)
        channel_id = question.channel_id
        return inputs.ChannelRead(
            channel_id, question.asset, held.get(channel_id, 0), number, name, 0
        )
