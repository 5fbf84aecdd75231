"""One transaction at a time: would it work, what does it cost, and its signed bytes.

web3 asks the chain, eth-account signs. This module owns no nonce, sends nothing and remembers
nothing. Imported when the room runs: it brings web3 along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import trio
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import AsyncWeb3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3Exception
from web3.types import BlockData, TxParams, Wei

from node.chain.errors import ChainError, RpcError
from node.chain.fees import Fees, Market, Moment, step_at, wanted
from node.chain.wire import MalformedAnswer, within
from protocols.effects import SubmitTransaction
from protocols.types import Address, Bytes32, checksum_address, parse_address

ERROR_SELECTOR = "0x08c379a0"
"""Error(string): what `require` and `revert` with a text return."""
BASE_FEE_BITS = 248
"""A base fee whose cap still fits the transaction's 256 bits. Above it an endpoint is wrong."""
GAS_BITS = 63
"""Gas, with its margin, fits the transaction's 64 bits."""
SELECTOR_SIZE = 4
"""Bytes of call data that name the function."""
KNOWN_SHAPE_COUNT_MAX = 256
"""Shapes of calls whose gas is remembered; all are forgotten when there are more."""
PRIORITY_FEE_WEI_MAX = 50 * 10**9
"""Wei per gas. An endpoint's suggestion above 50 gwei is a mistake or an attack."""


