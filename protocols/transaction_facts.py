"""Transaction facts: how higher bids, bids that the owner's ceiling cuts, and nonces that are
missing become events.

The chain room decides what to bid (it sees the chain's prices and the clock); the core records it,
and lets bytes out only for an intent that is still open.
"""

from __future__ import annotations

from protocols import transaction_events as events
from protocols.draft import Draft
from protocols.inputs import NonceMissing, TransactionHeldBack, TransactionReplaced
from protocols.transactions import (
    FILLED_NONCE_COUNT_MAX,
    REPLACEMENT_COUNT_MAX,
    TransactionStatus,
    fill_kind,
    is_pending,
)
from protocols.types import amount_to_bytes


def receive_replaced(draft: Draft, replaced: TransactionReplaced) -> None:
    """A higher bid under the same nonce: recorded, it may be broadcast.

    Nothing comes of one for an intent that is over, or that replaces other bytes than the newest.
    """
    known = draft.state.transactions.get(replaced.intent_id)
    if known is None or known.status != TransactionStatus.SUBMITTED:
        return
    is_next = (known.tx_hash, known.nonce) == (replaced.old_tx_hash, replaced.nonce)
    if not is_next or len(known.earlier) >= REPLACEMENT_COUNT_MAX:
        return
    draft.emit(
        events.TransactionReplaced(
            replaced.intent_id,
            replaced.old_tx_hash,
            replaced.tx_hash,
            replaced.nonce,
            amount_to_bytes(replaced.old_fees[0]),
            amount_to_bytes(replaced.old_fees[1]),
            amount_to_bytes(replaced.fees[0]),
            amount_to_bytes(replaced.fees[1]),
            replaced.raw,
            replaced.reason,
        )
    )
    draft.broadcast(draft.state.transactions[replaced.intent_id])


def receive_missing(draft: Draft, missing: NonceMissing) -> None:
    """Somebody else used our key, and what it sent is gone: what waits behind it is let through.

    A transaction to ourselves with nothing in it, under the missing nonce: whichever of the two is
    mined, the gap is closed.
    """
    known = draft.state.transactions.get(missing.intent_id)
    if known is None or known.status != TransactionStatus.SUBMITTED:
        return
    count = min(missing.count, FILLED_NONCE_COUNT_MAX)
    for nonce in range(missing.first_nonce, missing.first_nonce + count):
        draft.request_transaction(
            fill_kind(nonce),
            known.channel_id,
            draft.context.me,
            0,
            b"",
            repeats=True,
            deadline_s=missing.deadline_s,
        )


def receive_held_back(draft: Draft, held: TransactionHeldBack) -> None:
    """The ceiling is in the way of a deadline: recorded once until a higher bid or an end."""
    known = draft.state.transactions.get(held.intent_id)
    if known is None or not is_pending(known) or known.held_back or not known.deadline_s:
        return
    draft.emit(
        events.TransactionHeldBack(
            held.intent_id,
            known.channel_id,
            amount_to_bytes(held.base_fee),
            amount_to_bytes(held.fee_ceiling),
            known.deadline_s,
            held.block_num,
            held.blocks_left,
        )
    )
