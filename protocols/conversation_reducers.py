"""How a conversation with a peer changes: which facts are one more message sent, or received.

What is told about payments and ledgers is covered by its own facts, so those fold their channel
here too, and the views of what waits for an answer. Like all reducers they trust what was recorded.
`CONVERSATION_REDUCERS` and `RUN_REDUCERS` are the doors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from protocols import (
    app_events,
    events,
    ledger_events,
    messages,
    payment_events,
    resumption_events,
)
from protocols.app_channel import Due, due
from protocols.app_reducers import app_of, my_end
from protocols.channel import Channel
from protocols.channel_reducers import (
    CHANNEL_REDUCERS,
    removal_refused,
    with_listed,
    with_payments,
)
from protocols.delivery import (
    Peer,
    with_acknowledged,
    with_fault,
    with_received,
    with_refusal,
    with_repeat,
    with_sent,
    with_sent_message,
    without_pending,
)
from protocols.entities import NodeState, Reducer
from protocols.ledger import REMOVE
from protocols.ledger_reducers import ledger_of
from protocols.types import ChannelId, from_hex

_address = lru_cache(maxsize=1024)(from_hex)
"""By an event's hex: few peers are named in many records."""


def _set_peer(state: NodeState, peer: Peer) -> None:
    state.peers[peer.address] = peer


def _fold_channel(state: NodeState, event: Any) -> Peer:
    """Fold the event into its channel; the conversation it belongs to."""
    channels = state.channels
    channel = channels[event.channel_id]
    channels[event.channel_id] = CHANNEL_REDUCERS[type(event)](channel, event)
    counterparty = channel.counterparty
    return state.peers.get(counterparty) or Peer(counterparty)


def _sent_in_channel(state: NodeState, event: Any, time_ms: int) -> None:
    peer = _fold_channel(state, event)
    state.peers[peer.address] = with_sent(peer)


def _received_in_channel(state: NodeState, event: Any, time_ms: int) -> None:
    peer = _fold_channel(state, event)
    state.peers[peer.address] = with_received(peer)


def _vouchers_issued(state: NodeState, run: Sequence[events.VoucherIssued]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)
    _set_peer(state, with_sent(state.peer(channel.counterparty), len(run)))


def _vouchers_received(state: NodeState, run: Sequence[events.VoucherReceived]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)
    _set_peer(state, with_received(state.peer(channel.counterparty), len(run)))
    state.unreceipted.add(channel.channel_id)


def _vouchers_created(state: NodeState, run: Sequence[payment_events.VoucherCreated]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)


