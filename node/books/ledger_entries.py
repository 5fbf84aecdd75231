"""Entries by what the two parties of a ledger agreed on: payments, guarantees, an intermediary's
fee.

A change counts once it is agreed. What the follower refused and the leader undid never happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from node.books.channel import Change, ChannelBook
from node.books.entry import (
    FEES_EARNED,
    FEES_PAID,
    FORWARDED,
    PAID,
    RECEIVED,
    RESTORED,
    Entry,
    guarantee_account,
)
from protocols import events, ledger_events, resumption_events
from protocols.errors import ProtocolError
from protocols.ledger import ADD, MOVE, Guarantee, LedgerVars, vars_of
from protocols.outcome import destination_of
from protocols.state import state_from_encoding
from protocols.types import ChannelId

if TYPE_CHECKING:
    from node.books.book import Books

_amount = int.from_bytes

_Proposal = ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived
_Agreement = (
    ledger_events.LedgerUpdateSigned
    | ledger_events.LedgerUpdateConfirmed
    | ledger_events.LedgerCountersignatureSeen
)
_Refusal = ledger_events.LedgerUpdateRefused | ledger_events.LedgerRefusalReceived


def _proposed(books: Books, ledger: ChannelBook, event: _Proposal) -> Sequence[Entry]:
    change = Change(
        event.turn_num,
        event.kind,
        event.target,
        _amount(event.amount, "big"),
        event.left,
        event.right,
        _amount(event.left_amount, "big"),
        _amount(event.fee, "big"),
        event.request_id,
    )
    ledger.queue.append(change)
    return ()


def _refused(books: Books, ledger: ChannelBook, event: _Refusal) -> Sequence[Entry]:
    for change in ledger.queue:
        if change.turn_num == event.turn_num:
            change.is_refused = True
    return ()


def _agreed(books: Books, ledger: ChannelBook, event: _Agreement) -> Iterator[Entry]:
    """Everything through that turn counts, but what was undone in the same breath."""
    agreed = [change for change in ledger.queue if change.turn_num <= event.turn_num]
    ledger.queue = ledger.queue[len(agreed) :]
    for change in _standing(agreed) if len(agreed) > 1 else agreed:
        if change.kind == MOVE:
            if change.amount:
                yield _move(books, ledger, change)
        elif change.kind == ADD:
            yield from _guaranteed(books, ledger, change)
        else:
            yield from released(books, ledger, change)


def _standing(agreed: list[Change]) -> list[Change]:
    """What is left when the refused ones and their inverses cancel out."""
    standing: list[Change] = []
    refused: list[Change] = []
    for change in agreed:
        undone = next((known for known in refused if known.is_undone_by(change)), None)
        if undone is not None:
            refused.remove(undone)
            standing.remove(undone)
            continue
        standing.append(change)
        if change.is_refused:
            refused.append(change)
    return standing


def _is_left(books: Books, change: Change | Guarantee) -> bool:
    return change.left == destination_of(books.me)


def _move(books: Books, ledger: ChannelBook, change: Change) -> Entry:
    amount = change.amount
    gained, other = (-amount, PAID) if _is_left(books, change) else (amount, RECEIVED)
    return _between(ledger, "payment", gained, other, ledger.channel_id, change.request_id)


def _between(
    ledger: ChannelBook, kind: str, gained: int, other: str, about: ChannelId, reference: str = ""
) -> Entry:
    """What our balance in the ledger gains for good, and the other party's loses."""
    postings = (
        (ledger.ours, gained),
        (other, -gained),
        (ledger.theirs, -gained),
        (ledger.peer, gained),
    )
    return Entry(kind, ledger.asset, postings, about, ledger.counterparty, reference)


def _guaranteed(books: Books, ledger: ChannelBook, change: Change) -> Iterator[Entry]:
    """Both put in what the change says, and left pays the fee (M14)."""
    target = change.target
    left, right = change.left_amount, change.amount - change.left_amount
    ours, theirs = (left, right) if _is_left(books, change) else (right, left)
    postings = (
        (ledger.ours, -ours),
        (guarantee_account(ledger.channel_id, target, "ours"), ours),
        (ledger.theirs, -theirs),
        (guarantee_account(ledger.channel_id, target, "theirs"), theirs),
    )
    ledger.guaranteed[target] = change.amount
    _carry(books, ledger, target)
    yield Entry("guarantee", ledger.asset, _moved(postings), target, ledger.counterparty)
    if change.fee:
        yield _fee(books, ledger, change, change.fee)


def _fee(books: Books, ledger: ChannelBook, change: Change, fee: int) -> Entry:
    """What left gives right for carrying the channel; less than zero when it goes back."""
    channel = books.channels.get(change.target)
    is_left = _is_left(books, change)
    is_hub = channel.is_hub if channel is not None else not is_left
    account = FEES_EARNED if is_hub else FEES_PAID
    gained = -fee if is_left else fee
    return _between(ledger, "hub-fee", gained, account, change.target)


def _carry(books: Books, ledger: ChannelBook, target: ChannelId) -> None:
    """Payments in the channel move what the guarantee holds."""
    channel = books.channels.get(target)
    if channel is None:
        return
    channel.carriers = (*channel.carriers, ledger.channel_id)
    channel.asset = ledger.asset
    if not channel.is_hub:
        channel.ours, channel.theirs = channel.carried_by(ledger)
        channel.peer = ledger.peer


