"""The plan of an exit over RPC."""

from __future__ import annotations

import json
import time

import pytest
import trio

from node.moments import date_text
from node.rpc.dispatch import Dispatcher
from node.rpc.exits import ExitPlanResult, exit_plan
from node.rpc.params import ChannelPlanParams
from protocols import commands
from protocols.exit_plan import GAS
from protocols.types import ZERO_ADDRESS, checksum_address, to_hex
from tests.support.actors import BOB
from tests.support.rpc_callers import checked_error, request
from tests.support.rpc_node import (
    DEPOSIT,
    RecordingNode,
    open_channel_from_bob,
    open_ledger,
    open_payment_channel,
)

DURATION_S = 86_400
ETHER = checksum_address(ZERO_ADDRESS)


async def refusal_of(node: RecordingNode, method: str, channel_id: bytes) -> str:
    """The name of the error that a call over the wire gets."""
    params = {"channel_id": to_hex(channel_id)}
    answer = await Dispatcher(node).answer(json.dumps(request(method, params)))
    name: str = checked_error(json.loads(answer))["data"]["name"]
    return name


async def plan_of(node: RecordingNode, channel_id: bytes) -> ExitPlanResult:
    return await exit_plan(node, ChannelPlanParams(to_hex(channel_id)))


async def test_each_step_has_its_channel_its_gas_and_when_it_may_be_made() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    began_s = node.chain_time_s = int(time.time())
    plan = await plan_of(node, channel_id)
    ended_s = int(time.time())
    challenge, transfer = plan.steps
    assert (plan.channel_id, challenge.channel_id) == (to_hex(channel_id), to_hex(channel_id))
    assert (challenge.step, challenge.gas) == ("challenge", GAS["challenge"])
    assert (challenge.after_s, challenge.blocks) == (0, 0)
    assert (transfer.step, transfer.gas) == ("transfer", GAS["transfer"])
    assert transfer.after_s == plan.duration_s == DURATION_S
    assert plan.gas == GAS["challenge"] + GAS["transfer"]
    asked = range(began_s, ended_s + 1)
    assert transfer.not_before in {date_text(now_s + DURATION_S) for now_s in asked}
    # Blocks are those of this chain: one in two seconds.
    assert transfer.blocks in {(now_s + DURATION_S - began_s) // 2 for now_s in asked}


async def test_before_the_first_block_there_is_a_date_and_no_count_of_blocks() -> None:
    node = RecordingNode()
    plan = await plan_of(node, open_payment_channel(node))
    assert [step.blocks for step in plan.steps] == [0, None]


async def test_the_worth_is_what_comes_home_at_worst() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    node.take(commands.SendPayment(channel_id, 30, b"\x01" * 32))
    for known, amount in (
        (channel_id, DEPOSIT - 30),
        (open_ledger(node), 1_000),
        (open_channel_from_bob(node), 0),
    ):
        plan = await plan_of(node, known)
        assert plan.worth is not None
        assert [(one.asset, one.amount) for one in plan.worth] == [(ETHER, str(amount))]


async def test_nothing_is_recorded_for_a_plan() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    before = node.seq
    await plan_of(node, channel_id)
    assert (node.seq, node.commands) == (before, [])


@pytest.mark.parametrize("method", ["channel_exit_plan", "channel_exit", "channel_challenge"])
async def test_what_cannot_be_left_is_refused_by_name(method: str, nursery: trio.Nursery) -> None:
    node = RecordingNode()
    nursery.start_soon(node.run)
    command = commands.OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, DURATION_S, b"\x00\x00\x00\x09")
    (created,) = (e for e in node.take(command) if e.NAME == "channel-created")
    before = node.seq
    assert await refusal_of(node, method, created.channel_id) == "NOTHING_TO_LEAVE"
    assert await refusal_of(node, method, b"\x0f" * 32) == "UNKNOWN_CHANNEL"
    assert node.seq == before
