"""Proofs: of a record under a head over it, signed now if need be, and of a log that only grew."""

from __future__ import annotations

import trio

from node.engine import Engine
from node.limits import HEAD_INTERVAL_RECORD_COUNT
from node.store.log import EventLog
from protocols.log_head import LogHead, LogOwner
from protocols.log_proof import ConsistencyProof, LogProof, require_grown, require_true
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
    return proof_under(log, owner_of(node, node.address), head, seq)


def proof_under(log: EventLog, owner: LogOwner, head: LogHead, seq: int) -> LogProof:
    """The proof of a record by a head over it, whose records all stand in the log's tree.

    Raises `LogDamaged` for what cannot be read.
    """
    chain_before, record = log.raw_record(seq)
    path, peaks = log.tree.proof(seq, head.length)
    proof = LogProof(owner, seq, record, chain_before, tuple(path), tuple(peaks), head)
    # What we hand out as a proof was one here.
    require_true(proof)
    return proof


async def prove_grown(engine: Engine, old: LogHead, new: LogHead) -> ConsistencyProof:
    """That the older of two heads of this log is of the newer one's beginning.

    Raises `LogDamaged` for what cannot be read, `InvalidEncoding` if the log has not got them.
    """
    log, node = engine.log, engine.state.node
    while log.tree.length < new.length and log.grow_tree():
        await trio.lowlevel.checkpoint()
    path = tuple(log.tree.consistency(old.length, new.length))
    proof = ConsistencyProof(owner_of(node, node.address), old, new, path)
    require_grown(proof)
    return proof