def released(books: Books, ledger: ChannelBook, change: Change) -> Iterator[Entry]:
    """Both get out what the change says; beyond what their accounts hold it is won or lost."""
    target, asset = change.target, ledger.asset
    left, right = change.left_amount, change.amount - change.left_amount
    ours, theirs = (left, right) if _is_left(books, change) else (right, left)
    our_guarantee = guarantee_account(ledger.channel_id, target, "ours")
    their_guarantee = guarantee_account(ledger.channel_id, target, "theirs")
    held = books.balance(asset, our_guarantee)
    held_theirs = books.balance(asset, their_guarantee)
    won = ours - held
    postings = (
        (ledger.ours, ours),
        (our_guarantee, -held),
        (_won(books, target, won), -won),
        (ledger.theirs, theirs),
        (their_guarantee, -held_theirs),
        (ledger.peer, held_theirs - theirs),
    )
    ledger.guaranteed.pop(target, None)
    channel = books.channels.get(target)
    if channel is not None:
        channel.carriers = tuple(one for one in channel.carriers if one != ledger.channel_id)
    yield Entry("release", asset, _moved(postings), target, ledger.counterparty)
    if change.fee:
        yield _fee(books, ledger, change, -change.fee)


def _won(books: Books, target: ChannelId, won: int) -> str:
    channel = books.channels.get(target)
    if channel is not None and channel.is_hub:
        return FORWARDED
    return RECEIVED if won > 0 else PAID


def _restored(
    books: Books, ledger: ChannelBook, event: ledger_events.LedgerRestored
) -> Sequence[Entry]:
    """A whole state that both had signed: what led to it was lost with the end of a log (M27)."""
    try:
        vars_ = vars_of(state_from_encoding(ledger.fixed, event.encoded_state))
    except ProtocolError:
        return ()
    return set_to(books, ledger, vars_, "restored")


def set_to(books: Books, ledger: ChannelBook, vars_: LedgerVars, kind: str) -> Sequence[Entry]:
    """The ledger as it stands now, whatever led to it: one entry for all that differs."""
    ledger.queue.clear()
    balances = (vars_.leader, vars_.follower)
    after = {
        ledger.ours: balances[ledger.my_index],
        ledger.theirs: balances[1 - ledger.my_index],
    }
    for target in ledger.guaranteed:
        after |= dict.fromkeys(_accounts(ledger, target), 0)
    gone = ledger.guaranteed.keys() - {guarantee.target for guarantee in vars_.guarantees}
    for guarantee in vars_.guarantees:
        shares = _shares(books, guarantee)
        after |= dict(zip(_accounts(ledger, guarantee.target), shares, strict=True))
        if guarantee.target not in ledger.guaranteed:
            _carry(books, ledger, guarantee.target)
    for target in gone:
        channel = books.channels.get(target)
        if channel is not None:
            channel.carriers = tuple(one for one in channel.carriers if one != ledger.channel_id)
    ledger.guaranteed = {guarantee.target: guarantee.amount for guarantee in vars_.guarantees}
    moved = [
        (account, amount - books.balance(ledger.asset, account))
        for account, amount in after.items()
    ]
    ours = sum(amount for account, amount in moved if account.endswith(":ours"))
    theirs = sum(amount for account, amount in moved if account.endswith(":theirs"))
    other = RESTORED if kind == "restored" else RECEIVED if ours > 0 else PAID
    postings = _moved((*moved, (other, -ours), (ledger.peer, -theirs)))
    if not postings:
        return ()
    where = (ledger.channel_id, ledger.counterparty)
    return (Entry(kind, ledger.asset, postings, *where),)


def _resumed(
    books: Books, ledger: ChannelBook, event: resumption_events.LedgerResumed
) -> Sequence[Entry]:
    """The ledger goes on after a loss: no money moves, and what was proposed is gone."""
    ledger.queue.clear()
    return ()


def _accounts(ledger: ChannelBook, target: ChannelId) -> tuple[str, str]:
    pair = (ledger.channel_id, target)
    return guarantee_account(*pair, "ours"), guarantee_account(*pair, "theirs")


def _shares(books: Books, guarantee: Guarantee) -> tuple[int, int]:
    """What each put in, and what was paid since went to the right."""
    channel = books.channels.get(guarantee.target)
    right = 0
    if channel is not None and channel.deposits:
        right = channel.deposits[-1] + (0 if channel.is_hub else channel.paid)
    left = guarantee.amount - right
    return (left, right) if _is_left(books, guarantee) else (right, left)


def _moved(postings: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(posting for posting in postings if posting[1])


POSTS: dict[type[events.Event], Callable[[Books, ChannelBook, Any], Iterable[Entry]]] = {
    ledger_events.LedgerUpdateProposed: _proposed,
    ledger_events.LedgerUpdateReceived: _proposed,
    ledger_events.LedgerUpdateSigned: _agreed,
    ledger_events.LedgerUpdateConfirmed: _agreed,
    ledger_events.LedgerCountersignatureSeen: _agreed,
    ledger_events.LedgerUpdateRefused: _refused,
    ledger_events.LedgerRefusalReceived: _refused,
    ledger_events.LedgerRestored: _restored,
    resumption_events.LedgerResumed: _resumed,
}
"""By event of a ledger: what it makes."""
