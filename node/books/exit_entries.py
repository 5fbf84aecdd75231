"""Entries by how a channel ended on chain: what its last state gave to whom, and what came back.

What the books hold of a channel is what was agreed. A challenge that expires may end it with
something else: a payee who never redeemed, an older state of a ledger. The difference is booked
when it is certain; guarantees go back when the chain gave them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from node.books import ledger_entries
from node.books.channel import Change, ChannelBook
from node.books.entry import Entry
from protocols import events, exit_events
from protocols.abi import decode_outcome
from protocols.errors import ProtocolError
from protocols.ledger import Guarantee, LedgerVars
from protocols.outcome import GUARANTEE, SIMPLE, SingleAssetExit

if TYPE_CHECKING:
    from node.books.book import Books


def _seen(books: Books, event: events.ChainLogObserved) -> Iterable[Entry]:
    """What a challenge carries is told when it is seen."""
    channel = books.channels.get(event.channel_id)
    if channel is not None and event.log_name == "ChallengeRegistered":
        channel.challenges[event.tx_hash] = event.outcome
    return ()


def _challenged(books: Books, event: events.ChallengeRegistered) -> Iterable[Entry]:
    channel = books.channels.get(event.channel_id)
    if channel is not None:
        channel.standing = _exit_of(channel.challenges.get(event.tx_hash or b"", b""))
        channel.challenges.clear()
    return ()


def _expired(books: Books, event: exit_events.ChallengeExpired) -> Iterable[Entry]:
    """The channel ended with the state that stood: whatever it says beyond what was agreed."""
    channel = books.channels.get(event.channel_id)
    exit_ = None if channel is None else channel.standing
    if channel is None or exit_ is None or len(exit_.allocations) < 2:
        return ()
    if channel.is_ledger:
        vars_ = _covered(_vars_of(exit_), channel.held)
        return ledger_entries.set_to(books, channel, vars_, "settlement")
    return books.settled(channel, exit_.allocations[1].amount)


def _vars_of(exit_: SingleAssetExit) -> LedgerVars:
    leader, follower, *others = exit_.allocations
    guarantees = tuple(
        Guarantee(share.destination, share.amount, share.metadata[:32], share.metadata[32:])
        for share in others
        if share.allocation_type == GUARANTEE
    )
    return LedgerVars(leader.amount, follower.amount, guarantees)


def _covered(vars_: LedgerVars, held: int) -> LedgerVars:
    """What the chain can pay of it: one that was left before both deposited holds less."""
    leader = min(vars_.leader, held)
    return replace(vars_, leader=leader, follower=min(vars_.follower, held - leader))


def _reclaimed(books: Books, event: exit_events.OutcomeReclaimed) -> Iterable[Entry]:
    """The chain gave a guarantee back: as if the two had agreed on it."""
    ledger = books.channels.get(event.channel_id)
    amount = 0 if ledger is None else ledger.guaranteed.get(event.target, 0)
    if ledger is None or not amount:
        return ()
    left, right = _parties(ledger, event.target)
    left_amount = amount - int.from_bytes(event.right_share, "big")
    change = Change(0, "remove", event.target, amount, left, right, left_amount, 0, "")
    return ledger_entries.released(books, ledger, change)


def _parties(ledger: ChannelBook, target: bytes) -> tuple[bytes, bytes]:
    for share in () if ledger.standing is None else ledger.standing.allocations:
        if share.allocation_type != SIMPLE and share.destination == target:
            return share.metadata[:32], share.metadata[32:]
    return b"", b""


def _exit_of(encoded: bytes) -> SingleAssetExit | None:
    try:
        outcome = decode_outcome(encoded) if encoded else ()
    except ProtocolError:
        return None
    return outcome[0] if len(outcome) == 1 else None


POSTS: dict[type[events.Event], Callable[[Books, Any], Iterable[Entry]]] = {
    events.ChainLogObserved: _seen,
    events.ChallengeRegistered: _challenged,
    exit_events.ChallengeExpired: _expired,
    exit_events.OutcomeReclaimed: _reclaimed,
}
"""By event: what it makes."""
