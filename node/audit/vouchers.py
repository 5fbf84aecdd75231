"""Payments: vouchers rise by what was paid and never above the deposit, receipts cover them."""

from collections.abc import Iterator

from node.audit.entry import Entry
from node.audit.facts import ChannelFacts, Facts
from node.audit.signatures import signature_fault
from protocols import events
from protocols.crypto import merkle_root, payment_leaf
from protocols.types import amount_from_bytes
from protocols.voucher import receipt_hash, voucher_hash

POSTFUND_TURN = 1


class VoucherCheck:
    """M11 to M13."""

    name = "vouchers"

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if not isinstance(event, _VOUCHER_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None or len(channel.participants) != 2:
            if not isinstance(event, events.VoucherRefused | events.VoucherRefusalReceived):
                yield f"{entry.name} names no payment channel of ours"
            return
        match event:
            case events.VoucherIssued() | events.VoucherReceived():
                yield from _voucher(channel, event)
            case events.ReceiptIssued() | events.ReceiptReceived():
                yield from _receipt(channel, event)
            case events.VoucherRefused():
                yield from _refused(channel, event)
            case events.VoucherRefusalReceived():
                return  # The peer's words: recorded, never believed.
            case events.VoucherResent():
                yield from _resent(channel, event)
            case events.FinalStateRequested():
                yield from _requested(channel, event, self._facts.me)
            case events.FinalStateRefused():
                yield from _final_refused(channel, event, self._facts.me)


_VOUCHER_EVENTS = (
    events.VoucherIssued
    | events.VoucherReceived
    | events.VoucherRefused
    | events.VoucherRefusalReceived
    | events.VoucherResent
    | events.ReceiptIssued
    | events.ReceiptReceived
    | events.FinalStateRequested
    | events.FinalStateRefused
)


def _voucher(
    channel: ChannelFacts, event: events.VoucherIssued | events.VoucherReceived
) -> Iterator[str]:
    is_ours = isinstance(event, events.VoucherIssued)
    if is_ours != (channel.my_index == 0):
        yield "only participant 0 pays"
    amount, total = amount_from_bytes(event.amount), amount_from_bytes(event.total)
    if amount < 1:
        yield "a payment of nothing"
    if total != channel.total + amount:
        yield f"total {total} is not {channel.total} + {amount} (M13)"
    deposits = channel.deposits()
    if not deposits or total > deposits[0]:
        yield f"total {total} is above the deposit {deposits[:1]} (M11)"
    if is_ours and event.payment_id in channel.payment_ids:
        yield "the payment id was used before in this channel"
    yield from _open(channel, is_ours)
    payer = channel.participants[0]
    fault = signature_fault(
        "the voucher", voucher_hash(channel.channel_id, total), event.signature, payer
    )
    if fault is not None:
        yield fault


def _open(channel: ChannelFacts, is_ours: bool) -> Iterator[str]:
    if channel.supported_turn != POSTFUND_TURN or not channel.is_funded():
        yield "the channel is not open: postfund signed by all and deposit confirmed (M11)"
    if channel.signed_final():
        yield "we signed a final state before (M12)"
    if is_ours and channel.has_final_request:
        yield "the payee asked to close before (M12)"
    if channel.chain_status() != "open":
        yield f"the channel is {channel.chain_status()} on chain (M11)"
    if channel.is_close_only:
        yield "the log had lost a tail: the channel may only be closed (M27)"


def _receipt(
    channel: ChannelFacts, event: events.ReceiptIssued | events.ReceiptReceived
) -> Iterator[str]:
    is_ours = isinstance(event, events.ReceiptIssued)
    if is_ours == (channel.my_index == 0):
        yield "only the payee gives receipts"
    count, total = event.payment_count, amount_from_bytes(event.total)
    covered = channel.pending[:count]
    if not covered or len(covered) != count:
        yield f"it covers {count} payments, {len(channel.pending)} wait for a receipt"
        return
    if is_ours and count != len(channel.pending):
        yield f"it covers {count} of {len(channel.pending)} payments"
    if covered[-1].total != total:
        yield f"its total {total} is not {covered[-1].total}, the last payment's"
    root = merkle_root([payment_leaf(p.payment_id, p.amount) for p in covered])
    if root != event.root:
        yield f"its root is not that of the payments it covers, 0x{root.hex()} (M13)"
    message = receipt_hash(channel.channel_id, total, event.root)
    fault = signature_fault("the receipt", message, event.signature, channel.participants[1])
    if fault is not None:
        yield fault


def _refused(channel: ChannelFacts, event: events.VoucherRefused) -> Iterator[str]:
    if channel.my_index == 0 or event.peer not in channel.participants:
        return  # A stranger's, or one that pays the wrong way: there is no base to name.
    if amount_from_bytes(event.accepted_total) != channel.total:
        yield f"it names another base than {channel.total}, our largest accepted (M13)"


def _resent(channel: ChannelFacts, event: events.VoucherResent) -> Iterator[str]:
    waiting = {(payment.payment_id, payment.total) for payment in channel.pending}
    if (event.payment_id, amount_from_bytes(event.total)) not in waiting:
        yield "no such payment waits for a receipt (M13)"


def _requested(
    channel: ChannelFacts, event: events.FinalStateRequested, me: bytes
) -> Iterator[str]:
    if event.requester not in channel.participants:
        yield f"0x{event.requester.hex()} is no participant"
        return
    if event.requester != channel.participants[1]:
        return  # A payer has no voucher to show.
    yield from _shown(channel, amount_from_bytes(event.total), event.signature, event.requester, me)


def _final_refused(
    channel: ChannelFacts, event: events.FinalStateRefused, me: bytes
) -> Iterator[str]:
    if event.refuser != channel.participants[1]:
        yield "only the payee refuses a final state"
    total = amount_from_bytes(event.total)
    refused = [state for state in channel.states.values() if state.turn_num == event.turn_num]
    if not refused or not refused[0].is_final:
        yield f"turn {event.turn_num} is no stored final state"
    elif refused[0].outcome[0].allocations[1].amount >= total:
        yield "the refused state pays what the voucher is worth (M12)"
    if event.refuser == me and event.turn_num in channel.signed_by_me:
        yield f"we signed turn {event.turn_num} before (M7)"
    yield from _shown(channel, total, event.signature, event.refuser, me)


def _shown(
    channel: ChannelFacts, total: int, signature: bytes, who: bytes, me: bytes
) -> Iterator[str]:
    """The largest voucher, as the payee shows it."""
    if who == me and total != channel.total:
        yield f"it shows {total}, our largest accepted voucher is {channel.total}"
    if total > 0:
        message = voucher_hash(channel.channel_id, total)
        fault = signature_fault("the voucher shown", message, signature, channel.participants[0])
        if fault is not None:
            yield fault
