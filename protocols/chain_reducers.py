"""How transactions, the place in the chain and what was seen there change, by what the chain said.

Like all reducers they trust what was recorded. `CHAIN_REDUCERS` is the door.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import events
from protocols.channel_reducers import retracted
from protocols.entities import NODE_KEY, NodeState, Reducer
from protocols.transactions import APPROVE, Transaction, TransactionStatus, is_mined_from


def _requested(state: NodeState, event: events.TransactionRequested, time_ms: int) -> None:
    transaction = Transaction(event.intent_id, event.kind, event.channel_id)
    state.transactions[event.intent_id] = transaction
    if event.kind == APPROVE:
        state.approvers[event.to] = event.channel_id


def _submitted(state: NodeState, event: events.TransactionSubmitted, time_ms: int) -> None:
    state.transactions[event.intent_id] = replace(
        state.transactions[event.intent_id],
        status=TransactionStatus.SUBMITTED,
        tx_hash=event.tx_hash,
        nonce=event.nonce,
        raw=event.raw,
    )


def _mined(state: NodeState, event: events.TransactionMined, time_ms: int) -> None:
    status = TransactionStatus.MINED if event.succeeded else TransactionStatus.FAILED
    failure = "" if event.succeeded else "reverted"
    old = state.transactions[event.intent_id]
    state.transactions[event.intent_id] = replace(
        old,
        status=status,
        failure=failure,
        block_num=event.block_num,
        block_hash=event.block_hash,
        failed_ms=0 if event.succeeded else time_ms,
    )


def _failed(state: NodeState, event: events.TransactionFailed, time_ms: int) -> None:
    old = state.transactions[event.intent_id]
    status = TransactionStatus.FAILED
    failed = replace(old, status=status, failure=event.reason, failed_ms=time_ms)
    state.transactions[event.intent_id] = failed


def _block_processed(state: NodeState, event: events.ChainBlockProcessed, time_ms: int) -> None:
    state.nodes[NODE_KEY] = replace(
        state.node,
        processed_block_num=event.block_num,
        processed_block_hash=event.block_hash,
    )


def _reorged(state: NodeState, event: events.ChainReorged, time_ms: int) -> None:
    for channel_id in list(state.channels):
        channel = state.channels[channel_id]
        state.channels[channel_id] = retracted(channel, event.fork_block_num)
    for intent_id in list(state.transactions):
        mined = state.transactions[intent_id]
        if is_mined_from(mined, event.fork_block_num):
            status = TransactionStatus.SUBMITTED
            state.transactions[intent_id] = replace(
                mined, status=status, failure="", block_num=-1, block_hash=b"", failed_ms=0
            )


CHAIN_REDUCERS: dict[type[events.Event], Reducer] = {
    events.TransactionRequested: _requested,
    events.TransactionSubmitted: _submitted,
    events.TransactionMined: _mined,
    events.TransactionFailed: _failed,
    events.ChainBlockProcessed: _block_processed,
    events.ChainReorged: _reorged,
}
"""By event: what folds it."""
