"""Transaction facts: how higher bids, and bids that the owner's ceiling cuts, become events.

The chain room decides what to bid (it sees the chain's prices and the clock); the core records it,
and lets bytes out only for an intent that is still open.
"""

from __future__ import annotations

from protocols import transaction_events as events
from protocols.draft import Draft
from protocols.inputs import TransactionHeldBack, TransactionReplaced
from protocols.transactions import REPLACEMENT_COUNT_MAX, TransactionStatus, is_pending
from protocols.types import ChannelId, amount_to_bytes


def receive_replaced(draft: Draft, replaced: TransactionReplaced) -> ChannelId | None:
    """A higher bid under the same nonce: recorded, it may be broadcast.

    Nothing comes of one for an intent that is over, or that replaces other bytes than the newest.
    """
    known = draft.state.transactions.get(replaced.intent_id)
    if known is None or known.status != TransactionStatus.SUBMITTED:
        return None
    is_next = (known.tx_hash, known.nonce) == (replaced.old_tx_hash, replaced.nonce)
    if not is_next or len(known.earlier) >= REPLACEMENT_COUNT_MAX:
        return None
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
    return None


def receive_held_back(draft: Draft, held: TransactionHeldBack) -> ChannelId | None:
    """The ceiling is in the way of a deadline: recorded once until a higher bid or an end."""
    known = draft.state.transactions.get(held.intent_id)
    if known is None or not is_pending(known) or known.held_back or not known.deadline_s:
        return None
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
    return None
