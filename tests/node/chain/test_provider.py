"""web3 on trio, over a caller of ours."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from eth_abi import encode
from web3.exceptions import ContractLogicError, Web3RPCError

from contracts.loader import load_artifact
from node.chain.errors import EndpointDown, RpcError
from node.chain.provider import web3_over
from protocols.types import checksum_address
from tests.support.actors import ALICE
from tests.support.chain_room import chain_world, running, until


class Canned:
    """Answers each method with one value, or raises it."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"eth_chainId": "0x7a69", **answers}
        self.asked: list[tuple[str, list[Any]]] = []

    async def call(self, method: str, params: list[Any]) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append((method, params))
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer


CALL: Any = {"from": "0x" + "11" * 20, "to": "0x" + "22" * 20, "data": b"\x01"}


async def test_results_come_back_in_web3s_types() -> None:
    canned = Canned(eth_getBalance="0x10")
    web3 = web3_over(canned)
    assert await web3.is_connected()
    assert await web3.eth.get_balance("0x" + "11" * 20) == 16  # type: ignore[arg-type]
    assert canned.asked[-1] == ("eth_getBalance", ["0x" + "11" * 20, "latest"])


async def test_a_revert_comes_with_the_contracts_reason() -> None:
    data = "0x08c379a0" + encode(["string"], ["held != expectedHeld"]).hex()
    refusal = RpcError("eth_call", 3, "execution reverted: held != expectedHeld", data)
    with pytest.raises(ContractLogicError, match="held != expectedHeld"):
        await web3_over(Canned(eth_call=refusal)).eth.call(CALL)


@pytest.mark.parametrize(
    "data", [None, {"rate": 10}, "see our prices", ["0x08c379a0"], "0x", 7], ids=str
)
async def test_a_refusal_that_is_no_revert_is_never_taken_for_one(data: object) -> None:
    refusal = RpcError("eth_call", -32005, "too many requests", data)
    with pytest.raises(Web3RPCError, match="too many requests"):
        await web3_over(Canned(eth_call=refusal)).eth.call(CALL)


async def test_an_endpoint_that_is_down_stays_our_own_error() -> None:
    with pytest.raises(EndpointDown):
        await web3_over(Canned(eth_call=EndpointDown("ws://h", "cut"))).eth.call(CALL)


@pytest.mark.e2e
async def test_a_contracts_functions_work_on_a_real_chain() -> None:
    with chain_world() as world:
        world.deposit(7)
        service = world.service(_ignore)  # type: ignore[arg-type]
        async with running(service):
            await until(lambda: service.statistics().connected)
            web3 = web3_over(service._link)
            abi = load_artifact("NitroAdjudicator").abi
            contract = web3.eth.contract(checksum_address(world.address), abi=abi)  # type: ignore[call-overload]
            held = await contract.functions.holdings(
                "0x" + "00" * 20, b"\xc0" + (7).to_bytes(31, "big")
            ).call()
            assert held == 7
            assert await web3.eth.get_balance(checksum_address(ALICE.address)) == 10**20  # type: ignore[arg-type]


async def _ignore(item: object) -> None:
    await trio.lowlevel.checkpoint()
