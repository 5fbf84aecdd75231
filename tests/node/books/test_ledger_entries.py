"""Entries by what a ledger's parties agreed on, refused, or showed each other after a loss."""

from __future__ import annotations

from node.books import Books, Entry
from node.books.entry import PAID, RECEIVED, RESTORED, channel_account
from protocols import commands, events, ledger_events
from protocols.ledger import ledger_state
from protocols.types import ZERO_ADDRESS
from tests.support import audit_webs
from tests.support.book_readings import differences
from tests.support.web import BALANCE, Web, WebNode


def posted(history: list[events.Event]) -> tuple[Books, list[Entry]]:
    books = Books()
    return books, [entry for event in history for entry in books.post(event)]


def books_of(node: WebNode) -> Books:
    return posted([event for _, event in node.log])[0]


def test_payments_that_were_refused_and_undone_never_happened() -> None:
    """Bob closes; two payments of Alice's cross that wish."""
    for history in (audit_webs.closing_leader(), audit_webs.closing_follower()):
        assert any(event.NAME.startswith("ledger-update-refused") for event in history) or any(
            event.NAME == "ledger-refusal-received" for event in history
        )
        _, entries = posted(history)
        amounts = sorted(abs(e.postings[0][1]) for e in entries if e.kind == "payment")
        assert amounts == [5, 10]


def test_a_guarantee_moves_what_left_puts_in() -> None:
    web = Web(0)
    channel_id = web.opened(1_000)
    for node, expected in ((web.payer, BALANCE - 1_000), (web.payee, BALANCE)):
        books = books_of(node)
        ours = channel_account(web.ledgers[0], "ours")
        assert books.balance(ZERO_ADDRESS, ours) == expected
        assert books.channels[channel_id].carriers == (web.ledgers[0],)
        assert books.channels[web.ledgers[0]].guaranteed == {channel_id: 1_000}


def test_what_a_restored_state_shows_is_told_apart() -> None:
    """Both signed a move, and the log that held it was cut."""
    web = Web(0)
    ledger_id = web.ledgers[0]
    before = [event for _, event in web.payer.log]
    web.payer.feed(commands.PayLedger(ledger_id, 25, "rent"))
    web.settle()
    channel, ledger = web.payer.channel(ledger_id), web.payer.ledger(ledger_id)
    state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
    shown = ledger_events.LedgerRestored(
        ledger_id, ledger.state_hash, state.encode(), *ledger.signatures
    )
    books, entries = posted([*before, shown])
    assert entries[-1].kind == "restored"
    assert books.balance(ZERO_ADDRESS, RESTORED) == 25
    assert books.balance(ZERO_ADDRESS, PAID) == books.balance(ZERO_ADDRESS, RECEIVED) == 0
    assert differences(books, web.payer.state) == []


def test_a_restored_state_with_and_without_guarantees() -> None:
    web = Web(1, fees=(7,))
    before = [event for _, event in web.row[1].log]
    channel_id = web.opened(1_000)
    hub = web.row[1]
    with_guarantee = [event for _, event in hub.log]
    ledger_id = web.ledgers[0]
    shown = _shown(hub, ledger_id)
    known = [e for e in with_guarantee if isinstance(e, events.ChannelCreated)]
    books, entries = posted([*before, known[-1], shown])
    assert entries[-1].kind == "restored"
    assert sum(amount for _, amount in entries[-1].postings) == 0
    assert books.channels[ledger_id].guaranteed == {channel_id: 1_000}
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    books, entries = posted([*with_guarantee, _shown(hub, ledger_id)])
    assert entries[-1].kind == "restored"
    assert books.channels[ledger_id].guaranteed == {}
    left = [name for name in books.balances[ZERO_ADDRESS] if ledger_id.hex() in name]
    assert sorted(name.rpartition(":")[2] for name in left) == ["ours", "theirs"]


def _shown(node: WebNode, ledger_id: bytes) -> ledger_events.LedgerRestored:
    channel, ledger = node.channel(ledger_id), node.ledger(ledger_id)
    state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
    return ledger_events.LedgerRestored(
        ledger_id, ledger.state_hash, state.encode(), *ledger.signatures
    )
