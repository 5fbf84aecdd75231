"""The node as it was: what is known of a past moment, and that nothing can sign there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from node.past_view import PastView
from node.rpc.views import channel_view, known_channel, objective_view
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.whatif.assumptions import Payment
from protocols.draft import Context, Decision
from protocols.inputs import ChainHead
from protocols.node_state import NodeState, apply
from protocols.objectives.base import WaitingFor
from protocols.types import Bytes32, Signature, checksum_address
from tests.support import audit_cases, audit_webs
from tests.support.actors import ALICE, BOB
from tests.support.audit_cases import History
from tests.support.engine_rig import Rig, opened, pay

ASK = Decision("ask")


def refuse_to_sign(state_hash: Bytes32) -> Signature:
    raise AssertionError("nothing of the past is signed")


def view_at(rig: Rig, seq: int) -> PastView:
    state = NodeState()
    for record, event in rig.log.read_events(0, seq + 1):
        apply(state, event, record.time_ms)
    context = Context(0, refuse_to_sign, ALICE.address, 3_600, lambda _: ASK)
    return PastView(rig.log, state, seq, replace(context, chain_view_age_s=None), "alice")


async def test_what_an_objective_waited_for_is_told_without_signing() -> None:
    rig = await opened()
    (objective_id,) = rig.state.objectives
    waited = []
    for seq in range(rig.log.next_seq):
        view = view_at(rig, seq)
        if objective_id in view.state.objectives:
            waited.append(view.waiting_for(objective_id))
    assert waited[-1] == WaitingFor.NOTHING
    assert {WaitingFor.COMPLETE_PREFUND, WaitingFor.COMPLETE_FUNDING} < set(waited)


async def test_what_is_assumed_of_a_past_moment_happens_by_its_clock_and_on_a_copy() -> None:
    rig = await opened()
    seq = rig.log.next_seq - 1
    (channel_id,) = rig.state.channels
    await rig.answer(pay(5, 1))
    view = view_at(rig, seq)
    before = view.state.digest()
    simulation = view.simulation(others_answer=True)
    paid = [Payment(channel_id, 7)] * 2
    steps = [step for step in simulation.steps(paid) if step is not None]
    assert [step.refusal for step in steps] == [None, None]
    assert steps[0].time_ms == rig.log.time_at(seq)
    assert simulation.course.state.channels[channel_id].vouchers.total == 14
    assert view.state.digest() == before


async def test_the_status_says_what_the_log_does_and_null_where_it_is_silent() -> None:
    rig = await opened()
    seq = rig.log.next_seq - 1
    await rig.answer(pay(5, 1))
    shown: Any = view_at(rig, seq).status()
    assert shown["at"] == {"seq": seq}
    assert shown["address"] == checksum_address(ALICE.address)
    assert shown["log"]["next_seq"] == seq + 1
    assert shown["log"]["chain_hash"] == "0x" + rig.log.chain_at(seq).hex()
    assert shown["channels"]["open"] == 1
    (peer,) = shown["peers"]
    assert peer["address"] == checksum_address(BOB.address)
    assert (peer["connected"], peer["endpoint"]) == (None, None)
    unknown = (shown["uptime_s"], *shown["outbox"].values(), *shown["chain"].values())
    assert set(unknown) == {None}


async def test_the_block_that_was_processed_is_the_logs_own() -> None:
    rig = await opened()
    await rig.take(ChainHead(77, b"\x77" * 32))
    shown: Any = view_at(rig, rig.log.next_seq - 1).status()
    assert shown["chain"]["processed_block_num"] == 77


async def test_a_hubs_room_is_shown_without_terms_nobody_recorded() -> None:
    rig = await opened()
    shown: Any = view_at(rig, 3).hub_status()
    assert (shown["at"], shown["enabled"], shown["channel_count"]) == ({"seq": 3}, None, 0)
    (asset,) = shown["assets"]
    assert (asset["fees_earned"], asset["fee_base"], asset["capacity"]) == ("0", None, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "history",
    [
        audit_cases.alice,
        audit_cases.bob,
        audit_cases.alice_with_a_token,
        audit_webs.closing_leader,
        audit_webs.closing_follower,
        audit_webs.payer,
        audit_webs.hub,
        audit_webs.payee,
        audit_webs.open_hub,
        audit_webs.unwound_payer,
        audit_webs.unwound_hub,
        audit_webs.unwound_payee,
        audit_webs.denied_payer,
        audit_webs.denied_hub,
    ],
)
def test_every_record_is_a_moment_that_can_be_shown(
    history: Callable[[], History], tmp_path: Path
) -> None:
    """Also one in the middle of what an input led to, where a channel has no prefund yet."""
    log, state = EventLog.open(tmp_path, kv=MemoryKeyValue()), NodeState()
    unshown = 0
    for event in history():
        batch = log.begin(0)
        batch.append(event)
        log.commit(batch)
        apply(state, event, 0)
        seq = log.next_seq - 1
        context = Context(0, refuse_to_sign, state.node.address, 3_600, lambda _: ASK)
        view = PastView(log, state, seq, context, "node")
        assert view.status()["at"] == view.hub_status()["at"] == {"seq": seq}
        for channel_id in state.channels:
            channel = known_channel(view, channel_id)
            unshown += channel is None
            if channel is not None:
                assert channel_view(view, channel, in_full=True).at.seq == seq
        for objective_id in state.objectives:
            assert objective_view(view, state.objectives[objective_id]).at.seq == seq
    assert unshown > 0
