"""Simulating, pricing and signing one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_account import Account
from msgspec.structs import replace

from node.chain.errors import EndpointDown, RpcError
from node.chain.fees import Moment
from node.chain.provider import web3_over
from node.chain.transactions import (
    PRIORITY_FEE_WEI_MAX,
    AboveCeiling,
    EndpointBehind,
    GasNotCovered,
    TransactionMaker,
    WouldRevert,
    opened,
)
from node.chain.wire import MalformedAnswer
from protocols.crypto import keccak256
from protocols.effects import SubmitTransaction
from tests.support.actors import ALICE
from tests.support.simulated_pool import GWEI, SimulatedPool

ABI: list[dict[str, Any]] = [{"type": "error", "name": "Broke", "inputs": [{"type": "uint256"}]}]
BROKE = "0x" + keccak256(b"Broke(uint256)")[:4].hex()
EFFECT = SubmitTransaction(
    b"\x01" * 32, "deposit", b"\xad" * 20, (10**18).to_bytes(32, "big"), b"\x01\x02"
)
NOW = Moment(10, 1_700_000_000, 12.0)


def maker_of(pool: SimulatedPool, ceiling_wei: int = 500 * GWEI) -> TransactionMaker:
    web3 = web3_over(pool)
    return TransactionMaker(web3, ALICE.secret, 31_337, ABI, fee_ceiling_wei=ceiling_wei)


async def test_a_call_that_works_is_priced_with_margins() -> None:
    maker = maker_of(SimulatedPool())
    prepared = await maker.prepare(EFFECT, NOW)
    assert maker.sender == ALICE.address
    assert (prepared.to, prepared.value_wei, prepared.data) == (EFFECT.to, 10**18, EFFECT.data)
    assert prepared.gas_limit == 62_500
    assert prepared.fees.priority_fee_wei == GWEI
    assert prepared.fees.max_fee_wei == 3 * GWEI


async def test_an_absurd_tip_is_capped() -> None:
    pool = SimulatedPool()
    pool.tip_wei = 10**18
    prepared = await maker_of(pool).prepare(EFFECT, NOW)
    assert prepared.fees.priority_fee_wei == PRIORITY_FEE_WEI_MAX


async def test_the_signed_bytes_say_what_was_asked_and_are_ours() -> None:
    maker = maker_of(SimulatedPool())
    signed = maker.sign(await maker.prepare(EFFECT, NOW), 7)
    assert signed == maker.sign(await maker.prepare(EFFECT, NOW), 7)
    assert signed.tx_hash == keccak256(signed.raw)
    prepared = await maker.prepare(EFFECT, NOW)
    assert opened(signed.raw) == (prepared, 7)
    assert signed.nonce == 7
    sender = Account.recover_transaction(signed.raw)
    assert bytes.fromhex(sender[2:]) == ALICE.address


async def test_gas_that_did_for_a_call_of_the_same_shape_is_tried_and_not_estimated() -> None:
    pool, tried = SimulatedPool(), []
    needed = 50_000

    def call(params: list[Any]) -> str:
        tried.append(int(params[0]["gas"], 16))
        if tried[-1] < needed:
            raise RpcError("eth_call", -32000, "out of gas")
        return "0x"

    estimated: list[int] = []
    pool.overrides["eth_call"] = call
    pool.overrides["eth_estimateGas"] = lambda params: hex(estimated.append(needed) or needed)  # type: ignore[func-returns-value]
    maker = maker_of(pool)
    limits = [(await maker.prepare(EFFECT, NOW)).gas_limit for _ in range(2)]
    assert (limits, estimated, tried) == ([62_500] * 2, [50_000], [50_000])
    needed = 60_000
    assert (await maker.prepare(EFFECT, NOW)).gas_limit == 75_000
    assert (estimated, tried) == ([50_000, 60_000], [50_000] * 2)
    await maker.prepare(replace(EFFECT, data=b"\x01\x02\x03"), NOW)
    assert len(estimated) == 3, "another shape"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RpcError("eth_call", 3, "execution reverted: held != expectedHeld",
                  "0x08c379a0" + encode(["string"], ["held != expectedHeld"]).hex()),
         "held != expectedHeld"),
        (RpcError("eth_call", -32015, "VM execution error",
                  "0x08c379a0" + encode(["string"], ["held != expectedHeld"]).hex()),
         "held != expectedHeld"),
        (RpcError("eth_call", -32015, "VM execution error.",
                  "Reverted 0x08c379a0" + encode(["string"], ["no"]).hex()), "no"),
        (RpcError("eth_call", 3, "execution reverted", "0x08c379a0" + "ff" * 40), "no text"),
        (RpcError("eth_call", 3, "execution reverted", "0x"), "execution reverted"),
        (RpcError("eth_call", -32000, "execution reverted"), "execution reverted"),
        (RpcError("eth_call", 3, "execution reverted", BROKE + "00" * 32), "Broke"),
        (RpcError("eth_call", 3, "execution reverted", "0xdeadbeef"), "custom error 0xdeadbeef"),
        (RpcError("eth_call", 3, "execution reverted: panic",
                  "0x4e487b71" + (0x11).to_bytes(32, "big").hex()), "overflow"),
    ],
)  # fmt: skip
async def test_a_revert_gives_the_contracts_own_reason(error: RpcError, reason: str) -> None:
    pool = SimulatedPool()
    pool.call_error = error
    with pytest.raises(WouldRevert) as refused:
        await maker_of(pool).prepare(EFFECT, NOW)
    assert reason in str(refused.value)
    assert "execution reverted:" not in str(refused.value)


async def test_value_that_is_not_there_is_a_refusal_and_missing_gas_a_wait() -> None:
    pool = SimulatedPool()
    pool.balance_wei = 10**18 - 1
    with pytest.raises(WouldRevert, match=r"insufficient funds: 0x.* has 9{18} wei"):
        await maker_of(pool).prepare(EFFECT, NOW)
    pool.balance_wei = 10**18 + 1
    with pytest.raises(GasNotCovered, match="send it some") as missing:
        await maker_of(pool).prepare(EFFECT, NOW)
    assert missing.value.needed_wei == 10**18 + 62_500 * 3 * GWEI


async def test_an_endpoint_that_is_behind_proves_nothing() -> None:
    pool = SimulatedPool()
    pool.call_error = RpcError("eth_call", 3, "execution reverted: held != expectedHeld")
    with pytest.raises(EndpointBehind, match="at block 10, not yet at 11"):
        await maker_of(pool).prepare(EFFECT, NOW._replace(block_num=11))


@pytest.mark.parametrize("answer", ["0x1", 7, [], {"number": "zz"}, {"number": "0x10"}])
async def test_an_answer_without_the_promised_shape_is_malformed(answer: object) -> None:
    pool = SimulatedPool()
    pool.overrides["eth_getBlockByNumber"] = lambda params: answer
    with pytest.raises(MalformedAnswer):
        await maker_of(pool).prepare(EFFECT, NOW)


@pytest.mark.parametrize(
    ("method", "answer"),
    [("eth_maxPriorityFeePerGas", "0x-5"), ("eth_maxPriorityFeePerGas", hex(2**256)),
     ("eth_estimateGas", "0x-5"), ("eth_estimateGas", hex(2**63)),
     ("eth_getBalance", "0x-5"), ("eth_getBalance", hex(2**256))],
)  # fmt: skip
async def test_numbers_that_no_transaction_can_carry_are_malformed(
    method: str, answer: str
) -> None:
    pool = SimulatedPool()
    pool.overrides[method] = lambda params: answer
    with pytest.raises(MalformedAnswer):
        await maker_of(pool).prepare(EFFECT, NOW)


@pytest.mark.parametrize(
    "change",
    [{"baseFeePerGas": "0x-5"}, {"baseFeePerGas": hex(2**255)}, {"gasLimit": "0x-5"},
     {"gasLimit": hex(2**64)}],
)  # fmt: skip
async def test_a_block_with_absurd_gas_is_malformed(change: dict[str, str]) -> None:
    pool = SimulatedPool()
    block = await pool.call("eth_getBlockByNumber", ["latest", False])
    pool.overrides["eth_getBlockByNumber"] = lambda params: {**block, **change}
    with pytest.raises(MalformedAnswer):
        await maker_of(pool).prepare(EFFECT, NOW)


async def test_an_endpoint_that_goes_away_stays_our_own_error() -> None:
    pool = SimulatedPool()
    pool.down = True
    with pytest.raises(EndpointDown):
        await maker_of(pool).prepare(EFFECT, NOW)


async def test_what_can_wait_is_not_signed_above_the_ceiling() -> None:
    maker = maker_of(SimulatedPool(), GWEI - 1)
    with pytest.raises(AboveCeiling, match="fee_ceiling_gwei allows 999999999: wait, or raise it"):
        await maker.prepare(EFFECT, NOW)
    urgent = replace(EFFECT, deadline_s=NOW.time_s + 3_600)
    assert (await maker.prepare(urgent, NOW)).fees == (GWEI - 1, GWEI - 1)


async def test_a_deadline_that_is_near_bids_the_ceiling_or_what_the_balance_covers() -> None:
    pool = SimulatedPool()
    urgent = replace(EFFECT, deadline_s=NOW.time_s + 20)
    assert (await maker_of(pool).prepare(urgent, NOW)).fees == (500 * GWEI, 256 * GWEI)
    pool.balance_wei = 10**18 + 62_500 * 40 * GWEI
    prepared = await maker_of(pool).prepare(urgent, NOW)
    assert prepared.fees == (40 * GWEI, 40 * GWEI)
    assert await maker_of(pool).ceiling_for(prepared) == 40 * GWEI
    pool.balance_wei = 10**18 + 62_500
    with pytest.raises(GasNotCovered):
        await maker_of(pool).prepare(urgent, NOW)


async def test_an_attempt_may_be_given_more_gas() -> None:
    generous = replace(EFFECT, gas_margin_percent=200)
    assert (await maker_of(SimulatedPool()).prepare(generous, NOW)).gas_limit == 150_000


async def test_a_block_is_asked_for_its_prices_once() -> None:
    pool = SimulatedPool()
    maker = maker_of(pool)
    first = await maker.prepare(EFFECT, NOW)
    pool.tip_wei = 2 * GWEI
    assert (await maker.prepare(EFFECT, NOW)).fees == first.fees
    # Of a block that is older than what the endpoint shows nothing is remembered.
    later = await maker.prepare(EFFECT, NOW._replace(block_num=NOW.block_num - 1))
    assert later.fees.priority_fee_wei == 2 * GWEI
