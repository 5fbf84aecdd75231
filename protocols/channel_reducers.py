"""How a channel changes: one small pure function an event, (channel, event) -> channel.

They trust the event: whatever was recorded had been checked before (cranks), and is checked again
by the audit. `CHANNEL_REDUCERS` is the door.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, repeat
from typing import Any

from msgspec.structs import replace

from protocols import events, payment_events, virtual_events
from protocols.app_channel import CLOSE_TURN_GAP
from protocols.app_reducers import APP_REDUCERS, without_ours
from protocols.channel import (
    FINAL_TURN_COUNT_MAX,
    Channel,
    FinalRequest,
    Virtual,
    next_own_final_turn,
    with_signature,
    with_turn,
)
from protocols.ledger import begun_anew
from protocols.ledger_reducers import LEDGER_REDUCERS
from protocols.observation_reducers import OBSERVATION_REDUCERS
from protocols.sharing import shared
from protocols.state import FixedPart, state_from_encoding
from protocols.types import Address, amount_from_bytes
from protocols.voucher import PendingPayment, covered_by


def created(event: events.ChannelCreated, me: Address) -> Channel:
    """A new channel in which `me` takes part."""
    fixed = FixedPart(
        shared(event.participants),
        event.channel_nonce,
        shared(event.app_definition),
        event.challenge_duration,
    )
    return Channel(shared(event.channel_id), fixed, event.participants.index(me))


# --- states ---


def _state_stored(channel: Channel, event: events.StateStored) -> Channel:
    state = state_from_encoding(channel.fixed, event.encoded_state)
    return with_turn(channel, state, event.state_hash, event.encoded_state)


def _signature_added(channel: Channel, event: events.StateSigned | events.StateReceived) -> Channel:
    index = channel.fixed.participants.index(event.signer)
    return with_signature(channel, event.turn_num, index, event.signature)


def _supported(channel: Channel, event: events.StateSupportedUpdated) -> Channel:
    return replace(channel, supported_turn=event.supported_turn)


def _unchanged(channel: Channel, event: events.Event) -> Channel:
    """The fact is implied by the channel's data."""
    return channel


def _final_requested(channel: Channel, event: events.FinalStateRequested) -> Channel:
    request = FinalRequest(event.requester, amount_from_bytes(event.total), event.signature)
    others = (known for known in channel.final_requests if known.requester != event.requester)
    app = channel.app
    if app is not None and event.requester == channel.me:
        app = replace(app, wished_count=app.supported.count)
    return replace(channel, final_requests=(*others, request), app=app)


def _final_refused(channel: Channel, event: events.FinalStateRefused) -> Channel:
    shown = FinalRequest(event.refuser, amount_from_bytes(event.total), event.signature)
    others = (known for known in channel.final_requests if known.requester != event.refuser)
    refused = (*channel.refused_turns, event.turn_num)
    return replace(channel, final_requests=(*others, shown), refused_turns=refused)


# --- payments ---


Paid = events.VoucherIssued | events.VoucherReceived | payment_events.VoucherCreated

_to_int = int.from_bytes
"""Big-endian. Looked up once, and without the check of widths: recorded ones are known."""


def with_payments(channel: Channel, run: Sequence[Paid]) -> Channel:
    """Payments that follow each other in the channel; one at least."""
    payments = [
        PendingPayment(
            event.payment_id,
            _to_int(event.amount),
            _to_int(event.total),
            event.signature,
            event.memo,
        )
        for event in run
    ]
    old, last = channel.vouchers, payments[-1]
    vouchers = replace(
        old,
        total=last.total,
        signature=last.signature,
        payment_count=old.payment_count + len(payments),
        pending=(*old.pending, *payments),
    )
    return replace(channel, vouchers=vouchers)


def _paid(channel: Channel, event: Paid) -> Channel:
    # What `with_payments` makes of one, spelled out: it runs twice for every single payment.
    total, signature, old = _to_int(event.total), event.signature, channel.vouchers
    amount = _to_int(event.amount)
    payment = PendingPayment(event.payment_id, amount, total, signature, event.memo)
    vouchers = replace(
        old,
        total=total,
        signature=signature,
        payment_count=old.payment_count + 1,
        pending=(*old.pending, payment),
    )
    return replace(channel, vouchers=vouchers)


def with_listed(channel: Channel, run: Sequence[payment_events.PaymentListed]) -> Channel:
    """Payments of one list, as far as they follow each other; their voucher comes behind them."""
    old = channel.vouchers
    amounts = [_to_int(event.amount) for event in run]
    totals = list(accumulate(amounts, initial=old.total))
    ids, memos = [event.payment_id for event in run], [event.memo for event in run]
    # Made without a line of Python for each: a third of the time.
    payments = list(map(PendingPayment, ids, amounts, totals[1:], repeat(b""), memos))
    vouchers = replace(
        old,
        total=totals[-1],
        payment_count=old.payment_count + len(payments),
        pending=(*old.pending, *payments),
    )
    return replace(channel, vouchers=vouchers)


def _listed(channel: Channel, event: payment_events.PaymentListed) -> Channel:
    return with_listed(channel, (event,))


def _batch_ended(
    channel: Channel, event: payment_events.BatchIssued | payment_events.BatchReceived
) -> Channel:
    old = channel.vouchers
    last = replace(old.pending[-1], signature=event.signature)
    vouchers = replace(old, signature=event.signature, pending=(*old.pending[:-1], last))
    return replace(channel, vouchers=vouchers)


