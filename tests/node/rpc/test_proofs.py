"""Heads and proofs as JSON, and back."""

from __future__ import annotations

import msgspec
import pytest

from node.rpc.params import NoParams
from node.rpc.proofs import (
    LogProofView,
    LogProveParams,
    head_view,
    log_head,
    log_prove,
    proof_from,
    proof_view,
)
from protocols.head_events import LogHeadDisputed, LogHeadReceived, LogHeadSigned
from protocols.moment_errors import MomentAhead
from protocols.types import checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.proofs import document, proof_of
from tests.support.rpc_node import RecordingNode


def test_a_proof_survives_its_json() -> None:
    proof = proof_of(70)
    written = msgspec.json.encode(proof_view(proof))
    assert proof_from(msgspec.json.decode(written, type=LogProofView)) == proof
    assert document()["chain_hash"] == "0x" + proof.chain_hash.hex()


async def test_heads_of_ours_and_of_peers_are_shown() -> None:
    node = RecordingNode()
    shown = await log_head(node, NoParams())
    assert (shown.head, shown.peers, shown.log_length) == (None, [], 1)
    node.record_event(LogHeadSigned(1, bytes(32), bytes(65)))
    node.record_event(LogHeadReceived(BOB.address, 9, bytes(32), bytes(65)))
    both = (9, bytes(32), bytes(65), 8, bytes(32), bytes(65))
    node.record_event(LogHeadDisputed(BOB.address, "shortened", *both))
    shown = await log_head(node, NoParams())
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
