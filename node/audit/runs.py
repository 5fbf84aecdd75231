"""Runs of vouchers: what the families find of one after the other, found for all of them at once.

Vouchers of one channel follow each other by the thousand. What the rules ask of the channel they
ask once, what they ask of the amounts they ask of all together. A run that is not plainly in order
is not judged here: then each of its records is judged by itself.
"""

from collections.abc import Sequence
from itertools import accumulate

from node.audit.batches import BatchCheck
from node.audit.channel_facts import ChannelFacts
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.vouchers import is_payment_channel, may_pay
from node.verify.claims import SignedTotals
from protocols import events, payment_events

RUN_KINDS = frozenset((events.VoucherIssued, events.VoucherReceived, payment_events.VoucherCreated))
"""What may come in runs."""

_to_int = int.from_bytes


def runs_of(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """The records in order, those of one kind in one channel together where they follow."""
    runs: list[Sequence[Entry]] = []
    start, count = 0, len(entries)
    while start < count:
        kind, end = type(entries[start].event), start + 1
        if kind in RUN_KINDS:
            channel_id = entries[start].event.channel_id  # type: ignore[attr-defined]
            while (
                end < count
                and type(event := entries[end].event) is kind
                and event.channel_id == channel_id  # type: ignore[attr-defined]
            ):
                end += 1
        runs.append(entries[start:end])
        start = end
    return runs


class VoucherRuns:
    """The rules of `VoucherCheck`, `BatchCheck` and `VirtualCheck` for runs of vouchers."""

    def __init__(self, facts: Facts, batches: BatchCheck) -> None:
        self._facts = facts
        self._batches = batches

    def judge(self, run: Sequence[Entry]) -> SignedTotals | None:
        """What must be signed, and nothing else is wrong; None: judge them one by one.

        A run that was judged is taken for granted at once, by the facts and the other families.
        """
        paid = [entry.event for entry in run]
        kind, channel = type(paid[0]), self._facts.channels.get(paid[0].channel_id)  # type: ignore[attr-defined]
        if channel is None or not self._may_pay(channel, kind):
            return None
        amounts = [_to_int(event.amount, "big") for event in paid]  # type: ignore[attr-defined]
        totals32 = [event.total for event in paid]  # type: ignore[attr-defined]
        totals, deposits = [_to_int(total, "big") for total in totals32], channel.deposits()
        if min(amounts) < 1 or [*accumulate(amounts, initial=channel.total)][1:] != totals:
            return None
        if not deposits or totals[-1] > deposits[0]:
            return None
        ids = [event.payment_id for event in paid]  # type: ignore[attr-defined]
        if channel.my_index == 0 and not channel.are_fresh(ids):
            return None
        channel.pay(ids, amounts, totals)
        if kind is events.VoucherIssued:
            self._batches.issued(channel.channel_id, len(run))
        else:
            self._batches.received()
        signatures = [event.signature for event in paid]  # type: ignore[attr-defined]
        payer = channel.participants[0]
        return SignedTotals("the voucher", channel.channel_id, totals32, signatures, payer)

    def _may_pay(self, channel: ChannelFacts, kind: type[events.Event]) -> bool:
        is_ours = kind is not events.VoucherReceived
        is_pruned = channel.virtual is not None and channel.virtual.is_pruned
        return (
            not self._batches.is_open
            and not is_pruned
            and is_payment_channel(self._facts, channel)
            and is_ours == (channel.my_index == 0)
            and not any(may_pay(self._facts, channel, is_ours=is_ours))
        )
