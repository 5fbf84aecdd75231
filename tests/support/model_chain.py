"""A chain made of rules: the adjudicator's deposits and conclusions, and who hears of them.

It executes the real call data, checks the real signatures, and hands every node the inputs that a
chain follower would: observed logs, confirmed ones `depth` blocks later, reorgs, receipts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode, encode
from msgspec.structs import replace

from protocols import inputs
from protocols.abi import APPROVE_SELECTOR, DEPOSIT_SELECTOR
from protocols.crypto import recover_address
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.exit_calls import CONCLUDE_AND_TRANSFER_SELECTOR
from protocols.outcome import Allocation, SingleAssetExit, total
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId
from tests.support.builders import ADJUDICATOR, block_hash, chain_log, tx_hash
from tests.support.model_adjudicator import Kept, ModelAdjudicator, amounts_of, external

START_S = 1_700_000_000
"""The chain's time before its first block."""
BLOCK_TIME_S = 12


@dataclass
class ModelTransaction:
    """A signed transaction, as the model's chain sees it."""

    intent_id: bytes
    tx_hash: bytes
    sender: Address
    to: Address
    value: int
    data: bytes


@dataclass
class ModelBlock:
    """One block and what the holdings were before it."""

    number: int
    block_hash: bytes
    held_before: dict[ChannelId, int]
    concluded_before: frozenset[ChannelId]
    kept_before: dict[ChannelId, Kept]
    time_s: int = 0
    """The block's own time."""
    transactions: list[ModelTransaction] = field(default_factory=list)
    logs: list[inputs.ChainLog] = field(default_factory=list)


