"""Explanations: whole stories in pages, with where things stand."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest

from node.explain.casting import cast_of_story
from node.explain.runs import joined
from node.rpc import explain
from node.rpc.errors import InvalidParams
from node.rpc.explain import (
    ChannelExplainParams,
    ChannelStory,
    ObjectiveExplainParams,
    PaymentExplainParams,
)
from node.rpc.interface import NodeApi
from protocols import events, inputs
from protocols.draft import Decision
from protocols.errors import UnknownChannel, UnknownObjective, UnknownPayment
from protocols.types import amount_to_bytes, checksum_address, to_hex
from tests.support.recorded_nodes import World, demo
from tests.support.story_nodes import StoryNode, closed_path, of_core, recorded
from tests.support.web import Web

NOTHING = "0x" + "ee" * 32


async def story_of(node: NodeApi, channel_id: bytes, **asked: int) -> ChannelStory:
    return await explain.channel_explain(node, ChannelExplainParams(to_hex(channel_id), **asked))


async def test_a_channels_story_goes_from_the_command_to_the_payout(tmp_path: Path) -> None:
    world = demo(tmp_path, 5)
    (channel_id,) = world.alice.state.channels
    story = await story_of(recorded(world.alice), channel_id)
    world.stop()
    assert (story.kind, story.deposits, story.next_seq) == ("direct", [str(10**18), "0"], None)
    assert story.standing.status == "closed"
    names = [step.name for step in story.steps]
    assert names[0] == "objective-created"
    assert names[-1] == "transaction-mined"
    by_seq = {step.seq: step for step in story.steps}
    mined = story.steps[-1]
    path = []
    step = mined
    while step.because is not None:
        step = by_seq[step.because]
        path.append(step.name)
    assert path == ["transaction-submitted", "transaction-requested", "message-received"]
    assert step.began_by == "message"
    assert [s.what for s in story.steps if s.record_count > 1] == [
        "5 payments: 60 wei from us to payee 0xBBB6…1D94 in all, records 31 to 46; 5 receipted."
    ]
    (proposal,) = [s for s in story.steps if s.label == "proposal: prefund (turn 0)"]
    assert [link.what for link in proposal.links] == ["on the peer's disk 5 ms later"]


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_are_the_story_in_pieces(tmp_path: Path, limit: int) -> None:
    world = demo(tmp_path, 4)
    (channel_id,) = world.bob.state.channels
    node = recorded(world.bob)
    whole = await story_of(node, channel_id)
    found, from_seq = [], 0
    while True:
        page = await story_of(node, channel_id, from_seq=from_seq, limit=limit)
        assert len(page.steps) <= limit
        found += page.steps
        if page.next_seq is None:
            break
        assert page.next_seq > from_seq
        from_seq = page.next_seq
    world.stop()
    assert [(step.seq, step.last_seq) for step in found] == [
        (step.seq, step.last_seq) for step in whole.steps
    ]
    mined = [step.because for step in found if step.name == "transaction-mined"]
    assert None not in mined


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 5, 8, 50])
async def test_a_run_that_is_too_long_for_a_page_is_whole_again_when_pages_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    world = demo(tmp_path, 30)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    whole = await story_of(node, channel_id)
    monkeypatch.setattr(explain, "STORY_RECORD_COUNT_MAX", count)
    page = await story_of(node, channel_id)
    steps = list(page.steps)
    while page.next_seq is not None:
        page = await story_of(node, channel_id, from_seq=page.next_seq)
        steps += page.steps
    world.stop()
    told = joined(steps, cast_of_story(msgspec.to_builtins(page)))
    assert [(step.seq, step.last_seq, step.what) for step in told if step.run] == [
        (step.seq, step.last_seq, step.what) for step in whole.steps if step.run
    ]
    assert [step.seq for step in told] == [step.seq for step in whole.steps]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_virtual_channels_story_holds_its_guarantees(place: int) -> None:
    nodes, channel_id = closed_path()
    story = await story_of(cast(NodeApi, nodes[place]), channel_id)
    guarantees = [step for step in story.steps if "guarantee" in step.what]
    assert len(guarantees) == (4 if place == 1 else 2)
    for step in guarantees:
        (link,) = step.links
        assert link.what.startswith("countersigned")
    assert (story.kind, story.standing.status) == ("virtual", "closed")


async def test_a_ledgers_story_holds_its_updates_and_no_other_channels_messages() -> None:
    nodes, channel_id = closed_path()
    payer = nodes[0]
    (ledger_id,) = {found for found in payer.state.channels if found != channel_id}
    story = await story_of(cast(NodeApi, payer), ledger_id)
    assert story.kind == "ledger"
    assert [s.name for s in story.steps if s.name.startswith("ledger-")] == [
        "ledger-update-proposed",
        "ledger-update-confirmed",
    ] * 2
    assert story.standing.next_steps[0].startswith("tally ledger pay 0x")


async def test_an_objectives_story_ends_with_it(tmp_path: Path) -> None:
    world = demo(tmp_path, 4)
    opening, closing = world.bob.state.objectives
    node = recorded(world.bob)
    opened = await explain.objective_explain(node, ObjectiveExplainParams(to_hex(opening)))
    closed = await explain.objective_explain(node, ObjectiveExplainParams(to_hex(closing)))
    world.stop()
    assert opened.steps[0].name == "message-received"
    assert opened.steps[-1].name == "objective-cranked"
    assert not [step for step in opened.steps if step.name.startswith(("voucher", "channel-con"))]
    assert opened.steps[-1].seq < closed.steps[0].seq
    assert closed.steps[0].what.endswith("came a signed state: final state (turn 3).")
    assert "withdraw-completed" in [step.name for step in closed.steps]
    assert opened.objective_id == to_hex(opening)


async def test_a_refused_proposal_says_by_which_name_and_what_to_do() -> None:
    web = Web(1)
    web.payee.decision = Decision("deny", "house rules")
    channel_id = web.open(1_000)
    web.settle()
    node = cast(NodeApi, of_core(web.payer))
    story = await story_of(node, channel_id)
    assert story.standing.status == "rejected"
    assert story.standing.failures[0].name == "POLICY_DENIED"
    assert "house rules" in story.standing.failures[0].reason
    assert story.standing.failures[0].seq is not None


async def test_what_was_never_a_channel_still_has_the_story_of_its_refusal(tmp_path: Path) -> None:
    world = World(tmp_path)
    received = events.MessageReceived(
        bytes(32), "0x" + "bb" * 20, b"\x77" * 32, 9, "ChannelProposal"
    )
    world.alice.record(received)
    found = await explain.objective_explain(
        recorded(world.alice), ObjectiveExplainParams("0x" + "77" * 32)
    )
    world.stop()
    assert (found.channel_id, found.kind, len(found.steps)) == (None, "unknown", 1)


async def test_a_story_is_told_as_of_any_moment(tmp_path: Path) -> None:
    world = demo(tmp_path, 5)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    story = await story_of(node, channel_id, at=35)
    assert (story.standing.status, story.at.seq) == ("open", 35)
    assert story.steps[-1].last_seq <= 35
    world.stop()


async def test_ids_of_nothing_are_refused() -> None:
    node = cast(NodeApi, closed_path()[0][0])
    with pytest.raises(UnknownChannel):
        await explain.channel_explain(node, ChannelExplainParams(NOTHING))
    with pytest.raises(UnknownObjective):
        await explain.objective_explain(node, ObjectiveExplainParams(NOTHING))
    objective_id, *_ = node.state.objectives
    with pytest.raises(UnknownChannel):
        await explain.channel_explain(node, ChannelExplainParams(to_hex(objective_id)))
    payment_id = to_hex(amount_to_bytes(3))
    with pytest.raises(UnknownObjective):
        await explain.objective_explain(node, ObjectiveExplainParams(payment_id))
    with pytest.raises(UnknownPayment):
        await explain.payment_explain(node, PaymentExplainParams(NOTHING))


# --- payments ---


@pytest.mark.parametrize("place", [0, 2])
async def test_a_payment_is_told_with_its_voucher_and_receipt(place: int) -> None:
    nodes, channel_id = closed_path()
    node = cast(NodeApi, nodes[place])
    asked = PaymentExplainParams(to_hex(amount_to_bytes(3)))
    story = await explain.payment_explain(node, asked)
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
        story = await explain.payment_explain(recorded(node), asked)
        assert story.direction == who
        assert "withdraw-completed" in [step.name for step in story.steps]
        paid = {payout.recipient: int(payout.amount) for payout in story.payouts}
        assert paid[checksum_address(world.bob.actor.address)] == int(story.voucher_total)
        assert sum(paid.values()) == 10**18
        settled = [step.seq for step in story.steps if step.name == "withdraw-completed"]
        assert [payout.seq for payout in story.payouts] == settled
        before = PaymentExplainParams(to_hex(payment_id), at=settled[0] - 1)
        assert (await explain.payment_explain(recorded(node), before)).payouts == []
    world.stop()


async def test_a_story_may_begin_at_a_moment(tmp_path: Path) -> None:
    world = demo(tmp_path, 4)
    (channel_id,) = world.alice.state.channels
    node = recorded(world.alice)
    by_seq = await story_of(node, channel_id, from_seq=12)
    by_moment = await explain.channel_explain(
        node, ChannelExplainParams(to_hex(channel_id), from_at="12")
    )
    assert by_moment.steps == by_seq.steps
    with pytest.raises(InvalidParams):
        await explain.channel_explain(
            node, ChannelExplainParams(to_hex(channel_id), from_seq=12, from_at="12")
        )
    world.stop()


async def test_a_payment_of_a_list_is_told_with_the_list() -> None:
    nodes, _ = closed_path()
    listed = to_hex(b"list" * 7 + (1).to_bytes(4, "big"))
    story = await explain.payment_explain(cast(NodeApi, nodes[0]), PaymentExplainParams(listed))
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
    story = await explain.payment_explain(recorded(world.bob), asked)
    assert (story.direction, story.amount, story.voucher_total) == ("refused", None, str(10**6))
    (failure,) = story.standing.failures
    assert (failure.name, bool(failure.next_step)) == ("CHAIN_VIEW_STALE", True)
    world.alice.take(inputs.SendPayment(channel_id, 10**6, payment_id))
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
    story = await explain.payment_explain(recorded(world.alice), asked)
    world.stop()
    assert story.standing.status == "refused"
    assert [step.name for step in story.steps] == ["voucher-issued", "voucher-refusal-received"]
    assert story.steps[1].because == story.steps[0].seq


async def test_a_payment_without_a_receipt_waits_for_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    payment_id = b"\x05" * 32
    world.alice.take(inputs.SendPayment(channel_id, 7, payment_id))
    asked = PaymentExplainParams(to_hex(payment_id))
    story = await explain.payment_explain(recorded(world.alice), asked)
    assert (story.standing.status, story.receipt_seq) == ("sent", None)
    world.settle()
    assert (await explain.payment_explain(recorded(world.alice), asked)).receipt_seq is not None
    world.stop()


async def test_many_records_are_read_in_slices(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    for number in range(60):
        world.pay(channel_id, 1, number)
    node = StoryNode(world.alice.log, world.alice.state)
    story = await story_of(cast(NodeApi, node), channel_id)
    world.stop()
    (run,) = [step for step in story.steps if step.record_count > 1]
    assert run.record_count == 120
