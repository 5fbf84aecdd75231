"""Which nonce comes next, and which transactions already own one.

Pure bookkeeping for one key. A nonce belongs to the first intent signed with it, for good: what is
signed under it again is the same call with higher fees. Only a nonce whose transaction never left
the process may be given again. Nothing here talks to a chain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.effects import BroadcastTransaction
from protocols.types import Bytes32

GAP_WAIT_S = 120.0
"""Seconds a nonce below ours may stay unmined before somebody is told: ten blocks of Ethereum, in
which a transaction with a fair fee is mined."""
GAP_REPEAT_S = 600.0
"""Seconds between two times of saying so."""


@dataclass
class OwnedTransaction:
    """A signed transaction of ours that is not buried in the chain yet."""

    intent_id: Bytes32
    tx_hash: Bytes32
    nonce: int
    raw: bytes
    deadline_s: int = 0
    """Unix seconds of the chain by which it must be mined; 0 for none."""
    earlier: tuple[Bytes32, ...] = ()
    """Hashes of what was sent under this nonce before."""
    step: int = 0
    """How far its bid rose."""
    began_s: int = 0
    """When it was first bid for, as far as this process knows: Unix seconds of the chain."""
    bid_s: int = 0
    """When its newest bid was made."""
    offered_at: float = -math.inf
    """When a higher bid was signed that is not on disk yet."""
    held_back: bool = False
    """Whether the core was told that the owner's ceiling is in the way."""
    may_broadcast: bool = False
    """Whether the bytes are on disk, so that sending them is allowed."""
    settled: bool = False
    """Whether the core has stopped to care: then only the nonce matters."""
    reported_block_hash: Bytes32 | None = None
    """The block of the receipt that was handed over last."""
    was_looked_at: bool = False
    """Whether it was sent, or found mined, since it was let out."""
    may_be_mined: bool = True
    """Whether it may have left: false from its signature here until it is sent."""
    sent_num: int = -1
    """The newest block when it was sent first; -1 before that."""
    is_mined: bool = False
    """Whether it was mined when it was last looked at."""

    @property
    def tx_hashes(self) -> tuple[Bytes32, ...]:
        """All under which it may be mined, the newest first."""
        return (self.tx_hash, *reversed(self.earlier))

    def let_out(self, effect: BroadcastTransaction) -> None:
        """The core has these bytes on disk and cares for what becomes of them."""
        self.tx_hash, self.raw = effect.tx_hash, effect.raw
        self.earlier, self.deadline_s = effect.earlier, effect.deadline_s
        self.settled, self.reported_block_hash = False, None
        self.offered_at, self.held_back = -math.inf, False
        self.was_looked_at = False


class NonceBook:
    """The transactions of one key, by intent and in the order of their nonces."""

    def __init__(self, nonce_min: int = 0) -> None:
        """`nonce_min`: above all that the log says were used and may be reorganised away."""
        self._by_intent: dict[Bytes32, OwnedTransaction] = {}
        self._next_unused = nonce_min

    def __contains__(self, intent_id: Bytes32) -> bool:
        return intent_id in self._by_intent

    def get(self, intent_id: Bytes32) -> OwnedTransaction | None:
        """The transaction of this intent, while it is owned."""
        return self._by_intent.get(intent_id)

    def in_order(self) -> list[OwnedTransaction]:
        """All owned transactions, lowest nonce first: the order in which they can be mined."""
        return sorted(self._by_intent.values(), key=lambda owned: owned.nonce)

    def urgent_deadline(self, nonce: int) -> int:
        """The first deadline of this nonce and of those above it, which cannot be mined before it;
        0 without any."""
        deadlines = [
            owned.deadline_s
            for owned in self._by_intent.values()
            if owned.nonce >= nonce and owned.deadline_s and not owned.settled
        ]
        return min(deadlines, default=0)

    def waits_for_disk(self) -> bool:
        """Whether a signed transaction has not been allowed out yet.

        No further nonce is given meanwhile: if it never is, its nonce must still be the highest.
        """
        return any(not owned.may_broadcast for owned in self._by_intent.values())

    def next_nonce(self, chain_pending_count: int) -> int:
        """The nonce to sign with: above all we own or used, and above all the chain knows of."""
        return max([chain_pending_count, self._next_unused, *(n + 1 for n in self._owned())])

    def own(self, owned: OwnedTransaction) -> None:
        """Record a signed transaction.

        Two with one nonce can only come from a log written beside a foreign use of the key; both
        are kept, and the chain decides which is mined.
        """
        self._by_intent[owned.intent_id] = owned
        if owned.may_broadcast:
            self._next_unused = max(self._next_unused, owned.nonce + 1)

    def allow_broadcast(self, intent_id: Bytes32) -> None:
        """The transaction is on disk; from now on its nonce counts as used for ever."""
        owned = self._by_intent[intent_id]
        owned.may_broadcast = True
        self._next_unused = max(self._next_unused, owned.nonce + 1)

    def forget(self, intent_id: Bytes32) -> None:
        """The transaction is buried, dead, or never left: its nonce is free only in that case."""
        self._by_intent.pop(intent_id, None)

    def _owned(self) -> list[int]:
        return [owned.nonce for owned in self._by_intent.values()]


class GapWatch:
    """Notices that our transactions wait for a nonce which is not ours and is not mined.

    A transaction that somebody else sent with this key counted as pending when ours was signed. If
    it vanished from the pool, ours can never be mined: nobody sends what is below it.
    """

    def __init__(self) -> None:
        self.missing: range | None = None
        """The nonces that are missing for long."""
        self._since: float | None = None
        self._said_at = -math.inf

    def look(self, lowest_unmined: int | None, mined_count: int, now: float) -> range | None:
        """The missing nonces, when it is time to say so; else None.

        `lowest_unmined`: our lowest signed nonce that is not mined, if any; `mined_count`: the
        key's transactions that the chain has, so also its lowest free nonce; `now` in seconds.
        """
        if lowest_unmined is None or lowest_unmined <= mined_count:
            self._since = self.missing = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since <= GAP_WAIT_S:
            return None
        self.missing = range(mined_count, lowest_unmined)
        if now - self._said_at < GAP_REPEAT_S:
            return None
        self._said_at = now
        return self.missing
