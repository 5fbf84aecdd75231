"""Proofs of records: what the log has of one, and a head over it, signed now if need be."""

from __future__ import annotations

import trio

from node.engine import Engine
from node.limits import HEAD_INTERVAL_RECORD_COUNT
from protocols.log_proof import LogProof, require_true
from protocols.peer_heads import owner_of


async def prove(engine: Engine, seq: int) -> LogProof:
    """The proof of a record that is in the log, by the newest head, or by a new one.

    A record newer than the newest head gets one, which is recorded and durable before this
    returns. Raises `LogDamaged` for a record that cannot be read.
    """
    log, node = engine.log, engine.state.node
    while log.tree.lag_count > HEAD_INTERVAL_RECORD_COUNT and log.grow_tree():
        await trio.lowlevel.checkpoint()
    head = engine.state.node.head
    if head is None or head.length <= seq:
        head = engine.sign_head()
    while log.tree.length < head.length and log.grow_tree():
        pass
    chain_before, record = log.raw_record(seq)
    path, peaks = log.tree.proof(seq, head.length)
    owner = owner_of(node, node.address)
    proof = LogProof(owner, seq, record, chain_before, tuple(path), tuple(peaks), head)
    # What we hand out as a proof was one here.
    require_true(proof)
    return proof
