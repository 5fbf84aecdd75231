"""`node_recovery` as callers see it."""

from __future__ import annotations

from node.rpc.params import MomentParams
from node.rpc.recovery import node_recovery
from protocols.events import LogTailCut
from protocols.types import checksum_address
from tests.support.actors import BOB
from tests.support.rpc_node import ready_node


async def test_a_node_that_lost_nothing_recovers_nothing() -> None:
    report = await node_recovery(ready_node(), MomentParams())
    assert (report.recovering, report.loss_count, report.channels) == (False, 0, [])


async def test_every_channel_that_is_not_over_waits_for_its_peer() -> None:
    node = ready_node()
    count = len(list(node.state.channels))
    node.record_event(LogTailCut(node.seq, 5, "000001.log"))
    report = await node_recovery(node, MomentParams())
    assert (report.recovering, report.loss_count) == (True, 1)
    assert len(report.channels) == count
    assert {row.recovery for row in report.channels} == {"waiting"}
    assert {tuple(row.peers) for row in report.channels} == {(checksum_address(BOB.address),)}
    assert "ledger" in {row.kind for row in report.channels}
    assert report.at.seq == node.seq