class ModelChain:
    """The adjudicator's rules as far as these nodes use them, and a follower for each node."""

    def __init__(self, followers: Iterable[Address], depth: int) -> None:
        self.depth = depth
        self.held: dict[ChannelId, int] = {}
        """Of the one asset that is deposited into each channel."""
        self.allowances: dict[tuple[Address, Address], int] = {}
        """By token and owner: what the adjudicator may take. Forks leave it alone."""
        self.concluded: frozenset[ChannelId] = frozenset()
        self.paid: dict[Address, int] = {}
        self.blocks: list[ModelBlock] = []
        self.pool: list[ModelTransaction] = []
        self.feeds: dict[Address, list[inputs.Input]] = {address: [] for address in followers}
        """Chain facts on their way to each node, in order."""
        self._requests: dict[bytes, ModelTransaction] = {}
        self._reported: set[bytes] = set()
        self.disputes = ModelAdjudicator()
        self.time_s = START_S
        """Of the newest block."""
        self._fork = 0
        self._confirmed_num = 0

    def sign(self, address: Address, order: SubmitTransaction) -> None:
        """The node's chain room signs: the node learns of it first, then broadcasts."""
        made_up = tx_hash(len(self._requests), index=1)
        value = int.from_bytes(order.value, "big")
        signed = ModelTransaction(order.intent_id, made_up, address, order.to, value, order.data)
        self._requests[made_up] = signed
        nonce = len(self._requests)
        fact = inputs.TransactionSigned(order.intent_id, made_up, address, nonce, order.data)
        self.feeds[address].append(fact)

    def broadcast(self, order: BroadcastTransaction) -> None:
        """The transaction waits for a block."""
        known = self._requests[order.tx_hash]
        if known not in self.pool and known.tx_hash not in self._reported:
            self.pool.append(known)

    def read(self, address: Address, question: ReadHoldings) -> None:
        """The node's chain room reads what is held at its newest confirmed block."""
        number, held = self._confirmed_num, self.held
        if number < len(self.blocks):
            held = self.blocks[number].held_before
        name = self.blocks[number - 1].block_hash if number else bytes(32)
        channel_id, asset = question.channel_id, question.asset
        fact = inputs.ChannelRead(channel_id, asset, held.get(channel_id, 0), number, name, 0)
        self.feeds[address].append(fact)

    @property
    def transaction_count(self) -> int:
        """Transactions that anybody ever signed for."""
        return len(self._requests)

    def stranger_deposits(self, channel_id: ChannelId, amount: int) -> None:
        """Somebody nobody knows adds to the holdings, in the next block."""
        data = DEPOSIT_SELECTOR + encode(
            ["address", "bytes32", "uint256", "uint256"],
            ["0x" + "00" * 20, channel_id, self.held.get(channel_id, 0), amount],
        )
        name = tx_hash(len(self.blocks), index=2)
        stranger = ModelTransaction(b"", name, b"\x99" * 20, ADJUDICATOR, amount, data)
        self.pool.insert(0, stranger)

    def mine(self) -> None:
        """One more block with everything that waits; both followers hear of it."""
        number = len(self.blocks) + 1
        self.time_s += BLOCK_TIME_S
        block = ModelBlock(
            number,
            block_hash(number, self._fork),
            dict(self.held),
            self.concluded,
            dict(self.disputes.kept),
            self.time_s,
        )
        self.blocks.append(block)
        block.transactions, self.pool = self.pool, []
        for transaction in block.transactions:
            self._execute(block, transaction)
        for feed in self.feeds.values():
            feed += block.logs
        while self._confirmed_num < number - self.depth:
            self._confirmed_num += 1
            self._confirm(self._confirmed_num)

    @property
    def is_busy(self) -> bool:
        """True while a transaction waits for a block or a log for its confirmation."""
        return bool(self.pool) or any(block.logs for block in self.blocks[self._confirmed_num :])

    def reorg(self, count: int, *, keeps: bool = True) -> None:
        """The newest blocks are replaced by others, at most `depth` of them.

        Their transactions are mined again at once, in the same order; unless it `keeps` them:
        then they are gone, and only who broadcasts one again brings it back.
        """
        count = min(count, len(self.blocks), self.depth)
        if count == 0:
            return
        replaced = self.blocks[-count:]
        del self.blocks[-count:]
        self.held, self.concluded = dict(replaced[0].held_before), replaced[0].concluded_before
        self.disputes.kept = dict(replaced[0].kept_before)
        self._fork += 1
        number = replaced[0].number
        fact = inputs.ChainReorg(number, replaced[0].block_hash, block_hash(number, self._fork))
        for feed in self.feeds.values():
            feed.append(fact)
        again = [transaction for block in replaced for transaction in block.transactions]
        self._reported -= {transaction.tx_hash for transaction in again}
        if keeps:
            self.pool = again + self.pool
        self.mine()
        for _ in range(count):
            self.mine()

    def _confirm(self, number: int) -> None:
        block = self.blocks[number - 1]
        logs = [replace(log, confirmed=True) for log in block.logs]
        head = inputs.ChainHead(number, block.block_hash, block.time_s)
        for feed in self.feeds.values():
            feed += [*logs, head]
        for log in logs:
            if log.log_name == "OutcomePaid":
                self._pay(log)

    def _pay(self, log: inputs.ChainLog) -> None:
        known = self.disputes.kept[log.channel_id]
        for index, amount in zip(log.indices, log.amounts, strict=True):
            who = external((known.first_outcome or known.outcome)[0].allocations[index])
            if who is not None:
                self.paid[who] = self.paid.get(who, 0) + amount

    def pass_time(self, seconds: int) -> None:
        """The next block comes so much later."""
        self.time_s += seconds

    def _run(self, transaction: ModelTransaction, now_s: int) -> list[inputs.ChainLog] | None:
        """What the call does in a block of that time: its logs; None if it reverts."""
        run = {DEPOSIT_SELECTOR: self._deposit, CONCLUDE_AND_TRANSFER_SELECTOR: self._conclude}
        if transaction.to != ADJUDICATOR:
            run = {APPROVE_SELECTOR: self._approve}
        if transaction.to == ADJUDICATOR and transaction.data[:4] not in run:
            return self.disputes.run(transaction.data, now_s, self.held)
        return run[transaction.data[:4]](transaction)

    def _execute(self, block: ModelBlock, transaction: ModelTransaction) -> None:
        logs = self._run(transaction, block.time_s)
        for log in logs or []:
            placed = replace(
                log,
                block_num=block.number,
                block_hash=block.block_hash,
                tx_hash=transaction.tx_hash,
                tx_index=block.transactions.index(transaction),
                log_index=len(block.logs),
                confirmed=False,
            )
            block.logs.append(placed)
        if transaction.intent_id and transaction.tx_hash not in self._reported:
            self._reported.add(transaction.tx_hash)
            self.feeds[transaction.sender].append(
                inputs.TransactionReceipt(
                    transaction.intent_id,
                    transaction.tx_hash,
                    block.number,
                    block.block_hash,
                    50_000,
                    10**9,
                    logs is not None,
                )
            )

    def _deposit(self, transaction: ModelTransaction) -> list[inputs.ChainLog] | None:
        kinds = ["address", "bytes32", "uint256", "uint256"]
        asset, channel_id, expected, amount = decode(kinds, transaction.data[4:])
        token = _address(asset)
        assert transaction.value == (amount if token == ZERO_ADDRESS else 0)
        if self.held.get(channel_id, 0) != expected:
            return None
        if token != ZERO_ADDRESS:
            allowed = self.allowances.get((token, transaction.sender), 0)
            if allowed < amount:
                return None
            self.allowances[token, transaction.sender] = allowed - amount
        held = self.held[channel_id] = expected + amount
        return [chain_log("Deposited", 0, channel_id=channel_id, asset=token, amount=held)]

    def _approve(self, transaction: ModelTransaction) -> list[inputs.ChainLog] | None:
        spender, amount = decode(["address", "uint256"], transaction.data[4:])
        assert (_address(spender), transaction.value) == (ADJUDICATOR, 0)
        self.allowances[transaction.to, transaction.sender] = amount
        return []

    def _conclude(self, transaction: ModelTransaction) -> list[inputs.ChainLog] | None:
        fixed, final, signatures = decode_conclude_call(transaction.data)
        channel_id = fixed.channel_id()
        if self.disputes.is_final(channel_id, self.time_s):
            return None
        assert final.is_final
        for (v, r, s), who in zip(signatures, fixed.participants, strict=True):
            assert recover_address(final.state_hash(), r + s + bytes((v,))) == who
        (exit_,) = final.outcome
        held = self.held.get(channel_id, 0)
        assert held >= total(exit_), "the outcome is not covered"
        self.concluded |= {channel_id}
        self.disputes.pay_out(channel_id, final.outcome, self.time_s)
        self.held[channel_id] = held - total(exit_)
        amounts = [(i, a.amount) for i, a in enumerate(exit_.allocations) if a.amount]
        common: dict[str, Any] = {"channel_id": channel_id}
        return [
            chain_log(
                "Concluded", 0, number=self.time_s, amounts=amounts_of(final.outcome), **common
            ),
            chain_log("AllocationUpdated", 0, amount=self.held[channel_id], **common),
            chain_log(
                "OutcomePaid",
                0,
                indices=tuple(i for i, _ in amounts),
                amounts=tuple(a for _, a in amounts),
                **common,
            ),
        ]


def decode_conclude_call(data: bytes) -> tuple[FixedPart, State, list[tuple[int, bytes, bytes]]]:
    """The arguments of concludeAndTransferAllAssets, read by eth_abi."""
    exits = "(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[]"
    kinds = [
        "(address[],uint64,address,uint48)",
        f"(({exits},bytes,uint48,bool),(uint8,bytes32,bytes32)[])",
    ]
    fixed_values, (variable, signatures) = decode(kinds, data[4:])
    participants, nonce, app, duration = fixed_values
    fixed = FixedPart(tuple(map(_address, participants)), nonce, _address(app), duration)
    outcome, app_data, turn_num, is_final = variable
    exits_read = tuple(
        SingleAssetExit(
            _address(asset), tuple(Allocation(*values) for values in allocations), *metadata
        )
        for asset, metadata, allocations in outcome
    )
    return fixed, State(fixed, app_data, exits_read, turn_num, is_final), list(signatures)


def _address(text: str) -> Address:
    return bytes.fromhex(text[2:])
