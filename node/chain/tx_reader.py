"""What an endpoint tells of one key's transactions: receipts, counts, whether it knows them."""

from __future__ import annotations

from typing import Any, Protocol

from node.chain.nonces import OwnedTransaction
from node.chain.transactions import opened
from node.chain.wire import MalformedAnswer, data, header, quantity
from protocols.inputs import TransactionReceipt
from protocols.transactions import OUT_OF_GAS, REVERTED
from protocols.types import Address, Bytes32, to_hex

NONCE_BITS = 63
"""A count of transactions: the nonces above it must still fit 64 bits."""


class Caller(Protocol):
    """What this module needs of a link or a client."""

    async def call(self, method: str, params: list[Any]) -> Any:
        """The result, as JSON values. Raises `RpcError` and `EndpointDown`."""


class TransactionReader:
    """Asks `caller` about the sender's transactions. All methods raise `EndpointDown`, `RpcError`
    and `MalformedAnswer`."""

    def __init__(self, caller: Caller, sender: Address) -> None:
        self._caller = caller
        self._sender = to_hex(sender)

    async def has_block(self, block_num: int, block_hash: Bytes32) -> bool:
        """Whether this block is part of the chain that is shown."""
        answer = await self._caller.call("eth_getBlockByNumber", [hex(block_num), False])
        return answer is not None and header(answer).hash == block_hash

    async def count(self, block: str) -> int:
        """How many transactions of the sender there are up to that block, or "pending"."""
        answer = await self._caller.call("eth_getTransactionCount", [self._sender, block])
        return quantity(answer, "transaction count", NONCE_BITS)

    async def knows(self, tx_hash: Bytes32) -> bool:
        """Whether the transaction is mined or lies in the endpoint's pool."""
        return await self._caller.call("eth_getTransactionByHash", [to_hex(tx_hash)]) is not None

    async def receipt(self, owned: OwnedTransaction) -> TransactionReceipt | None:
        """The receipt of whichever of its transactions was mined, or None."""
        for tx_hash in owned.tx_hashes:
            found = await self._receipt_of(owned, tx_hash)
            if found is not None:
                return found
        return None

    async def _receipt_of(
        self, owned: OwnedTransaction, tx_hash: Bytes32
    ) -> TransactionReceipt | None:
        name = to_hex(tx_hash)
        answer: Any = await self._caller.call("eth_getTransactionReceipt", [name])
        if answer is None:
            return None
        if not isinstance(answer, dict) or answer.get("transactionHash") != name:
            raise MalformedAnswer(f"asked for the receipt of {name}, got {str(answer)[:80]}")
        gas_used = quantity(answer.get("gasUsed"), "gas used")
        succeeded = quantity(answer.get("status"), "receipt status", 1) == 1
        return TransactionReceipt(
            intent_id=owned.intent_id,
            tx_hash=tx_hash,
            block_num=quantity(answer.get("blockNumber"), "receipt block number"),
            block_hash=data(answer.get("blockHash"), "receipt block hash", 32),
            gas_used=gas_used,
            gas_price=quantity(answer.get("effectiveGasPrice"), "effective gas price", 256),
            succeeded=succeeded,
            failure="" if succeeded else _failure(gas_used, opened(owned.raw)[0].gas_limit),
        )


def _failure(gas_used: int, gas_limit: int) -> str:
    """A call inside a call leaves a 64th of its gas when it runs out of it."""
    return OUT_OF_GAS if gas_used * 64 >= gas_limit * 63 else REVERTED
