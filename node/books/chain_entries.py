"""Entries by what the chain confirmed: deposits, payouts, gas.

Whose deposit it was is told by our own transactions; what is above a party's share is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from node.books.channel import ChannelBook
from node.books.entry import GAS, OUTSIDE, WALLET, Entry, peer_account
from protocols import events
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.transaction_events import TransactionReplaced
from protocols.transactions import DEPOSIT
from protocols.types import ZERO_ADDRESS, Bytes32, ChannelId

if TYPE_CHECKING:
    from node.books.book import Books

_amount = int.from_bytes


@dataclass(slots=True)
class Burnt:
    """Gas that a mined transaction of ours cost."""

    block_num: int
    cost: int
    channel_id: ChannelId
    tx_hash: Bytes32


@dataclass(slots=True)
class ChainNotes:
    """What is remembered of our own transactions."""

    wanted: dict[Bytes32, tuple[str, ChannelId]] = field(default_factory=dict)
    """Intent -> its kind and channel, until it is over."""
    deposits: set[Bytes32] = field(default_factory=set)
    """Hashes of our own deposits that were not confirmed yet."""
    burnt: dict[Bytes32, Burnt] = field(default_factory=dict)
    """By intent: what a fork may still take back."""


def _requested(books: Books, event: events.TransactionRequested) -> Sequence[Entry]:
    books.chain.wanted[event.intent_id] = (event.kind, event.channel_id)
    return ()


def _submitted(books: Books, event: events.TransactionSubmitted) -> Sequence[Entry]:
    kind, _ = books.chain.wanted.get(event.intent_id, ("", b""))
    if kind == DEPOSIT:
        books.chain.deposits.add(event.tx_hash)
    return ()


def _replaced(books: Books, event: TransactionReplaced) -> Sequence[Entry]:
    """Either of the two may be mined."""
    if event.old_tx_hash in books.chain.deposits:
        books.chain.deposits.add(event.tx_hash)
    return ()


def _failed(books: Books, event: events.TransactionFailed) -> Sequence[Entry]:
    books.chain.wanted.pop(event.intent_id, None)
    return ()


def _mined(books: Books, event: events.TransactionMined) -> Sequence[Entry]:
    """Gas is spent, whether the call succeeded or not."""
    cost = event.gas_used * _amount(event.gas_price, "big")
    _, channel_id = books.chain.wanted.get(event.intent_id, ("", b""))
    burnt = Burnt(event.block_num, cost, channel_id, event.tx_hash)
    books.chain.burnt[event.intent_id] = burnt
    return (_gas(books, burnt, cost),) if cost else ()


def _gas(books: Books, burnt: Burnt, cost: int) -> Entry:
    channel = books.channels.get(burnt.channel_id)
    counterparty = b"" if channel is None else channel.counterparty
    postings = ((WALLET, -cost), (GAS, cost))
    reference = "0x" + burnt.tx_hash.hex()
    return Entry("gas", ZERO_ADDRESS, postings, burnt.channel_id, counterparty, reference)


def _reorged(books: Books, event: events.ChainReorged) -> Sequence[Entry]:
    """What was mined from there on was not: its gas comes back until it is mined again."""
    burnt = books.chain.burnt
    gone = [intent for intent, found in burnt.items() if found.block_num >= event.fork_block_num]
    taken_back = [burnt.pop(intent) for intent in gone]
    return [_gas(books, found, -found.cost) for found in taken_back if found.cost]


def _processed(books: Books, event: events.ChainBlockProcessed) -> Sequence[Entry]:
    """No fork reaches below a confirmed block."""
    burnt = books.chain.burnt
    for intent in [known for known, found in burnt.items() if found.block_num <= event.block_num]:
        del burnt[intent]
        books.chain.wanted.pop(intent, None)
    return ()


def _deposited(books: Books, event: events.DepositDetected) -> Sequence[Entry]:
    channel = books.channels.get(event.channel_id)
    if channel is None or event.asset != channel.asset:
        return ()
    tx_hash = event.tx_hash or b""
    is_own = tx_hash in books.chain.deposits
    books.chain.deposits.discard(tx_hash)
    reference = "0x" + tx_hash.hex() if tx_hash else ""
    now_held = _amount(event.now_held, "big")
    back = tuple(_given_back(channel, now_held))
    return (*back, *_taken_in(channel, now_held, is_own=is_own, reference=reference))


def _taken_in(
    channel: ChannelBook, now_held: int, *, is_own: bool, reference: str
) -> Iterator[Entry]:
    """The rise, shared out as the opening amounts stand in line (C8)."""
    start, channel.held = channel.held, now_held
    first = 0
    for index, share in enumerate((*channel.deposits, None)):
        last = now_held if share is None else first + share
        amount = min(now_held, last) - max(start, first)
        if amount > 0:
            account, giver = _place_and_giver(channel, index, share is None)
            giver = WALLET if is_own else giver
            postings = ((account, amount), (giver, -amount))
            where = (channel.channel_id, channel.counterparty, reference)
            yield Entry("deposit", channel.asset, postings, *where)
        first = last


def _place_and_giver(channel: ChannelBook, index: int, is_surplus: bool) -> tuple[str, str]:
    """Where it counts, and who gave it if it was not us: a stranger may pay our share."""
    if is_surplus:
        return channel.surplus(), OUTSIDE
    if index == channel.my_index:
        return channel.ours, OUTSIDE
    return channel.theirs, channel.peer


def _left(channel: ChannelBook, now_held: int) -> Entry | None:
    """The holdings fell: paid out to whom other records will say."""
    gone, channel.held = channel.held - now_held, now_held
    if gone == 0:
        return None
    postings = ((channel.leaving(), -gone), (OUTSIDE, gone))
    return Entry("payout", channel.asset, postings, channel.channel_id, channel.counterparty)


def _allocation_updated(books: Books, event: events.AllocationUpdated) -> Sequence[Entry]:
    channel = books.channels.get(event.channel_id)
    if channel is None or event.asset != channel.asset:
        return ()
    entry = _left(channel, _amount(event.new_amount, "big"))
    return () if entry is None else (entry,)


def _withdrawn(books: Books, event: events.WithdrawCompleted) -> Sequence[Entry]:
    channel, amount = books.channels.get(event.channel_id), _amount(event.amount, "big")
    if channel is None or amount == 0 or event.asset != channel.asset:
        return ()
    is_own = event.recipient == books.me
    share = channel.ours if is_own else channel.theirs
    wallet = WALLET if is_own else peer_account(event.recipient)
    reference = "0x" + event.tx_hash.hex() if event.tx_hash else ""
    postings = (
        (share, -amount),
        (wallet, amount),
        (channel.leaving(), amount),
        (OUTSIDE, -amount),
    )
    where = (channel.channel_id, channel.counterparty, reference)
    return (Entry("payout", channel.asset, postings, *where),)


def _read(books: Books, event: events.HoldingsRead) -> Sequence[Entry]:
    """After a cut tail: the chain's word stands for the logs that were lost."""
    channel, held = books.channels.get(event.channel_id), _amount(event.held, "big")
    if channel is None or event.asset != channel.asset:
        return ()
    if held < channel.held:
        gone = channel.held - held
        entry = _left(channel, held)
        if entry is None:
            return ()
        if channel.is_halted:
            channel.retracted += gone
            entry = replace(entry, kind="retracted")
        return (entry,)
    back = tuple(_given_back(channel, held))
    return (*back, *_taken_in(channel, held, is_own=channel.my_index == 0, reference=""))


