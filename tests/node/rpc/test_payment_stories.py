"""The story of a payment: its voucher, its receipt, what its channel paid out; or its refusal."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from node.rpc.interface import NodeApi
from node.rpc.payment_stories import PaymentExplainParams, payment_explain
from protocols import commands, events
from protocols.errors import UnknownPayment
from protocols.types import amount_to_bytes, checksum_address, to_hex
from tests.support.recorded_nodes import World, demo
from tests.support.story_nodes import StoryNode, closed_path, recorded


@pytest.mark.parametrize("place", [0, 2])
async def test_a_payment_is_told_with_its_voucher_and_receipt(place: int) -> None:
    nodes, channel_id = closed_path()
    node = cast(NodeApi, nodes[place])
    asked = PaymentExplainParams(to_hex(amount_to_bytes(3)))
    story = await payment_explain(node, asked)
    assert (story.amount, story.voucher_total, story.channel_id) == ("3", "6", to_hex(channel_id))
    assert story.direction == ("sent" if place == 0 else "received")
    _, receipt = story.steps
    assert receipt.seq == story.receipt_seq
    assert receipt.because is not None
    assert story.standing.status == "receipted"
    assert "The voucher for 6 wei covers it" in story.standing.what


async def test_a_payments_story_tells_what_its_channel_paid_out(tmp_path: Path) -> None:
    world = demo(tmp_path, 4)
    (channel_id,) = world.bob.state.channels
    for node, who in ((world.alice, "sent"), (world.bob, "received")):
        facts = StoryNode(node.log, node.state).facts((channel_id,), 0, node.log.next_seq, 1_000)
        vouchers = events.VoucherIssued, events.VoucherReceived
        payment_id = [f.event.payment_id for f in facts if isinstance(f.event, vouchers)][-1]
        asked = PaymentExplainParams(to_hex(payment_id))
        story = await payment_explain(recorded(node), asked)
        assert story.direction == who
        assert "withdraw-completed" in [step.name for step in story.steps]
        paid = {payout.recipient: int(payout.amount) for payout in story.payouts}
        assert paid[checksum_address(world.bob.actor.address)] == int(story.voucher_total)
        assert sum(paid.values()) == 10**18
        settled = [step.seq for step in story.steps if step.name == "withdraw-completed"]
        assert [payout.seq for payout in story.payouts] == settled
        before = PaymentExplainParams(to_hex(payment_id), at=settled[0] - 1)
        assert (await payment_explain(recorded(node), before)).payouts == []
    world.stop()


async def test_a_payment_of_a_list_is_told_with_the_list() -> None:
    nodes, _ = closed_path()
    listed = to_hex(b"list" * 7 + (1).to_bytes(4, "big"))
    story = await payment_explain(cast(NodeApi, nodes[0]), PaymentExplainParams(listed))
    assert [step.name for step in story.steps][:2] == ["payment-listed", "batch-issued"]
    assert (story.amount, story.memo, story.voucher_total) == ("2", "b", "21")


async def test_a_refused_payment_names_the_refusal_on_both_sides(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    payment_id, total = b"\x05" * 32, amount_to_bytes(10**6)
    refused = events.VoucherRefused(
        channel_id,
        world.alice.actor.address,
        payment_id,
        total,
        amount_to_bytes(0),
        "CHAIN_VIEW_STALE",
        "too old",
    )
    world.bob.record(refused)
    asked = PaymentExplainParams(to_hex(payment_id))
    story = await payment_explain(recorded(world.bob), asked)
    assert (story.direction, story.amount, story.voucher_total) == ("refused", None, str(10**6))
    (failure,) = story.standing.failures
    assert (failure.name, bool(failure.next_step)) == ("CHAIN_VIEW_STALE", True)
    world.alice.take(commands.SendPayment(channel_id, 10**6, payment_id))
    world.alice.record(
        events.VoucherRefusalReceived(
            channel_id,
            world.bob.actor.address,
            payment_id,
            total,
            amount_to_bytes(0),
            "CHAIN_VIEW_STALE",
            "too old",
        )
    )
    story = await payment_explain(recorded(world.alice), asked)
    world.stop()
    assert story.standing.status == "refused"
    assert [step.name for step in story.steps] == ["voucher-issued", "voucher-refusal-received"]
    assert story.steps[1].because == story.steps[0].seq


async def test_a_payment_without_a_receipt_waits_for_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    payment_id = b"\x05" * 32
    world.alice.take(commands.SendPayment(channel_id, 7, payment_id))
    asked = PaymentExplainParams(to_hex(payment_id))
    story = await payment_explain(recorded(world.alice), asked)
    assert (story.standing.status, story.receipt_seq) == ("sent", None)
    world.settle()
    assert (await payment_explain(recorded(world.alice), asked)).receipt_seq is not None
    world.stop()


async def test_an_id_of_no_payment_is_refused() -> None:
    node = cast(NodeApi, closed_path()[0][0])
    with pytest.raises(UnknownPayment):
        await payment_explain(node, PaymentExplainParams("0x" + "ee" * 32))
