"""What the audit asks of the books: record by record that they balance, in the end that they say
what the facts say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from node.books.book import Books
from node.books.entry import Entry, channel_account, guarantee_account
from protocols.types import to_hex

if TYPE_CHECKING:
    from node.audit import entry as audit_entry
    from node.audit.channel_facts import ChannelFacts
    from node.audit.facts import Facts

_PARTS = ("ours", "theirs", "surplus", "leaving")


class BooksCheck:
    """Every entry sums to zero, no account holds less than nothing, and the balances are true."""

    name = "books"

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.books = Books()

    def check(self, entry: audit_entry.Entry) -> Iterator[str]:
        """What is wrong with the books once this record counts."""
        for posted in self.books.post(entry.event):
            yield from self.faults_of(posted)

    def faults_of(self, entry: Entry) -> Iterator[str]:
        """What is wrong with an entry that was just posted."""
        total = sum(amount for _, amount in entry.postings)
        if total:
            yield f"the entry {entry.kind} in {to_hex(entry.asset)} does not balance: {total}"
        balances = self.books.balances[entry.asset]
        for account, _ in entry.postings:
            balance = balances.get(account, 0)
            if balance == 0 or not account.startswith(("channel:", "guarantee:")):
                continue
            if (balance > 0) == account.endswith(":leaving"):
                yield f"{account} stands at {balance} after the entry {entry.kind}"

    def finish(self) -> Iterator[str]:
        """Where the books and the facts differ at the end of the log."""
        for asset, accounts in sorted(self.books.balances.items()):
            total = sum(accounts.values())
            if total:
                yield f"all accounts in {to_hex(asset)} together stand at {total}, not at 0"
        for channel in self._facts.channels.values():
            yield from self._channel(channel)

    def _channel(self, channel: ChannelFacts) -> Iterator[str]:
        known = self.books.channels.get(channel.channel_id)
        if known is None or not known.deposits:
            return
        name, asset = f"channel {to_hex(channel.channel_id)}", known.asset
        own = [
            self.books.balance(asset, channel_account(channel.channel_id, part)) for part in _PARTS
        ]
        held = channel.held.get(asset, 0)
        ledger = channel.ledger
        agreed = {} if ledger is None else ledger.agreed.guarantees
        targets = tuple(target for target in agreed if target not in channel.reclaimed)
        guaranteed = 0
        for target in targets:
            accounts = (
                guarantee_account(channel.channel_id, target, part) for part in ("ours", "theirs")
            )
            inside = sum(self.books.balance(asset, account) for account in accounts)
            guaranteed += inside
            expected = 0 if ledger is None else ledger.agreed.guarantees[target].amount
            if inside != expected:
                yield f"{name} guarantees {expected} for {to_hex(target)}, the books say {inside}"
        if channel.virtual is None and sum(own) + guaranteed != held:
            yield f"{name} holds {held}, the books say {sum(own) + guaranteed}"
        if channel.virtual is not None and sum(own) != held:
            yield f"{name} is virtual, and the books say that it holds {sum(own)} of its own"
