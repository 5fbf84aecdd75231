"""Lists of payments: one voucher for all, or one for each; vouchers that pass from hand to hand."""

from collections.abc import Iterator

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.vouchers import is_payment_channel, may_pay, voucher_faults
from node.verify.claims import Said
from protocols import events, payment_events
from protocols.types import amount_from_bytes

BatchEvent = payment_events.BatchIssued | payment_events.BatchReceived


class BatchCheck(Check):
    """M13: a list is written with its voucher or not at all, and sums to what the voucher rises."""

    name = "batches"
    judges = None

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._listing: bytes | None = None
        """The channel of a list whose voucher is still to come."""
        self._issued: tuple[bytes, int] = (b"", 0)
        """The channel and the number of the vouchers of ours that end with the record before."""

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        goes_on = (
            isinstance(event, payment_events.PaymentListed | BatchEvent)
            and event.channel_id == self._listing
        )
        if self._listing is not None and not goes_on:
            yield "the list before it has no voucher: they are written together (M13)"
        if isinstance(event, _BATCH_EVENTS):
            channel = self._facts.channels.get(event.channel_id)
            if channel is None or not is_payment_channel(self._facts, channel):
                yield f"{entry.name} names no payment channel of ours"
            else:
                yield from self._judge(channel, event)
        self._listing = (
            event.channel_id if isinstance(event, payment_events.PaymentListed) else None
        )
        if isinstance(event, events.VoucherIssued):
            self.issued(event.channel_id, 1)
        else:
            self._issued = (b"", 0)

    @property
    def is_open(self) -> bool:
        """Whether a list waits for its voucher."""
        return self._listing is not None

    def issued(self, channel_id: bytes, count: int) -> None:
        """So many vouchers of ours follow in a channel; none waits within a list."""
        channel, before = self._issued
        self._issued = (channel_id, count + (before if channel == channel_id else 0))

    def received(self) -> None:
        """Vouchers of a peer follow; none waits within a list."""
        self._issued = (b"", 0)

    def finish(self, ground: Ground | None = None) -> Iterator[Fault]:
        """A log does not end within a list."""
        if self._listing is not None:
            yield Fault("the log ends with a list that has no voucher (M13)")

    def _judge(self, channel: ChannelFacts, event: events.Event) -> Iterator[Said]:
        match event:
            case payment_events.PaymentListed():
                yield from _listed(channel, event)
            case payment_events.BatchIssued() | payment_events.BatchReceived():
                yield from _batch(self._facts, channel, event)
            case payment_events.BatchSplit():
                yield from self._split(channel, event)
            case payment_events.VoucherTaken():
                yield from _taken(self._facts, channel, event)

    def _split(self, channel: ChannelFacts, event: payment_events.BatchSplit) -> Iterator[str]:
        issued_in, count = self._issued
        if event.payment_count and (issued_in != event.channel_id or count < event.payment_count):
            yield f"there are not {event.payment_count} vouchers of the channel right before it"
        if not event.payment_count or amount_from_bytes(event.total) != channel.total:
            yield f"its total is not {channel.total}, the last voucher's"


_BATCH_EVENTS = (
    payment_events.PaymentListed
    | BatchEvent
    | payment_events.BatchSplit
    | payment_events.VoucherTaken
)


def _listed(channel: ChannelFacts, event: payment_events.PaymentListed) -> Iterator[str]:
    if amount_from_bytes(event.amount) < 1:
        yield "a payment of nothing"
    if event.payment_id in channel.listed_ids:
        yield "the payment id is in the list already (M13)"
    if channel.my_index == 0 and event.payment_id in channel.payment_ids:
        yield "the payment id was used before in this channel"


def _batch(facts: Facts, channel: ChannelFacts, event: BatchEvent) -> Iterator[Said]:
    is_ours = isinstance(event, payment_events.BatchIssued)
    if is_ours != (channel.my_index == 0):
        yield "only participant 0 pays"
    base, total = amount_from_bytes(event.base), amount_from_bytes(event.total)
    if base != channel.total:
        yield f"its base {base} is not {channel.total}, the largest voucher before (M13)"
    rise = sum(payment.amount for payment in channel.listed)
    if total != base + rise:
        yield f"total {total} is not the base {base} and the listed {rise} (M13)"
    if not channel.listed or event.payment_count != len(channel.listed):
        yield f"{len(channel.listed)} payments are listed before it, not {event.payment_count}"
    yield from may_pay(facts, channel, is_ours=is_ours)
    yield from voucher_faults(channel, total, event.signature)


def _taken(
    facts: Facts, channel: ChannelFacts, event: payment_events.VoucherTaken
) -> Iterator[Said]:
    if channel.my_index == 0:
        yield "only the payee takes vouchers"
    total, rise = amount_from_bytes(event.total), amount_from_bytes(event.amount)
    if rise < 1 or total != channel.total + rise:
        yield f"total {total} is not {channel.total} + {rise}"
    if channel.pending:
        yield f"{len(channel.pending)} payments before it wait for a receipt of their own (M13)"
    yield from may_pay(facts, channel, is_ours=False)
    yield from voucher_faults(channel, total, event.signature)
