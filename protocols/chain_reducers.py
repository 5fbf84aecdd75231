"""How transactions, the place in the chain and what was seen there change, by what the chain said.

Like all reducers they trust what was recorded. `CHAIN_REDUCERS` is the door.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import events, transaction_events
from protocols.entities import NODE_KEY, NodeState, Reducer
from protocols.observation_reducers import retracted
from protocols.transactions import (
    APPROVE,
    REVERTED,
    Transaction,
    TransactionStatus,
    is_mined_from,
)
from protocols.types import Bytes32


def _requested(state: NodeState, event: events.TransactionRequested, time_ms: int) -> None:
    transaction = Transaction(
        event.intent_id, event.kind, event.channel_id, deadline_s=event.deadline_s
    )
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


def _replaced(
    state: NodeState, event: transaction_events.TransactionReplaced, time_ms: int
) -> None:
    old = state.transactions[event.intent_id]
    replaced = replace(
        old,
        tx_hash=event.tx_hash,
        raw=event.raw,
        earlier=(*old.earlier, event.old_tx_hash),
        held_back=False,
    )
    state.transactions[event.intent_id] = replaced
    state.unconfirmed.weigh(replaced)


def _held_back(
    state: NodeState, event: transaction_events.TransactionHeldBack, time_ms: int
) -> None:
    old = state.transactions[event.intent_id]
    held_back = replace(old, held_back=True)
    state.transactions[event.intent_id] = held_back
    state.unconfirmed.weigh(held_back)


def _mined(state: NodeState, event: events.TransactionMined, time_ms: int) -> None:
    status = TransactionStatus.MINED if event.succeeded else TransactionStatus.FAILED
    failure = "" if event.succeeded else event.failure or REVERTED
    mined = replace(
        state.transactions[event.intent_id],
        status=status,
        failure=failure,
        block_num=event.block_num,
        block_hash=event.block_hash,
        ended_ms=time_ms,
        held_back=False,
    )
    state.transactions[event.intent_id] = mined
    state.unconfirmed.mine(mined, state.node.processed_block_num)
    state.unconfirmed.weigh(mined)


def _failed(state: NodeState, event: events.TransactionFailed, time_ms: int) -> None:
    old = state.transactions[event.intent_id]
    status = TransactionStatus.FAILED
    failed = replace(old, status=status, failure=event.reason, ended_ms=time_ms, held_back=False)
    state.transactions[event.intent_id] = failed
    state.unconfirmed.weigh(failed)


def _block_processed(state: NodeState, event: events.ChainBlockProcessed, time_ms: int) -> None:
    state.nodes[NODE_KEY] = replace(
        state.node,
        processed_block_num=event.block_num,
        processed_block_hash=event.block_hash,
        processed_block_time_s=event.block_time_s,
    )
    state.unconfirmed.process(event.block_num)


def _reorged(state: NodeState, event: events.ChainReorged, time_ms: int) -> None:
    for channel_id in list(state.unconfirmed.channels):
        channel = retracted(state.channels[channel_id], event.fork_block_num)
        state.channels[channel_id] = channel
        state.unconfirmed.look_at(channel)
    for intent_id in mined_from(state, event.fork_block_num):
        unmined = replace(
            state.transactions[intent_id],
            status=TransactionStatus.SUBMITTED,
            failure="",
            block_num=-1,
            block_hash=b"",
            ended_ms=0,
        )
        state.transactions[intent_id] = unmined
        state.unconfirmed.mine(unmined, state.node.processed_block_num)
    if event.fork_block_num <= state.node.processed_block_num:
        # What is read again from there counts, also after a restart.
        state.nodes[NODE_KEY] = replace(
            state.node, processed_block_num=event.fork_block_num - 1, processed_block_hash=b""
        )


def mined_from(state: NodeState, block_num: int) -> list[Bytes32]:
    """Intents that were mined in that block or above it.

    Below the processed block, where no fork should reach, all transactions are looked through.
    """
    if block_num > state.node.processed_block_num:
        return list(state.unconfirmed.mined_from(block_num))
    transactions = state.transactions
    return [known for known in transactions if is_mined_from(transactions[known], block_num)]


CHAIN_REDUCERS: dict[type[events.Event], Reducer] = {
    events.TransactionRequested: _requested,
    events.TransactionSubmitted: _submitted,
    transaction_events.TransactionReplaced: _replaced,
    transaction_events.TransactionHeldBack: _held_back,
    events.TransactionMined: _mined,
    events.TransactionFailed: _failed,
    events.ChainBlockProcessed: _block_processed,
    events.ChainReorged: _reorged,
}
"""By event: what folds it."""
