"""Payments: vouchers rise by what was paid and never above the deposit, receipts cover them."""

from collections.abc import Iterator
from typing import cast, get_args

from node.audit.channel_facts import ChannelFacts, covered_by
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.verify.claims import Rooted, Said, Signed
from protocols import events, payment_events
from protocols.types import amount_from_bytes
from protocols.voucher import NO_PAYMENTS_ROOT, receipt_hash, voucher_hash

POSTFUND_TURN, REDEMPTION_TURN = 1, 2

_VOUCHER_EVENTS = (
    events.VoucherIssued
    | events.VoucherReceived
    | payment_events.VoucherCreated
    | events.VoucherRefused
    | events.VoucherRefusalReceived
    | events.VoucherResent
    | events.ReceiptIssued
    | events.ReceiptReceived
    | events.FinalStateRequested
    | events.FinalStateRefused
)
_KINDS = frozenset(get_args(_VOUCHER_EVENTS))


class VoucherCheck(Check):
    """M11 to M13."""

    name = "vouchers"
    judges = get_args(_VOUCHER_EVENTS)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        if type(entry.event) not in _KINDS:
            return
        event = cast(_VOUCHER_EVENTS, entry.event)
        channel = self._facts.channels.get(event.channel_id)
        if channel is None or not self._is_known(channel, event):
            if not isinstance(event, events.VoucherRefused | events.VoucherRefusalReceived):
                yield f"{entry.name} names no payment channel of ours"
            return
        match event:
            case (
                events.VoucherIssued() | events.VoucherReceived() | payment_events.VoucherCreated()
            ):
                yield from _voucher(self._facts, channel, event)
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

    def _is_known(self, channel: ChannelFacts, event: events.Event) -> bool:
        # A ledger has no vouchers, but is asked to close in the same words.
        is_request = isinstance(event, events.FinalStateRequested)
        is_ledgers = is_request and self._facts.is_ledger(channel)
        is_end = isinstance(event, events.FinalStateRequested | events.FinalStateRefused)
        return (
            is_ledgers
            or (is_end and channel.app is not None)
            or is_payment_channel(self._facts, channel)
        )


def is_payment_channel(facts: Facts, channel: ChannelFacts) -> bool:
    """Whether we are an end of a channel that vouchers pay in (M1)."""
    node, last = facts.node, len(channel.participants) - 1
    is_apps = node is not None and channel.fixed.app_definition == node.virtual_payment_app
    return is_apps and channel.my_index in (0, last)


def _voucher(
    facts: Facts,
    channel: ChannelFacts,
    event: events.VoucherIssued | events.VoucherReceived | payment_events.VoucherCreated,
) -> Iterator[Said]:
    is_ours = not isinstance(event, events.VoucherReceived)
    if is_ours != (channel.my_index == 0):
        yield "only participant 0 pays"
    amount, total = amount_from_bytes(event.amount), amount_from_bytes(event.total)
    if amount < 1:
        yield "a payment of nothing"
    if total != channel.total + amount:
        yield f"total {total} is not {channel.total} + {amount} (M13)"
    if is_ours and event.payment_id in channel.payment_ids:
        yield "the payment id was used before in this channel"
    yield from may_pay(facts, channel, is_ours=is_ours)
    yield from voucher_faults(channel, total, event.signature)


def voucher_faults(channel: ChannelFacts, total: int, signature: bytes) -> Iterator[Said]:
    """Why a cumulative amount is no voucher of this channel's payer."""
    deposits = channel.deposits()
    if not deposits or total > deposits[0]:
        yield f"total {total} is above the deposit {deposits[:1]} (M11)"
    payer = channel.participants[0]
    yield Signed("the voucher", voucher_hash(channel.channel_id, total), signature, payer)


def may_pay(facts: Facts, channel: ChannelFacts, *, is_ours: bool) -> Iterator[str]:
    """Why a voucher is not safe in the channel now (M11, M12)."""
    if channel.supported_turn != POSTFUND_TURN or not facts.is_funded(channel):
        yield (
            "the channel is not open: postfund signed by all and deposit confirmed, "
            "or guaranteed to us (M11)"
        )
    if channel.signed_final():
        yield "we signed a final state before (M12)"
    if any(known.turn_num == REDEMPTION_TURN for known in channel.states.values()):
        yield "the channel was redeemed before (M11)"
    if is_ours and channel.has_final_request:
        yield "the payee asked to close before (M12)"
    carrier, virtual = facts.carrier(channel), channel.virtual
    for known in (channel,) if carrier is None else (channel, carrier):
        name = "channel" if known is channel else "ledger that carries it"
        if known.chain_status() != "open":
            yield f"the {name} is {known.chain_status()} on chain (M11)"
        if known.is_close_only:
            yield f"the log had lost a tail: the {name} may only be closed (M27)"
    if virtual is not None and facts.me in virtual.renounced:
        yield "we recorded that we take no voucher (M16)"


