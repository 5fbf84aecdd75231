"""The books: one event after the other becomes entries, and the accounts keep their balances.

It believes the records, as the node's own fold does, and shares none of its code: what is signed
is read by the encodings of `protocols`, and every movement is derived here once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from node.books import chain_entries, exit_entries, ledger_entries
from node.books.channel import ChannelBook
from node.books.entry import APPLICATIONS, FORWARDED, PAID, RECEIVED, Entry
from protocols import app_events, events, payment_events, virtual_events
from protocols.errors import ProtocolError
from protocols.outcome import SingleAssetExit
from protocols.state import FixedPart, says_final, state_from_encoding
from protocols.types import Address, ChannelId

Entries = Iterable[Entry]
_NONE: tuple[Entry, ...] = ()

_amount = int.from_bytes


class Books:
    """Accounts and balances after the events posted so far."""

    def __init__(self) -> None:
        self.node: events.NodeCreated | None = None
        self.channels: dict[ChannelId, ChannelBook] = {}
        self.balances: dict[Address, dict[str, int]] = {}
        """By asset and account; an account that came to nothing is left out."""
        self.chain = chain_entries.ChainNotes()
        self._posts: dict[type[events.Event], Callable[[Any], Entries]] = {
            events.NodeCreated: self._node_created,
            events.ChannelCreated: self._channel_created,
            events.StateStored: self._state_stored,
            events.ChannelFinalized: self._finalized,
            events.VoucherIssued: self._paid,
            events.VoucherReceived: self._paid,
            payment_events.VoucherCreated: self._paid,
            payment_events.PaymentListed: self._paid,
            payment_events.VoucherTaken: self._taken,
            app_events.AppChannelRecorded: self._app_recorded,
            app_events.AppStateSigned: self._app_signed,
            app_events.AppStateConfirmed: self._app_agreed,
            app_events.AppConfirmationReceived: self._app_agreed,
            app_events.AppSignatureShown: self._app_agreed,
            app_events.AppMoveTaken: self._app_taken,
            app_events.AppStandingTaken: self._app_shown,
            virtual_events.VirtualChannelRecorded: self._virtual_recorded,
            virtual_events.VirtualChannelPruned: self._pruned,
            **{kind: self._on_chain(post) for kind, post in chain_entries.POSTS.items()},
            **{kind: self._on_chain(post) for kind, post in exit_entries.POSTS.items()},
            **{kind: self._on_ledger(post) for kind, post in ledger_entries.POSTS.items()},
        }

    @property
    def me(self) -> Address:
        """Our address; empty before record 0."""
        return b"" if self.node is None else self.node.node_address

    @property
    def kinds(self) -> frozenset[type[events.Event]]:
        """The events that may make entries."""
        return frozenset(self._posts)

    def post(self, event: events.Event) -> Sequence[Entry]:
        """The entries that the event makes, in order; most events make none."""
        post = self._posts.get(type(event))
        if post is None:
            return _NONE
        entries = []
        for entry in post(event):
            # At once: what the same event makes next looks at the balances.
            self.enter(entry)
            entries.append(entry)
        return entries

    def enter(self, entry: Entry) -> None:
        """Add the postings to their accounts."""
        accounts = self.balances.get(entry.asset)
        if accounts is None:
            accounts = self.balances[entry.asset] = {}
        for account, amount in entry.postings:
            balance = accounts.get(account, 0) + amount
            if balance:
                accounts[account] = balance
            else:
                accounts.pop(account, None)

    def balance(self, asset: Address, account: str) -> int:
        """Smallest unit; 0 for an account that nothing is on."""
        return self.balances.get(asset, {}).get(account, 0)

    def _on_chain(self, post: Callable[[Books, Any], Entries]) -> Callable[[events.Event], Entries]:
        return lambda event: post(self, event)

    def _on_ledger(
        self, post: Callable[[Books, ChannelBook, Any], Entries]
    ) -> Callable[[Any], Entries]:
        def posted(event: Any) -> Entries:
            ledger = self.channels.get(event.channel_id)
            return _NONE if ledger is None else post(self, ledger, event)

        return posted

    # --- what there is ---

    def _node_created(self, event: events.NodeCreated) -> Entries:
        self.node = event
        return _NONE

    def _channel_created(self, event: events.ChannelCreated) -> Entries:
        if self.node is None or self.me not in event.participants:
            return _NONE
        try:
            fixed = FixedPart(
                event.participants,
                event.channel_nonce,
                event.app_definition,
                event.challenge_duration,
            )
        except ProtocolError:
            return _NONE
        is_ledger = event.app_definition == self.node.consensus_app
        place = event.participants.index(self.me)
        self.channels[event.channel_id] = ChannelBook(event.channel_id, fixed, place, is_ledger)
        return _NONE

    def _state_stored(self, event: events.StateStored) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is None:
            return _NONE
        if not channel.deposits:
            exit_ = _outcome(channel, event.encoded_state)
            if exit_ is not None:
                channel.asset = exit_.asset
                channel.deposits = tuple(share.amount for share in exit_.allocations)
        elif says_final(event.encoded_state):
            channel.finals[event.state_hash] = event.encoded_state
        return _NONE

    def _virtual_recorded(self, event: virtual_events.VirtualChannelRecorded) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is not None:
            channel.fees = tuple(_amount(fee, "big") for fee in event.fees)
        return _NONE

    def _pruned(self, event: virtual_events.VirtualChannelPruned) -> Entries:
        self.channels.pop(event.channel_id, None)
        return _NONE

    # --- payments ---

    def _paid(
        self,
        event: events.VoucherIssued
        | events.VoucherReceived
        | payment_events.VoucherCreated
        | payment_events.PaymentListed,
    ) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is None:
            return _NONE
        amount = _amount(event.amount, "big")
        reference = "0x" + event.payment_id.hex()
        return (_payment(channel, amount, reference, event.memo),)

    def _taken(self, event: payment_events.VoucherTaken) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is None:
            return _NONE
        return (_payment(channel, _amount(event.amount, "big"), event.request_id, ""),)

    # --- applications ---

    def _app_recorded(self, event: app_events.AppChannelRecorded) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is not None:
            channel.is_app = True
        return _NONE

    def _app_signed(self, event: app_events.AppStateSigned) -> Entries:
        """What we signed counts when the other end signed it too."""
        channel = self.channels.get(event.channel_id)
        if channel is not None:
            channel.signed_amounts = tuple(_amount(amount, "big") for amount in event.amounts)
        return _NONE

    def _app_taken(self, event: app_events.AppMoveTaken) -> Entries:
        """The other end's signature alone supports its move."""
        channel = self.channels.get(event.channel_id)
        if channel is None or len(event.amounts) != 2 or len(channel.deposits) != 2:
            return _NONE
        return self._moved(channel, _amount(event.amounts[1], "big"))

    def _app_agreed(
        self,
        event: app_events.AppStateConfirmed
        | app_events.AppConfirmationReceived
        | app_events.AppSignatureShown,
    ) -> Entries:
        channel = self.channels.get(event.channel_id)
        if channel is None or len(channel.signed_amounts) != 2 or len(channel.deposits) != 2:
            return _NONE
        return self._moved(channel, channel.signed_amounts[1])

    def _app_shown(self, event: app_events.AppStandingTaken) -> Entries:
        channel = self.channels.get(event.channel_id)
        exit_ = None if channel is None else _outcome(channel, event.encoded_state)
        if channel is None or exit_ is None or len(exit_.allocations) != 2:
            return _NONE
        return self._moved(channel, exit_.allocations[1].amount)

    def _moved(self, channel: ChannelBook, to_last: int) -> Entries:
        """The reducer pays the last participant so much now."""
        more = to_last - channel.deposits[-1] - channel.paid
        return (_payment(channel, more, "", "", "application"),) if more else _NONE

    def _finalized(self, event: events.ChannelFinalized) -> Entries:
        """All agreed on the end: whatever it says beyond what was paid before."""
        channel = self.channels.get(event.channel_id)
        encoded = None if channel is None else channel.finals.pop(event.final_state_hash, None)
        if channel is None or encoded is None or channel.is_ledger:
            return _NONE
        exit_ = _outcome(channel, encoded)
        if exit_ is None or len(exit_.allocations) != 2:
            return _NONE
        return self.settled(channel, exit_.allocations[1].amount)

    def settled(self, channel: ChannelBook, paid: int) -> Entries:
        """A channel ended with that much for its last end: what was not paid before."""
        # Of what each put in; who is paid in a payment channel put in nothing.
        more = paid - channel.deposits[-1] - channel.paid
        if not channel.is_hub:
            return (_payment(channel, more, "", "", "settlement"),) if more else _NONE
        return [
            self._forwarded(channel, self.channels[ledger_id], more)
            for ledger_id in channel.carriers
            if more and ledger_id in self.channels
        ]

    def _forwarded(self, channel: ChannelBook, ledger: ChannelBook, paid: int) -> Entry:
        """On our left we get what was paid, on our right we give it; what the first end won, the
        other way."""
        ours, theirs = channel.carried_by(ledger)
        neighbour = channel.fixed.participants[channel.my_index - 1]
        gained = paid if ledger.counterparty == neighbour else -paid
        postings = ((ours, gained), (FORWARDED, -gained), (theirs, -gained), (ledger.peer, gained))
        where = (channel.channel_id, ledger.counterparty)
        return Entry("forwarded", channel.asset, postings, *where)


def _payment(
    channel: ChannelBook, amount: int, reference: str, memo: str, kind: str = "payment"
) -> Entry:
    """An amount from the payer to the payee."""
    channel.paid += amount
    gained = -amount if channel.my_index == 0 else amount
    other = PAID if channel.my_index == 0 else RECEIVED
    if channel.is_app:
        other = APPLICATIONS
    return Entry(
        kind,
        channel.asset,
        (
            (channel.ours, gained),
            (other, -gained),
            (channel.theirs, -gained),
            (channel.peer, gained),
        ),
        channel.channel_id,
        channel.counterparty,
        reference,
        memo,
    )


def _outcome(channel: ChannelBook, encoded: bytes) -> SingleAssetExit | None:
    """The single outcome that the bytes say; None for bytes that are no state of the channel."""
    try:
        outcome = state_from_encoding(channel.fixed, encoded).outcome
    except ProtocolError:
        return None
    return outcome[0] if len(outcome) == 1 else None
