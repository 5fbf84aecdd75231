"""The chain room and tokens: an approval, its deposit, and what the contracts say of a bad one."""

from __future__ import annotations

import pytest

from protocols.abi import encode_approve_call, encode_deposit_call
from protocols.effects import SubmitTransaction
from protocols.types import parse_address
from tests.support.actors import ALICE
from tests.support.chain_room import Engine, World, chain_world, channel, running
from tests.support.contract_calls import Contract

pytestmark = pytest.mark.e2e

ALICE_HEX = "0x" + ALICE.address.hex()


def token_effects(world: World, token: Contract, amount: int) -> list[SubmitTransaction]:
    """The intents of approving `amount` of a token and of depositing it into channel 1."""
    address = parse_address(token.address)
    approve = encode_approve_call(world.address, amount)
    deposit = encode_deposit_call(address, channel(1), 0, amount)
    return [
        SubmitTransaction(channel(101), "approve", address, bytes(32), approve),
        SubmitTransaction(channel(102), "deposit", world.address, bytes(32), deposit),
    ]


async def test_a_token_is_deposited_once_its_approval_is_mined() -> None:
    with chain_world() as world:
        token = world.rpc.deploy("TestToken")
        token.send("mint", ALICE_HEX, 100)
        approve, deposit = token_effects(world, token, 30)
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(deposit)
            await engine.until(lambda: engine.refusals)
            assert engine.refusals[0].reason == "Could not transfer token"
            engine.service.request(approve)
            await engine.until(lambda: engine.receipts)
            engine.service.request(deposit)
            await engine.until(lambda: engine.confirmed)
        (log,) = engine.confirmed
        assert (log.asset, log.amount) == (parse_address(token.address), 30)
        assert token.call("balanceOf", ALICE_HEX) == 70
        assert token.call("allowance", ALICE_HEX, world.adjudicator.address) == 0


async def test_a_token_that_takes_a_fee_is_refused_by_the_contracts_own_words() -> None:
    with chain_world() as world:
        token = world.rpc.deploy("test/FeeToken")
        token.send("mint", ALICE_HEX, 100)
        approve, deposit = token_effects(world, token, 30)
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(approve)
            await engine.until(lambda: engine.receipts)
            engine.service.request(deposit)
            await engine.until(lambda: engine.refusals)
        assert engine.refusals[0].reason == "Deposit did not arrive in full"