def _receipt(
    channel: ChannelFacts, event: events.ReceiptIssued | events.ReceiptReceived
) -> Iterator[Said]:
    is_ours = isinstance(event, events.ReceiptIssued)
    if is_ours == (channel.my_index == 0):
        yield "only the payee gives receipts"
    if event.payment_count:
        yield from _lists_receipt(channel, event, is_ours=is_ours)
    else:
        yield from _handed_receipt(channel, event, is_ours=is_ours)
    message = receipt_hash(channel.channel_id, amount_from_bytes(event.total), event.root)
    yield Signed("the receipt", message, event.signature, channel.participants[-1])


def _lists_receipt(
    channel: ChannelFacts, event: events.ReceiptIssued | events.ReceiptReceived, *, is_ours: bool
) -> Iterator[Said]:
    count, total = event.payment_count, amount_from_bytes(event.total)
    covered = covered_by(channel, event)
    if len(covered) != count:
        yield f"it covers {count} payments, {len(channel.pending)} wait for a receipt"
        return
    if is_ours and count != len(channel.pending):
        yield f"it covers {count} of {len(channel.pending)} payments"
    if covered[-1].total != total:
        yield f"its total {total} is not {covered[-1].total}, the last payment's"
    if not covered[-1].ends_list:
        yield "it covers a part of a list (M13)"
    encoded = [payment.payment_id + payment.amount.to_bytes(32, "big") for payment in covered]
    yield Rooted(b"".join(encoded), event.root)


def _handed_receipt(
    channel: ChannelFacts, event: events.ReceiptIssued | events.ReceiptReceived, *, is_ours: bool
) -> Iterator[str]:
    """For a voucher that was handed over: over its total, and no list."""
    total = amount_from_bytes(event.total)
    if event.root != NO_PAYMENTS_ROOT:
        yield "it covers no payment and has a root (M13)"
    if is_ours:
        if channel.pending:
            yield f"it covers none of {len(channel.pending)} payments"
        if total != channel.total:
            yield f"its total {total} is not {channel.total}, our largest accepted voucher"
        return
    covered = covered_by(channel, event)
    if not covered or covered[-1].total != total or not covered[-1].ends_list:
        yield f"no voucher of {total} waits for a receipt"


def _refused(channel: ChannelFacts, event: events.VoucherRefused) -> Iterator[str]:
    if channel.my_index == 0 or event.peer not in channel.participants:
        return  # A stranger's, or one that pays the wrong way: there is no base to name.
    if amount_from_bytes(event.accepted_total) != channel.total:
        yield f"it names another base than {channel.total}, our largest accepted (M13)"


def _resent(channel: ChannelFacts, event: events.VoucherResent) -> Iterator[str]:
    waiting = {(p.payment_id, p.total) for p in channel.pending if p.ends_list}
    if (event.payment_id, amount_from_bytes(event.total)) not in waiting:
        yield "no such payment waits for a receipt (M13)"


def _requested(
    channel: ChannelFacts, event: events.FinalStateRequested, me: bytes
) -> Iterator[Said]:
    if event.requester not in channel.participants:
        yield f"0x{event.requester.hex()} is no participant"
        return
    if event.requester != channel.participants[-1]:
        return  # A payer has no voucher to show.
    yield from _shown(channel, amount_from_bytes(event.total), event.signature, event.requester, me)


def _final_refused(
    channel: ChannelFacts, event: events.FinalStateRefused, me: bytes
) -> Iterator[Said]:
    if event.refuser != channel.participants[-1]:
        yield "only the payee refuses a final state"
    total = amount_from_bytes(event.total)
    refused = [state for state in channel.states.values() if state.turn_num == event.turn_num]
    if not refused or not refused[0].is_final:
        yield f"turn {event.turn_num} is no stored final state"
    elif channel.app is not None:
        pays = refused[0].outcome[0].allocations[1].amount
        if pays == (channel.app.supported_amounts or channel.deposits())[1]:
            yield "the refused state pays what both signed last"
    elif refused[0].outcome[0].allocations[1].amount >= total:
        yield "the refused state pays what the voucher is worth (M12)"
    if event.refuser == me and event.turn_num in channel.signed_by_me:
        yield f"we signed turn {event.turn_num} before (M7)"
    yield from _shown(channel, total, event.signature, event.refuser, me)


def _shown(
    channel: ChannelFacts, total: int, signature: bytes, who: bytes, me: bytes
) -> Iterator[Said]:
    """The largest voucher, as the payee shows it."""
    if who == me and total != channel.total:
        yield f"it shows {total}, our largest accepted voucher is {channel.total}"
    if total > 0:
        message = voucher_hash(channel.channel_id, total)
        yield Signed("the voucher shown", message, signature, channel.participants[0])
