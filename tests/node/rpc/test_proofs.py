"""Heads and proofs as JSON, and back."""

from __future__ import annotations

import msgspec
import pytest

from node.rpc.errors import InvalidParams
from node.rpc.proofs import (
    LogConsistencyParams,
    LogConsistencyView,
    LogHeadParams,
    LogProofView,
    LogProveParams,
    consistency_from,
    consistency_view,
    head_view,
    log_consistency,
    log_head,
    log_prove,
    proof_from,
    proof_view,
)
from protocols.head_events import LogHeadDisputed, LogHeadReceived, LogHeadSigned
from protocols.moment_errors import MomentAhead
from protocols.types import checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.proofs import consistency_of, document, proof_of
from tests.support.rpc_node import RecordingNode


def test_a_proof_survives_its_json() -> None:
    proof = proof_of(70)
    written = msgspec.json.encode(proof_view(proof))
    assert proof_from(msgspec.json.decode(written, type=LogProofView)) == proof
    assert document()["chain_hash"] == "0x" + proof.chain_hash.hex()


async def test_heads_of_ours_and_of_peers_are_shown() -> None:
    node = RecordingNode()
    shown = await log_head(node, LogHeadParams())
    assert (shown.head, shown.peers, shown.log_length) == (None, [], 1)
    node.record_event(LogHeadSigned(1, bytes(32), bytes(65)))
    node.record_event(LogHeadReceived(BOB.address, 9, bytes(32), bytes(65)))
    both = (9, bytes(32), bytes(65), 8, bytes(32), bytes(65))
    node.record_event(LogHeadDisputed(BOB.address, "shortened", *both))
    shown = await log_head(node, LogHeadParams())
    assert shown.node == checksum_address(ALICE.address)
    assert node.state.node.head is not None
    assert shown.head == head_view(node.state.node.head)
    (peer,) = shown.peers
    assert (peer.peer, peer.head.length, peer.dispute_count) == (
        checksum_address(BOB.address),
        9,
        1,
    )


async def test_a_record_is_proved_and_one_that_is_not_there_is_refused() -> None:
    node = RecordingNode()
    assert (await log_prove(node, LogProveParams(0))).seq == 0
    with pytest.raises(MomentAhead):
        await log_prove(node, LogProveParams(1))


async def test_heads_are_shown_as_they_were() -> None:
    node = RecordingNode()
    node.record_event(LogHeadSigned(1, bytes(32), bytes(65)))
    node.record_event(LogHeadSigned(2, b"\x02" * 32, bytes(65)))
    node.record_event(LogHeadReceived(BOB.address, 9, bytes(32), bytes(65)))
    lengths = []
    for at in range(4):
        shown = await log_head(node, LogHeadParams(at))
        assert (shown.at.seq, shown.log_length) == (at, at + 1)
        lengths.append((None if shown.head is None else shown.head.length, len(shown.peers)))
    assert lengths == [(None, 0), (1, 0), (2, 0), (2, 1)]
    with pytest.raises(MomentAhead):
        await log_head(node, LogHeadParams(4))


def test_a_proof_that_a_log_only_grew_survives_its_json() -> None:
    proof = consistency_of(70)
    written = msgspec.json.encode(consistency_view(proof))
    assert consistency_from(msgspec.json.decode(written, type=LogConsistencyView)) == proof


async def test_the_heads_of_two_moments_are_proved_to_follow_each_other() -> None:
    node = RecordingNode()
    with pytest.raises(InvalidParams) as refused:
        await log_consistency(node, LogConsistencyParams(0))
    assert refused.value.parameter == "from"
    for length in (1, 2, 3):
        node.record_event(LogHeadSigned(length, bytes([length]) * 32, bytes(65)))
    found = await log_consistency(node, LogConsistencyParams(1))
    assert (found.old.length, found.new.length) == (1, 3)
    found = await log_consistency(node, LogConsistencyParams("1", "2"))
    assert (found.old.length, found.new.length) == (1, 2)
    with pytest.raises(InvalidParams) as refused:
        await log_consistency(node, LogConsistencyParams(3, 2))
    assert refused.value.parameter == "to"
    with pytest.raises(MomentAhead):
        await log_consistency(node, LogConsistencyParams(1, 9))