def _taken(channel: Channel, event: payment_events.VoucherTaken) -> Channel:
    # It came without a list, and its receipt follows at once: nothing is pending.
    old, total = channel.vouchers, amount_from_bytes(event.total)
    count = old.payment_count + 1
    vouchers = replace(old, total=total, signature=event.signature, payment_count=count)
    return replace(channel, vouchers=vouchers)


def _receipted(channel: Channel, event: events.ReceiptIssued | events.ReceiptReceived) -> Channel:
    total = amount_from_bytes(event.total)
    old = channel.vouchers
    covered_count = len(covered_by(old, total, event.payment_count))
    pending = old.pending[covered_count:]
    vouchers = replace(
        old,
        receipted_total=total,
        receipted_count=old.receipted_count + (covered_count or 1),
        receipt_signature=event.signature,
        receipt_root=event.root,
        pending=pending,
        refused_at=old.refused_at if pending else -1,
        resend_count=0,
    )
    return replace(channel, vouchers=vouchers)


def _refusal_received(channel: Channel, event: events.VoucherRefusalReceived) -> Channel:
    base = amount_from_bytes(event.accepted_total)
    if amount_from_bytes(event.total) <= base:
        # A second copy was refused; the first was accepted, so nothing is to be sent again.
        return channel
    return replace(channel, vouchers=replace(channel.vouchers, refused_at=base))


def _resent(channel: Channel, event: events.VoucherResent) -> Channel:
    old = channel.vouchers
    if old.refused_at < 0:
        return channel
    return replace(channel, vouchers=replace(old, refused_at=-1, resend_count=old.resend_count + 1))


def settled(channel: Channel) -> Channel:
    """A virtual channel ended: our guarantees for it are gone."""
    assert channel.virtual is not None, "only virtual channels are settled in ledgers"
    return replace(channel, virtual=replace(channel.virtual, settled=True))


def restricted(channel: Channel, turn_offset: int = 0) -> Channel:
    """M27: the log lost a tail, so the channel may only be closed.

    No batch signs more final states than a channel may have, so what the lost one signed is below
    the new minimum. `turn_offset` is added where many batches are lost, and maybe not once.
    """
    minimum = next_own_final_turn(channel) + FINAL_TURN_COUNT_MAX + turn_offset
    if channel.app is not None:
        # What the lost records signed of running states is below it, too.
        minimum += CLOSE_TURN_GAP
    ledger = channel.ledger
    if ledger is not None:
        ledger = replace(ledger, resumption=begun_anew(ledger.resumption))
    app = None if channel.app is None else without_ours(channel.app)
    return replace(channel, close_only=True, final_turn_min=minimum, ledger=ledger, app=app)


def relearnt(channel: Channel) -> Channel:
    """A peer told of the channel after a cut tail: we may have known it before."""
    return replace(channel, unread=channel.my_index != 0)


# --- virtual channels ---


def _carried(channel: Channel, event: virtual_events.VirtualChannelRecorded) -> Channel:
    left, right = shared(event.left_ledger), shared(event.right_ledger)
    if channel.virtual is not None:
        # The payee hears from the payer first, and of the ledger from its neighbour.
        virtual = replace(channel.virtual, left_ledger=left, right_ledger=right)
        return replace(channel, virtual=virtual)
    fees = tuple(amount_from_bytes(fee) for fee in event.fees)
    return replace(channel, virtual=Virtual(left, right, fees))


def _renounced(channel: Channel, event: virtual_events.PostfundRenounced) -> Channel:
    virtual = channel.virtual
    assert virtual is not None, "only virtual channels have a postfund to renounce"
    if event.participant in virtual.renounced:
        return channel
    renounced = (*virtual.renounced, event.participant)
    return replace(channel, virtual=replace(virtual, renounced=renounced))


def _unwinding(channel: Channel, event: virtual_events.UnwindingAsked) -> Channel:
    assert channel.virtual is not None, "only virtual channels unwind"
    given_up = replace(
        channel.virtual, unwinding=True, error_code=event.error_code, reason=event.reason
    )
    return replace(channel, virtual=given_up)


def removal_refused(channel: Channel) -> Channel:
    """The follower of a ledger did not give the channel's guarantee back."""
    virtual = channel.virtual
    if virtual is None:
        return channel
    count = virtual.removal_refusal_count + 1
    return replace(channel, virtual=replace(virtual, removal_refusal_count=count))


CHANNEL_REDUCERS: dict[type[events.Event], Callable[[Channel, Any], Channel]] = {
    events.StateStored: _state_stored,
    events.StateSigned: _signature_added,
    events.StateReceived: _signature_added,
    events.StateSupportedUpdated: _supported,
    events.ChannelFinalized: _unchanged,
    events.FinalStateRequested: _final_requested,
    events.FinalStateRefused: _final_refused,
    events.VoucherIssued: _paid,
    events.VoucherReceived: _paid,
    payment_events.VoucherCreated: _paid,
    payment_events.VoucherTaken: _taken,
    payment_events.PaymentListed: _listed,
    payment_events.BatchIssued: _batch_ended,
    payment_events.BatchReceived: _batch_ended,
    payment_events.BatchSplit: _unchanged,
    events.ReceiptIssued: _receipted,
    events.ReceiptReceived: _receipted,
    events.VoucherRefusalReceived: _refusal_received,
    events.VoucherResent: _resent,
    **OBSERVATION_REDUCERS,
    virtual_events.VirtualChannelRecorded: _carried,
    virtual_events.PostfundRenounced: _renounced,
    virtual_events.UnwindingAsked: _unwinding,
    **LEDGER_REDUCERS,
    **APP_REDUCERS,
}
"""Events of one channel that exists; `created` makes one."""
