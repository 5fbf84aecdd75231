"""A chain with prices and forks: transactions wait until they bid enough, and blocks are replaced.

Each transaction of a node has a nonce and a bid. A block takes what bids its base fee, in the order
of nonces; under one nonce the highest bid stands. A fork may be deeper than anybody waits for, and
may keep what was in the replaced blocks or lose it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from node.chain.fees import Fees
from node.chain.wire import Header
from protocols import inputs
from protocols.effects import SubmitTransaction
from protocols.outcome import Outcome
from protocols.types import Address, Bytes32, ChannelId
from tests.simulation.simulator.chain import Chain
from tests.support.builders import ADJUDICATOR, chain_log, tx_hash
from tests.support.model_adjudicator import Kept, amounts_of, external
from tests.support.model_chain import (
    BLOCK_TIME_S,
    START_S,
    ModelTransaction,
    decode_conclude_call,
)

GWEI = 10**9
BLOCK_S = 1
"""From block to block: the chain's time and the nodes' pass alike."""
BASE_FEE_WEI = 10 * GWEI
TIP_WEI = 1 * GWEI


class Bid(Struct, frozen=True):
    """A signed transaction of a node."""

    transaction: ModelTransaction
    nonce: int
    fees: Fees
    deadline_s: int

    @property
    def name(self) -> Bytes32:
        """Its hash; it stands for its bytes, too."""
        return self.transaction.tx_hash

    @property
    def place(self) -> tuple[Address, int]:
        """What only one transaction may have in the end."""
        return self.transaction.sender, self.nonce


class _Before(Struct, frozen=True):
    """What a block changed, as it was before."""

    deposited: dict[tuple[Address, Address], int]
    allowances: dict[tuple[Address, Address], int]
    counts: dict[Address, int]
    paid: dict[Address, int]
    paid_from: dict[ChannelId, int]


class ForkingChain(Chain):
    """The adjudicator's rules on a chain that is not always kind."""

    def __init__(self, followers: Iterable[Address], depth: int) -> None:
        super().__init__(followers, depth)
        self.base_fee_wei = BASE_FEE_WEI
        self.bids: dict[Bytes32, Bid] = {}
        """Everything a node ever signed, by hash."""
        self.waiting: dict[tuple[Address, int], Bid] = {}
        """What is not mined, by sender and nonce."""
        self.counts: dict[Address, int] = {}
        """How many transactions of each sender are mined."""
        self.paid_from: dict[ChannelId, int] = {}
        """What the adjudicator paid out of each channel."""
        self.buried: dict[tuple[ChannelId, int, Bytes32], set[int]] = {}
        """Channel, block and transaction of every log that ever lay deep enough, with what deposits
        brought the holdings to."""
        self._before: list[_Before] = []

    # --- what endpoints are asked ---

    def header(self, number: int) -> Header:
        """The block of that number; number 0 is before all others."""
        if number == 0:
            return Header(0, bytes(32), bytes(32), START_S)
        block = self.blocks[number - 1]
        parent = self.blocks[number - 2].block_hash if number > 1 else bytes(32)
        return Header(number, block.block_hash, parent, block.time_s)

    def held_at(self, channel_id: ChannelId, number: int) -> int:
        """What the channel held after that block."""
        held = self.held if number >= len(self.blocks) else self.blocks[number].held_before
        return held.get(channel_id, 0)

    def ends_at(self, channel_id: ChannelId, number: int) -> int:
        """When its challenge ends or ended, as of that block; 0 without one."""
        kept = self.disputes.kept
        if number < len(self.blocks):
            kept = self.blocks[number].kept_before
        return kept.get(channel_id, Kept()).finalizes_at

    def would_succeed(self, sender: Address, order: SubmitTransaction) -> bool:
        """Whether the call would go through if it were in the newest block."""
        kept, held, concluded = dict(self.disputes.kept), dict(self.held), self.concluded
        allowances = dict(self.allowances)
        value = int.from_bytes(order.value, "big")
        tried = ModelTransaction(b"", bytes(32), sender, order.to, value, order.data)
        succeeds = self._run(tried, self.time_s) is not None
        self.disputes.kept, self.held, self.concluded = kept, held, concluded
        self.allowances = allowances
        return succeeds

    def pending_count(self, sender: Address) -> int:
        """The first nonce that is neither mined nor waiting in turn."""
        count = self.counts.get(sender, 0)
        while (sender, count) in self.waiting:
            count += 1
        return count

    def bid(self, sender: Address, order: SubmitTransaction, nonce: int, fees: Fees) -> Bid:
        """The order signed under that nonce, with these fees."""
        name = tx_hash(len(self.bids), index=1)
        value = int.from_bytes(order.value, "big")
        signed = ModelTransaction(order.intent_id, name, sender, order.to, value, order.data)
        found = self.bids[name] = Bid(signed, nonce, fees, order.deadline_s)
        return found

    def raised(self, old: Bid, fees: Fees) -> Bid:
        """The same transaction with higher fees."""
        was = old.transaction
        name = tx_hash(len(self.bids), index=1)
        signed = ModelTransaction(was.intent_id, name, was.sender, was.to, was.value, was.data)
        found = self.bids[name] = Bid(signed, old.nonce, fees, old.deadline_s)
        return found

    def send(self, name: Bytes32) -> None:
        """The transaction waits for a block, unless its nonce is used or a higher bid waits."""
        bid = self.bids[name]
        if bid.nonce < self.counts.get(bid.transaction.sender, 0):
            return
        standing = self.waiting.get(bid.place)
        if standing is None or standing.fees.max_fee_wei < bid.fees.max_fee_wei:
            self.waiting[bid.place] = bid

    # --- blocks ---

    @property
    def is_busy(self) -> bool:
        return bool(self.waiting) or super().is_busy

    @property
    def deadline_s(self) -> int:
        """When the first of the running challenges ends; 0 if none runs."""
        ends = [kept.finalizes_at for kept in self.disputes.kept.values()]
        return min((end for end in ends if end > self.time_s), default=0)

    @property
    def quiet_count(self) -> int:
        """How many of the newest blocks say nothing."""
        count = 0
        for block in reversed(self.blocks):
            if block.logs:
                break
            count += 1
        return count

    @property
    def unconfirmed_payouts(self) -> int:
        return 0  # What is paid counts at once here; forks take it back.

    def mine(self) -> None:
        """One more block, with what bids enough."""
        self.time_s += BLOCK_S - BLOCK_TIME_S
        self._before.append(
            _Before(
                dict(self.deposited),
                dict(self.allowances),
                dict(self.counts),
                dict(self.paid),
                dict(self.paid_from),
            )
        )
        for place in sorted(self.waiting):
            sender, nonce = place
            if nonce < self.counts.get(sender, 0):
                del self.waiting[place]
                continue
            bid = self.waiting[place]
            if nonce == self.counts.get(sender, 0) and bid.fees.max_fee_wei >= self.base_fee_wei:
                self.pool.append(bid.transaction)
                self.counts[sender] = nonce + 1
                del self.waiting[place]
        super().mine()
        for log in self.blocks[-1].logs:
            if log.log_name == "OutcomePaid":
                self._count_payout(log)

    def fork(self, count: int, *, keeps: bool) -> None:
        """The newest blocks are replaced by others, and one more comes.

        What was in them is mined again, unless it `keeps` nothing: then who still wants it has to
        send it again.
        """
        count = min(count, len(self.blocks))
        if count == 0:
            return
        replaced, before = self.blocks[-count:], self._before[-count]
        del self.blocks[-count:], self._before[-count:]
        first = replaced[0]
        self.held, self.concluded = dict(first.held_before), first.concluded_before
        self.disputes.kept = dict(first.kept_before)
        self.deposited, self.allowances = dict(before.deposited), dict(before.allowances)
        self.counts, self.paid = dict(before.counts), dict(before.paid)
        self.paid_from = dict(before.paid_from)
        self._confirmed_num = min(self._confirmed_num, len(self.blocks))
        self.time_s = first.time_s - BLOCK_S
        self._fork += 1
        for transaction in [each for block in replaced for each in block.transactions]:
            self.receipts.pop(transaction.tx_hash, None)
            self._reported.discard(transaction.tx_hash)
            if not keeps:
                continue
            if transaction.tx_hash in self.bids:
                self.send(transaction.tx_hash)
            else:
                self.pool.append(transaction)
        for _ in range(count + 1):
            self.mine()

    def _confirm(self, number: int) -> None:
        """Who follows reads by itself."""
        for log in self.blocks[number - 1].logs:
            key = (log.channel_id, log.block_num, log.tx_hash)
            self.buried.setdefault(key, set()).add(log.amount)

    def _count_payout(self, log: inputs.ChainLog) -> None:
        known = self.disputes.kept[log.channel_id]
        shares = (known.first_outcome or known.outcome)[0].allocations
        for index, amount in zip(log.indices, log.amounts, strict=True):
            who = external(shares[index])
            assert who is not None, "only people are paid"
            self.paid[who] = self.paid.get(who, 0) + amount
            before = self.paid_from.get(log.channel_id, 0)
            self.paid_from[log.channel_id] = before + amount

    def _conclude(self, transaction: ModelTransaction) -> list[inputs.ChainLog] | None:
        """Concluded, and paid out as far as what is held goes: a fork may have taken deposits."""
        fixed, final, _ = decode_conclude_call(transaction.data)
        channel_id = fixed.channel_id()
        (exit_,) = final.outcome
        held = self.held.get(channel_id, 0)
        if held >= sum(share.amount for share in exit_.allocations):
            return super()._conclude(transaction)
        if self.disputes.is_final(channel_id, self.time_s):
            return None
        self.concluded |= {channel_id}
        amounts, rest = _affordable(final.outcome, held)
        self.held[channel_id] = held - sum(amounts.values())
        self.disputes.kept[channel_id] = Kept(0, self.time_s, bytes(32), rest, final.outcome)
        common: dict[str, Any] = {"channel_id": channel_id}
        paid = {"indices": tuple(amounts), "amounts": tuple(amounts.values())}
        return [
            chain_log(
                "Concluded", 0, number=self.time_s, amounts=amounts_of(final.outcome), **common
            ),
            chain_log("AllocationUpdated", 0, amount=self.held[channel_id], **common),
            chain_log("OutcomePaid", 0, **paid, **common),
        ]


def _affordable(outcome: Outcome, held: int) -> tuple[dict[int, int], Outcome]:
    """What is paid by place, and what is still owed."""
    (exit_,) = outcome
    amounts, shares = {}, []
    for place, share in enumerate(exit_.allocations):
        amount = min(share.amount, held)
        held -= amount
        shares.append(replace(share, amount=share.amount - amount))
        if amount:
            amounts[place] = amount
    return amounts, (replace(exit_, allocations=tuple(shares)),)


def of_stranger(name: Bytes32, data: bytes) -> ModelTransaction:
    """A call of somebody whose nonces and bids are nobody's business here."""
    return ModelTransaction(b"", name, b"\x98" * 20, ADJUDICATOR, 0, data)