def _payments_listed(state: NodeState, run: Sequence[payment_events.PaymentListed]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_listed(channel, run)


def _payments_received(state: NodeState, event: Any, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    state.unreceipted.add(event.channel_id)


def _receipt_issued(state: NodeState, event: events.ReceiptIssued, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    state.unreceipted.discard(event.channel_id)


def _receipt_received(state: NodeState, event: events.ReceiptReceived, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    if state.channels[event.channel_id].vouchers.refused_at < 0:
        state.refused.discard(event.channel_id)


def _voucher_resent(state: NodeState, event: events.VoucherResent, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    channel = state.channels[event.channel_id]
    vouchers = replace(channel.vouchers, resent_ms=time_ms)
    state.channels[event.channel_id] = replace(channel, vouchers=vouchers)
    state.refused.discard(event.channel_id)


def _update_answered(state: NodeState, channel_id: ChannelId) -> None:
    """All that waited was judged: the next to judge is what undoes the last of the refused."""
    ledger = ledger_of(state.channels[channel_id])
    if ledger.standing.awaited or not ledger.queue:
        state.unanswered.discard(channel_id)


def _update_received(state: NodeState, event: Any, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    if not ledger_of(state.channels[event.channel_id]).standing.awaited:
        # Before that, nothing could be signed whatever is judged.
        state.unanswered.add(event.channel_id)


def _update_judged(state: NodeState, event: Any, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    _update_answered(state, event.channel_id)


def _update_refused(
    state: NodeState, event: ledger_events.LedgerRefusalReceived, time_ms: int
) -> None:
    _received_in_channel(state, event, time_ms)
    queue = ledger_of(state.channels[event.channel_id]).queue
    change = next(p.change for p in queue if p.turn_num == event.turn_num)
    target = state.channels.get(change.target)
    if change.kind == REMOVE and target is not None:
        state.channels[change.target] = removal_refused(target)


def _resumed(state: NodeState, event: resumption_events.LedgerResumed, time_ms: int) -> None:
    """The follower's record stands for the move it received and for its answer."""
    _received_in_channel(state, event, time_ms)
    channel = state.channels[event.channel_id]
    if channel.my_index != 0:
        _set_peer(state, with_sent(state.peer(channel.counterparty)))
    state.unanswered.discard(event.channel_id)


def _wish_refused(
    state: NodeState, event: ledger_events.LedgerPaymentRefused, time_ms: int
) -> None:
    _sent_in_channel(state, event, time_ms)
    peer = state.peer(state.channels[event.channel_id].counterparty)
    _set_peer(state, with_refusal(with_received(peer)))


def _voucher_refused(state: NodeState, event: events.VoucherRefused, time_ms: int) -> None:
    _set_peer(state, with_refusal(with_sent(with_received(state.peer(event.peer)))))


def _refusal_received(state: NodeState, event: events.VoucherRefusalReceived, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    _set_peer(state, with_refusal(state.peer(event.peer)))
    if state.channels[event.channel_id].vouchers.refused_at >= 0:
        state.refused.add(event.channel_id)


def _message_sent(state: NodeState, event: events.MessageSent, time_ms: int) -> None:
    peer = state.peer(_address(event.peer_id))
    _set_peer(state, with_sent_message(peer, event.message_id, time_ms))
    is_rejection = event.payload_type == messages.ObjectiveRejection.__name__
    if is_rejection and state.objectives.get(event.objective_id) is None:
        state.agenda.rejections.refuse(peer.address, event.objective_id, time_ms)


def _message_received(state: NodeState, event: events.MessageReceived, time_ms: int) -> None:
    peer = state.peer(_address(event.peer_id))
    _set_peer(state, with_received(peer))
    state.agenda.rejections.hear(peer.address, event.objective_id)


def _message_acked(state: NodeState, event: events.MessageAcked, time_ms: int) -> None:
    _set_peer(state, without_pending(state.peer(_address(event.peer_id)), event.message_id))


def _message_dropped(state: NodeState, event: events.MessageDropped, time_ms: int) -> None:
    _set_peer(state, with_fault(with_received(state.peer(_address(event.peer_id)))))


def _peer_acknowledged(state: NodeState, event: events.PeerAcknowledged, time_ms: int) -> None:
    _set_peer(state, with_acknowledged(state.peer(event.peer), event.sequence))


def _delivery_resumed(state: NodeState, event: events.DeliveryResumed, time_ms: int) -> None:
    peer, cut_count = state.peer(event.peer), state.node.tail_cut_count
    if event.received > peer.received:
        _set_peer(state, replace(peer, received=event.received, gap_cut=cut_count))
    else:
        sent = max(peer.sent, event.sent)
        _set_peer(state, replace(peer, sent=sent, resumed_cut=cut_count))


def _message_repeated(state: NodeState, event: events.MessageRepeated, time_ms: int) -> None:
    _set_peer(state, with_repeat(state.peer(event.peer)))


def _peer_misbehaved(state: NodeState, event: events.PeerMisbehaved, time_ms: int) -> None:
    _set_peer(state, with_fault(state.peer(event.peer)))


def look_at_app(state: NodeState, channel: Channel) -> None:
    """Whether the application's channel has messages for its reducer, or was halted."""
    app = app_of(channel)
    if due(app, my_end(channel)) is Due.NOTHING:
        state.unjudged.discard(channel.channel_id)
    else:
        state.unjudged.add(channel.channel_id)
    if app.halted:
        state.unconfirmed.look_at(channel)


def _app_event(fold: Reducer) -> Reducer:
    def reducer(state: NodeState, event: Any, time_ms: int) -> None:
        fold(state, event, time_ms)
        look_at_app(state, state.channels[event.channel_id])

    return reducer


def _in_channel(state: NodeState, event: Any, time_ms: int) -> None:
    _fold_channel(state, event)


def _app_answered(state: NodeState, event: app_events.AppOfferAnswered, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    if event.error_code:
        _refused_to(state, event.channel_id)


def _app_refused(state: NodeState, event: app_events.AppMessageRefused, time_ms: int) -> None:
    _fold_channel(state, event)
    if event.sender != state.channels[event.channel_id].me:
        _refused_to(state, event.channel_id)


def _refused_to(state: NodeState, channel_id: ChannelId) -> None:
    """Counted as refused payments are: it cannot go on for ever at our cost."""
    _set_peer(state, with_refusal(state.peer(state.channels[channel_id].counterparty)))


_APP_FOLDS: dict[type[events.Event], Reducer] = {
    app_events.AppChannelRecorded: _in_channel,
    app_events.AppMessageQueued: _in_channel,
    app_events.AppMessageApplied: _in_channel,
    app_events.AppMessageRefused: _app_refused,
    app_events.AppStateSigned: _in_channel,
    app_events.AppAnswerJudged: _in_channel,
    app_events.AppStandingTaken: _in_channel,
    app_events.AppMoveClaimed: _in_channel,
    app_events.AppMoveShown: _in_channel,
    app_events.AppMoveTaken: _in_channel,
    app_events.AppSignatureShown: _in_channel,
    app_events.AppMessagesOffered: _sent_in_channel,
    app_events.AppOfferAnswered: _app_answered,
    app_events.AppStateConfirmed: _sent_in_channel,
    app_events.AppChannelHalted: _sent_in_channel,
    app_events.AppOfferReceived: _received_in_channel,
    app_events.AppAnswerReceived: _received_in_channel,
    app_events.AppConfirmationReceived: _received_in_channel,
    app_events.AppHaltReceived: _received_in_channel,
}
"""What applications' messages lead to: offers, answers, confirmations and halts are messages."""

CONVERSATION_REDUCERS: dict[type[events.Event], Reducer] = {
    **{event: _app_event(fold) for event, fold in _APP_FOLDS.items()},
    ledger_events.LedgerUpdateProposed: _sent_in_channel,
    ledger_events.LedgerUpdateReceived: _update_received,
    ledger_events.LedgerUpdateSigned: _update_judged,
    ledger_events.LedgerUpdateRefused: _update_judged,
    ledger_events.LedgerUpdateConfirmed: _received_in_channel,
    ledger_events.LedgerRefusalReceived: _update_refused,
    ledger_events.LedgerUpdateResent: _sent_in_channel,
    ledger_events.LedgerPaymentAsked: _sent_in_channel,
    ledger_events.LedgerPaymentRequested: _received_in_channel,
    ledger_events.LedgerPaymentRefused: _wish_refused,
    ledger_events.LedgerPaymentRefusalReceived: _received_in_channel,
    resumption_events.LedgerResumptionTold: _sent_in_channel,
    resumption_events.LedgerResumptionHeard: _received_in_channel,
    resumption_events.LedgerJumpSigned: _sent_in_channel,
    resumption_events.LedgerResumed: _resumed,
    events.VoucherIssued: _sent_in_channel,
    events.VoucherReceived: _payments_received,
    payment_events.BatchIssued: _sent_in_channel,
    payment_events.BatchReceived: _payments_received,
    events.VoucherResent: _voucher_resent,
    events.VoucherRefused: _voucher_refused,
    events.VoucherRefusalReceived: _refusal_received,
    events.ReceiptIssued: _receipt_issued,
    events.ReceiptReceived: _receipt_received,
    events.MessageSent: _message_sent,
    events.MessageReceived: _message_received,
    events.MessageAcked: _message_acked,
    events.MessageDropped: _message_dropped,
    events.PeerAcknowledged: _peer_acknowledged,
    events.DeliveryResumed: _delivery_resumed,
    events.PeerMisbehaved: _peer_misbehaved,
    events.MessageRepeated: _message_repeated,
}
"""By event: what folds it."""

RUN_REDUCERS: dict[type[events.Event], Callable[[NodeState, Sequence[Any]], None]] = {
    events.VoucherIssued: _vouchers_issued,
    events.VoucherReceived: _vouchers_received,
    payment_events.VoucherCreated: _vouchers_created,
    payment_events.PaymentListed: _payments_listed,
}
"""Events that follow each other by the thousand: what folds a run of them in one channel."""
