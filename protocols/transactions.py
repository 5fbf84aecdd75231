"""Transactions as intents: what must reach the chain, and how far each one got.

An intent's id is derived, so asking twice for the same attempt is the same intent. The chain room
signs it with a nonce, and again under that nonce with higher fees when it is not mined in time; all
signed bytes are recorded before they leave, the newest are broadcast until a receipt is known.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from protocols.crypto import keccak256
from protocols.types import Bytes32, ChannelId

APPROVE = "approve"
"""The kind of an intent that lets the adjudicator take a token of ours; it goes to the token."""
DEPOSIT = "deposit"
"""The kind of an intent that adds to a channel's holdings; it goes to the adjudicator."""

FILL = "fill"
"""The kind of an intent that sends nothing to ourselves; the nonce that is missing stands behind
it."""
FILLED_NONCE_COUNT_MAX = 16
"""Missing nonces that are filled at once; the others are, once these are mined."""

ATTEMPT_COUNT_MAX = 100
"""Attempts in a row that came to nothing, over some sixteen hours, after which a call without a
deadline is given up. A deposit fails when a stranger's deposit changes the holdings first, which
costs the stranger money each time. What was mined and did its work counts for none of them: a
channel may be challenged, and defended, as often as somebody pays for it."""


REPLACEMENT_COUNT_MAX = 64
"""How often one transaction is signed anew. Each time it bids at least an eighth more: enough to
come from 1 gwei to 1,800."""

REVERTED = "reverted"
"""Why a mined call failed: the contract refused it."""
OUTCOME_MISMATCH = "another outcome stands on chain than the one that follows from its logs"
"""Why a payout was not even sent: our fold of the adjudicator's logs is not what it keeps (M4)."""
OUT_OF_GAS = "out of gas"
"""Likewise: it used all it was given."""

GAS_MARGIN_PERCENT = 25
"""Added to an estimate: what a call costs depends on storage that may change before it is mined."""
GAS_MARGIN_PERCENT_MAX = 200
"""The same for an attempt after one that was mined and failed: it ran out of gas, or a receiver
burnt in the block what it left alone in the estimate, and the contract refused to go on."""

RETRY_AFTER_MS = 5_000
"""Pause after the first failed attempt, doubled after each further one. What made it fail, a
stranger's deposit say, may be on its way to us still: without a pause all attempts would be spent
on the same stale view."""

RETRY_AFTER_MS_MAX = 600_000
"""The longest pause: ten minutes."""


class TransactionStatus(StrEnum):
    """How far an attempt got; mined and failed are the ends."""

    REQUESTED = "requested"
    SUBMITTED = "submitted"
    MINED = "mined"
    FAILED = "failed"


class Transaction(Struct, frozen=True, array_like=True, gc=False):
    """One attempt at one call."""

    intent_id: Bytes32
    kind: str
    channel_id: ChannelId
    status: str = TransactionStatus.REQUESTED
    tx_hash: bytes = b""
    nonce: int = -1
    failure: str = ""
    raw: bytes = b""
    """The signed bytes, once there are any: a fork may make them leave again."""
    block_num: int = -1
    """Where it was mined; -1 while it is not."""
    block_hash: bytes = b""
    ended_ms: int = 0
    """When it was mined or failed, if it was."""
    deadline_s: int = 0
    """Unix seconds of the chain by which it must be mined; 0 for none."""
    earlier: tuple[Bytes32, ...] = ()
    """Hashes under the same nonce that were replaced by fee: any of them may still be mined."""
    held_back: bool = False
    """The fee ceiling keeps it from being mined."""


def intent_id(kind: str, channel_id: ChannelId, attempt: int) -> Bytes32:
    """keccak256("intent|" + kind + "|" + channel id + attempt (4 bytes))."""
    return keccak256(b"intent|" + kind.encode() + b"|" + channel_id + attempt.to_bytes(4, "big"))


def fill_kind(nonce: int) -> str:
    """The kind of the intent that fills that nonce: one need, one intent."""
    return f"{FILL} {nonce}"


def filled_nonce(kind: str) -> int | None:
    """The nonce that an intent of this kind is to fill; None for any other."""
    name, _, nonce = kind.partition(" ")
    is_number = nonce.isascii() and nonce.isdigit() and len(nonce) < 20
    return int(nonce) if name == FILL and is_number else None


def is_mined_from(transaction: Transaction, block_num: int) -> bool:
    """True if it was mined in that block or a later one: a fork there takes it back."""
    return transaction.block_num >= block_num


def pause_ms(attempt: int) -> int:
    """How long to wait after attempt number `attempt` (from 0) failed."""
    return min(RETRY_AFTER_MS << min(attempt, 16), RETRY_AFTER_MS_MAX)


def newest_attempt(
    find: Callable[[Bytes32], Transaction | None], kind: str, channel_id: ChannelId
) -> tuple[int, Transaction | None]:
    """The number and the record of the last of attempts 0, 1, ...; (-1, None) before the first.

    `find` gives the transaction of an intent, None if there is none.
    """
    low, newest = -1, None
    step = 1
    while (found := find(intent_id(kind, channel_id, low + step))) is not None:
        low, newest, step = low + step, found, 2 * step
    while step > 1:
        step //= 2
        found = find(intent_id(kind, channel_id, low + step))
        if found is not None:
            low, newest = low + step, found
    return low, newest


def was_vain(transaction: Transaction, data: bytes) -> bool:
    """Whether the attempt came to nothing: it failed, or was mined and the same call is needed.

    The signed bytes carry the call's `data` as it is.
    """
    if transaction.status == TransactionStatus.MINED:
        return data in transaction.raw
    return transaction.status == TransactionStatus.FAILED


def may_follow(
    newest: Transaction, vain_count: int, now_ms: int, *, repeats: bool = False, deadline_s: int = 0
) -> bool:
    """True if another attempt may begin: `newest` is over, for long enough if it was in vain.

    `vain_count` attempts in a row were, up to `newest`. What `repeats` may also follow one that was
    mined, and what has a deadline is not given up before it.
    """
    if is_pending(newest) or (newest.status == TransactionStatus.MINED and not repeats):
        return False
    if vain_count == 0:
        return True
    if vain_count >= ATTEMPT_COUNT_MAX and not deadline_s:
        return False
    return now_ms >= newest.ended_ms + pause_ms(vain_count - 1)


def gas_margin_percent(newest: Transaction | None) -> int:
    """What the attempt after `newest` adds to the estimate of its gas."""
    has_failed = newest is not None and newest.failure in (OUT_OF_GAS, REVERTED)
    return GAS_MARGIN_PERCENT_MAX if has_failed else GAS_MARGIN_PERCENT


def is_pending(transaction: Transaction) -> bool:
    """True while the attempt may still reach a block."""
    return transaction.status in (TransactionStatus.REQUESTED, TransactionStatus.SUBMITTED)