def _given_back(channel: ChannelBook, now_held: int) -> Iterator[Entry]:
    """What a fork took away is held again: no deposit, it never went to anybody."""
    again = min(channel.retracted, now_held - channel.held)
    if again > 0:
        channel.retracted -= again
        channel.held += again
        postings = ((channel.leaving(), again), (OUTSIDE, -again))
        where = (channel.channel_id, channel.counterparty)
        yield Entry("retracted", channel.asset, postings, *where)


def _halted(books: Books, event: ChannelHalted | ChannelHaltLifted) -> Sequence[Entry]:
    """From here on a lower figure is no payout; or it is one again."""
    channel = books.channels.get(event.channel_id)
    if channel is not None:
        channel.is_halted = isinstance(event, ChannelHalted)
    return ()


POSTS: dict[type[events.Event], Callable[[Books, Any], Iterable[Entry]]] = {
    events.TransactionRequested: _requested,
    events.TransactionSubmitted: _submitted,
    TransactionReplaced: _replaced,
    events.TransactionMined: _mined,
    events.TransactionFailed: _failed,
    events.ChainReorged: _reorged,
    events.ChainBlockProcessed: _processed,
    events.DepositDetected: _deposited,
    events.AllocationUpdated: _allocation_updated,
    events.WithdrawCompleted: _withdrawn,
    events.HoldingsRead: _read,
    ChannelHalted: _halted,
    ChannelHaltLifted: _halted,
}
"""By event: what it makes."""