@dataclass(eq=False)
class WouldRevert(ChainError):
    """The call fails on the chain's current state: sending it would only cost gas."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class GasNotCovered(ChainError):
    """The key cannot pay for the gas now. Topping it up cures that, so this is a wait."""

    sender: Address
    balance_wei: int
    needed_wei: int

    def __str__(self) -> str:
        return (
            f"{checksum_address(self.sender)} has {self.balance_wei} wei and needs up to "
            f"{self.needed_wei}: send it some"
        )


@dataclass(eq=False)
class AboveCeiling(ChainError):
    """The chain asks more than the owner allows. Prices fall again, so this is a wait."""

    base_fee_wei: int
    ceiling_wei: int

    def __str__(self) -> str:
        return (
            f"the chain asks {self.base_fee_wei} wei per gas and [chain] fee_ceiling_gwei allows "
            f"{self.ceiling_wei}: wait, or raise it"
        )


@dataclass(eq=False)
class EndpointBehind(ChainError):
    """The endpoint has not seen blocks that we have: its refusal proves nothing."""

    block_num: int
    expected_block_num: int

    def __str__(self) -> str:
        return f"the endpoint is at block {self.block_num}, not yet at {self.expected_block_num}"


class Prepared(NamedTuple):
    """A call that works, with what it may cost."""

    to: Address
    value_wei: int
    data: bytes
    gas_limit: int
    fees: Fees


class Signed(NamedTuple):
    """Signed bytes, and how the chain will know them."""

    raw: bytes
    tx_hash: Bytes32
    nonce: int


class _Prices(NamedTuple):
    """What a block tells of gas."""

    block_num: int
    block_gas: int
    market: Market


class TransactionMaker:
    """Prepares and signs transactions of one key on one chain."""

    def __init__(
        self,
        web3: AsyncWeb3[Any],
        secret: bytes,
        chain_id: int,
        abi: Sequence[dict[str, Any]],
        *,
        fee_ceiling_wei: int,
    ) -> None:
        self.fee_ceiling_wei = fee_ceiling_wei
        self._web3 = web3
        self._account: LocalAccount = Account.from_key(secret)
        self._chain_id = chain_id
        self._error_names = _error_names(abi)
        self.sender: Address = parse_address(self._account.address)
        self._prices: _Prices | None = None
        self._asking = trio.Lock()
        self._gas_by_shape: dict[tuple[Address, bytes, int], int] = {}

    async def prepare(self, effect: SubmitTransaction, moment: Moment) -> Prepared:
        """Simulate the call and price it.

        Raises `WouldRevert` with the contract's reason, `GasNotCovered`, `AboveCeiling` for a call
        that can wait, `EndpointBehind` when the endpoint is older than `moment`. Besides these
        `EndpointDown`, `MalformedAnswer` and web3's exceptions.
        """
        try:
            return await self._prepare(effect, moment)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # How web3 stumbles over an answer that has not the promised shape.
            raise MalformedAnswer(f"{type(error).__name__}: {error}") from error

    async def _prepare(self, effect: SubmitTransaction, moment: Moment) -> Prepared:
        prices = await self._prices_at(moment)
        market = prices.market
        value_wei = int.from_bytes(effect.value, "big")
        balance = await self._web3.eth.get_balance(self._account.address)
        balance_wei = within(balance, "balance", 256)
        if balance_wei < value_wei:
            raise WouldRevert(
                f"insufficient funds: {self._account.address} has {balance_wei} wei, "
                f"the call sends {value_wei}"
            )
        call = TxParams(
            {
                "from": self._account.address,
                "to": checksum_address(effect.to),
                "value": Wei(value_wei),
                "data": HexBytes(effect.data),
            }
        )
        gas = await self._gas_of(call, effect)
        gas_limit = min(gas * (100 + effect.gas_margin_percent) // 100, prices.block_gas)
        if market.base_fee_wei > self.fee_ceiling_wei and not effect.deadline_s:
            # Once signed its nonce would block every later one.
            raise AboveCeiling(market.base_fee_wei, self.fee_ceiling_wei)
        step = step_at(moment, moment.time_s, effect.deadline_s) if effect.deadline_s else 0
        fees = wanted(market, step, self.fee_ceiling_wei)
        affordable_wei = (balance_wei - value_wei) // gas_limit
        if effect.deadline_s and affordable_wei > market.base_fee_wei:
            fees = wanted(market, step, min(self.fee_ceiling_wei, affordable_wei))
        if affordable_wei < fees.max_fee_wei:
            needed_wei = value_wei + gas_limit * fees.max_fee_wei
            raise GasNotCovered(self.sender, balance_wei, needed_wei)
        return Prepared(effect.to, value_wei, effect.data, gas_limit, fees)

    async def _prices_at(self, moment: Moment) -> _Prices:
        """What the newest block tells, asked once a block: many may have to be answered in one."""
        async with self._asking:
            known = self._prices
            if known is None or known.block_num != moment.block_num:
                known = self._prices = await self._prices_now(moment)
            return known

    async def _prices_now(self, moment: Moment) -> _Prices:
        block = await self._web3.eth.get_block("latest")
        block_num = block["number"]
        if block_num < moment.block_num:
            raise EndpointBehind(block_num, moment.block_num)
        block_gas = within(block["gasLimit"], "block gas limit", GAS_BITS)
        return _Prices(block_num, block_gas, await self._market(block))

    async def market(self) -> Market:
        """What the newest block asks, and what endpoints suggest for its maker. Raises
        `MalformedAnswer`, `EndpointDown` and web3's exceptions."""
        try:
            return await self._market(await self._web3.eth.get_block("latest"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MalformedAnswer(f"{type(error).__name__}: {error}") from error

    async def ceiling_for(self, prepared: Prepared) -> int:
        """The most that may be bid for it: what the owner allows and the balance covers."""
        balance = within(await self._web3.eth.get_balance(self._account.address), "balance", 256)
        affordable_wei = max(0, balance - prepared.value_wei) // prepared.gas_limit
        return min(self.fee_ceiling_wei, affordable_wei)

    def sign(self, prepared: Prepared, nonce: int) -> Signed:
        """The EIP-1559 transaction's bytes; deterministic (RFC 6979)."""
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": prepared.to,
                "value": prepared.value_wei,
                "data": prepared.data,
                "gas": prepared.gas_limit,
                "maxFeePerGas": prepared.fees.max_fee_wei,
                "maxPriorityFeePerGas": prepared.fees.priority_fee_wei,
            }
        )
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash), nonce)

    async def _market(self, block: BlockData) -> Market:
        suggested_wei = within(await self._web3.eth.max_priority_fee, "priority fee", 256)
        base_fee_wei = within(block.get("baseFeePerGas", Wei(0)), "base fee", BASE_FEE_BITS)
        return Market(base_fee_wei, min(suggested_wei, PRIORITY_FEE_WEI_MAX))

    async def _gas_of(self, call: TxParams, effect: SubmitTransaction) -> int:
        """Gas with which the call works now.

        An estimate makes an endpoint try a call twenty times. What the last call of the same shape
        took mostly does for the next one, which one trial with exactly that much gas shows.
        """
        shape = (effect.to, effect.data[:SELECTOR_SIZE], len(effect.data))
        known = self._gas_by_shape.get(shape)
        if known is not None:
            try:
                await self._web3.eth.call({**call, "gas": known})
            except (Web3Exception, RpcError):
                # Whatever it is, the estimate tells better.
                self._gas_by_shape.pop(shape, None)
            else:
                return known
        try:
            estimate = await self._web3.eth.estimate_gas(call)
        except ContractLogicError as error:
            raise WouldRevert(await self._why(call, error)) from error
        gas = within(estimate, "gas estimate", GAS_BITS)
        if len(self._gas_by_shape) >= KNOWN_SHAPE_COUNT_MAX:
            self._gas_by_shape.clear()
        self._gas_by_shape[shape] = gas
        return gas

    async def _why(self, call: TxParams, error: ContractLogicError) -> str:
        """What the contract says: some endpoints tell it to a call alone, not to an estimate."""
        try:
            await self._web3.eth.call(call)
        except ContractLogicError as said:
            error = said
        return self._reason(error)

    def _reason(self, error: ContractLogicError) -> str:
        """The contract's own words where it has some, else the name of its error."""
        data = error.data if isinstance(error.data, str) else ""
        if isinstance(error, ContractCustomError):
            return self._error_names.get(data[:10], f"custom error {data[:10]}")
        if data.startswith(ERROR_SELECTOR):
            try:
                return str(decode(["string"], bytes.fromhex(data[len(ERROR_SELECTOR) :]))[0])
            except (DecodingError, UnicodeDecodeError):
                return "a revert reason that is no text"
        text = (error.message or "").removeprefix("execution reverted").lstrip(": ")
        return text or "execution reverted"


def opened(raw: bytes) -> tuple[Prepared, int]:
    """What a signed EIP-1559 transaction says, and its nonce."""
    said: dict[str, Any] = dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())
    fees = Fees(int(said["maxFeePerGas"]), int(said["maxPriorityFeePerGas"]))
    prepared = Prepared(
        Address(bytes(said["to"])), int(said["value"]), bytes(said["data"]), int(said["gas"]), fees
    )
    return prepared, int(said["nonce"])


def _error_names(abi: Sequence[dict[str, Any]]) -> dict[str, str]:
    from eth_utils.abi import abi_to_signature, function_signature_to_4byte_selector

    errors = [item for item in abi if item.get("type") == "error"]
    return {
        "0x" + function_signature_to_4byte_selector(abi_to_signature(item)).hex(): item["name"]  # type: ignore[arg-type]
        for item in errors
    }
