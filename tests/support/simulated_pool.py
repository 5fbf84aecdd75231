"""An endpoint's view of transactions, in memory: a pool, mined ones, counts; wrong on command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from node.chain.errors import EndpointDown, RpcError
from protocols.crypto import keccak256

GWEI = 10**9
Json = dict[str, Any]


class SimulatedPool:
    """Stands where a link stands: answers what signing and watching transactions ask."""

    def __init__(self) -> None:
        self.url = self.label = "sim://pool"
        self.head_num = 10
        self.mined: dict[str, Json] = {}
        self.pool: set[str] = set()
        self.sent: list[bytes] = []
        self.counts: Callable[[str], int] = lambda block: 0
        self.balance_wei = 10**20
        self.tip_wei = GWEI
        self.base_fee_wei = GWEI
        self.gas_used = 46_000
        self.call_error: RpcError | None = None
        self.send_error: RpcError | None = None
        self.down = False
        self.blamed: list[str] = []
        self.overrides: dict[str, Callable[[list[Any]], Any]] = {}
        self.slow_overrides: dict[str, Callable[[list[Any]], Awaitable[Any]]] = {}

    async def client(self) -> SimulatedPool:
        """Itself, once it is up."""
        await trio.lowlevel.checkpoint()
        while self.down:
            await trio.sleep(0.01)
        return self

    async def call(self, method: str, params: list[Any]) -> Any:
        """One answer."""
        await trio.lowlevel.checkpoint()
        if self.down:
            raise EndpointDown("sim://pool", "down")
        if method in self.slow_overrides:
            return await self.slow_overrides[method](params)
        if method in self.overrides:
            return self.overrides[method](params)
        return self._answer(method, params)

    def blame(self, client: object, reason: str) -> None:
        """Remembered, nothing more."""
        self.blamed.append(reason)

    def mine(self, tx_hash: bytes, *, fork: int = 0, succeeded: bool = True) -> None:
        """Put a transaction into the next block; another `fork` is another block."""
        self.head_num += 1
        name = "0x" + tx_hash.hex()
        self.pool.discard(name)
        self.mined[name] = {
            "transactionHash": name,
            "blockNumber": hex(self.head_num),
            "blockHash": "0x" + bytes([fork]).hex() * 32,
            "gasUsed": hex(self.gas_used),
            "effectiveGasPrice": hex(2 * GWEI),
            "status": hex(int(succeeded)),
        }

    def drop(self, tx_hash: bytes) -> None:
        """A fork took the transaction's block away, and the pool forgot it."""
        self.mined.pop("0x" + tx_hash.hex(), None)
        self.pool.discard("0x" + tx_hash.hex())

    def _answer(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_chainId":
                return hex(31_337)
            case "eth_getBlockByNumber":
                return self._block()
            case "eth_getBalance":
                return hex(self.balance_wei)
            case "eth_call":
                if self.call_error is not None:
                    raise self.call_error
                return "0x"
            case "eth_estimateGas":
                if self.call_error is not None:
                    raise self.call_error
                return hex(50_000)
            case "eth_maxPriorityFeePerGas":
                return hex(self.tip_wei)
            case "eth_getTransactionCount":
                return hex(self.counts(params[1]))
            case "eth_getTransactionReceipt":
                return self.mined.get(params[0])
            case "eth_getTransactionByHash":
                return {"hash": params[0]} if params[0] in self.pool else None
            case "eth_sendRawTransaction":
                return self._send(bytes.fromhex(params[0][2:]))
        raise RpcError(method, -32601, "method not found")

    def _send(self, raw: bytes) -> str:
        self.sent.append(raw)
        if self.send_error is not None:
            raise self.send_error
        name = "0x" + keccak256(raw).hex()
        if name in self.pool:
            raise RpcError("eth_sendRawTransaction", -32000, "already known")
        self.pool.add(name)
        return name

    def _block(self) -> Json:
        return {
            "number": hex(self.head_num),
            "hash": "0x" + "aa" * 32,
            "parentHash": "0x" + "bb" * 32,
            "gasLimit": hex(30_000_000),
            "baseFeePerGas": hex(self.base_fee_wei),
        }
