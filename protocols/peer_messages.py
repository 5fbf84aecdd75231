"""What peers say: each message taken in once and in order, and cranked; a refused one is a fact.

A refused message still counts as received, so that it is not asked for again. The rules of what a
message says are those of the rooms it is handed to.
"""

from __future__ import annotations

from protocols import (
    app_standing,
    app_talk,
    batches,
    events,
    inputs,
    ledger_messages,
    ledger_restoring,
    messages,
    payments,
    receipts,
    virtual_messages,
)
from protocols.channel import POSTFUND_TURN, Channel
from protocols.delivery import SEQUENCE_MAX, message_id
from protocols.draft import Draft
from protocols.errors import ProtocolError, UnexpectedMessage, UnknownChannel, UnknownObjective
from protocols.ledger_events import LedgerUpdateResent
from protocols.objectives import closing, directfund, giving_up, ledger_closing
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from protocols.objectives.cranks import crank_channel
from protocols.objectives.virtual_refusals import is_refused_for_another
from protocols.state import State, says_final, state_from_encoding
from protocols.types import ChannelId, ObjectiveId, to_hex

_NO_NEWS = frozenset(
    (
        events.DeliveryResumed,
        events.MessageReceived,
        events.MessageSent,
        events.ObjectiveCranked,
        events.FinalStateRequested,
        LedgerUpdateResent,
    )
)
"""What a message leads to that was said before; the request alone changes the channel at first."""


def receive(draft: Draft, item: inputs.PeerMessage) -> WaitingFor:
    """Take in the next message of a peer; older ones are duplicates, later ones come again.

    Raises ProtocolError for one to `drop`, with a draft that is to be thrown away.
    """
    peer = draft.state.peer(item.peer)
    may_skip = draft.state.node.tail_cut_count > peer.gap_cut
    if may_skip and peer.received + 1 < item.sequence <= SEQUENCE_MAX:
        # What the cut tail held was acknowledged once, so the peer does not have it any more.
        draft.emit(events.DeliveryResumed(item.peer, peer.sent, item.sequence - 1))
    elif item.sequence != peer.received + 1:
        return WaitingFor.NOTHING
    if item.body is None:
        raise UnexpectedMessage("message", item.fault)
    channel_id = _take_in(draft, item, item.body)
    result = WaitingFor.NOTHING if channel_id is None else crank_channel(draft, channel_id)
    if _told_nothing_new(draft, channel_id) and not is_refused_for_another(draft, item):
        draft.emit(events.MessageRepeated(item.peer, type(item.body).__name__))
    return result


def _told_nothing_new(draft: Draft, channel_id: ChannelId | None) -> bool:
    """A message led to nothing but an answer said again: rightly so after a cut tail alone."""
    for event in draft.events:
        if type(event) not in _NO_NEWS:
            return False
    if channel_id is None:
        return True
    return draft.state.channels[channel_id] == draft.base.channels.get(channel_id)


def _take_in(draft: Draft, item: inputs.PeerMessage, body: messages.Body) -> ChannelId | None:
    """Check and record one message; the channel to crank."""
    match body:
        case messages.Payment():
            payments.receive_payment(draft, item.peer, body)
            return None
        case messages.PaymentBatch():
            batches.receive_batch(draft, item.peer, body)
            return None
        case messages.Receipt():
            receipts.receive_receipt(draft, item.peer, body)
            return None
        case messages.PaymentRefusal():
            payments.receive_refusal(draft, item.peer, body)
            return body.channel_id
    if isinstance(body, ledger_messages.MESSAGES):
        _ledger_message(draft, item, body)
        return None
    if isinstance(body, app_talk.MESSAGES):
        channel = draft.state.channels.get(body.channel_id)
        if channel is None or channel.counterparty != item.peer:
            raise UnknownChannel(body.channel_id)
        count = len(draft.events)
        app_talk.receive(draft, channel, body)
        if len(draft.events) == count:
            kind = closing.kind_of(channel)
            _record_received(draft, item, objective_id(kind, body.channel_id))
        return channel.channel_id
    if isinstance(body, virtual_messages.MESSAGES):
        _record_received(draft, item, virtual_messages.objective_of(body))
        return virtual_messages.receive(draft, item.peer, body)
    identity = _objective_of(draft, body)
    _record_received(draft, item, identity)
    if isinstance(body, messages.ChannelProposal):
        if directfund.receive_proposal(draft, item.peer, body) is None:
            return None
        return draft.state.objectives[identity].channel_id
    if isinstance(body, messages.ObjectiveRejection):
        return _rejection(draft, item, body)
    channel = draft.state.channels.get(body.channel_id)
    if channel is None or channel.counterparty != item.peer:
        raise UnknownChannel(body.channel_id)
    match body:
        case messages.SignedState():
            state = state_from_encoding(channel.fixed, body.encoded_state)
            if channel.virtual is not None:
                raise UnexpectedMessage("state", "a virtual channel's are told as sets")
            if channel.ledger is not None:
                _ledger_state(draft, channel, state, body)
            elif state.is_final:
                closing.receive_final(draft, channel, state, body)
            else:
                directfund.receive_state(draft, channel, state, body)
        case messages.FinalStateRequest():
            closing.require_end(channel)
            room = closing if channel.ledger is None else ledger_closing
            room.receive_request(draft, channel, body)
        case messages.FinalStateRefusal():
            closing.require_end(channel)
            closing.receive_refusal(draft, channel, body)
        case messages.AppStanding():
            app_standing.receive(draft, channel, body)
    return channel.channel_id


def _ledger_state(draft: Draft, channel: Channel, state: State, body: messages.SignedState) -> None:
    """A whole state of a ledger that opened: its end, or what was agreed before a tail was cut."""
    if state.is_final:
        ledger_closing.receive_final(draft, channel, state, body)
        return
    if state.turn_num <= POSTFUND_TURN:
        directfund.receive_state(draft, channel, state, body)
    if state.turn_num >= POSTFUND_TURN:
        ledger_restoring.receive_agreed(draft, channel, state, body)


def _ledger_message(draft: Draft, item: inputs.PeerMessage, body: ledger_messages.Message) -> None:
    """One message about a ledger's updates is one fact; what was said before changes nothing."""
    channel = draft.state.channels.get(body.channel_id)
    if channel is None or channel.counterparty != item.peer:
        raise UnknownChannel(body.channel_id)
    count = len(draft.events)
    concerned = ledger_messages.receive(draft, channel, body)
    if len(draft.events) == count:
        _record_received(draft, item, objective_id(ObjectiveType.DIRECT_FUND, body.channel_id))
    for channel_id in concerned:
        crank_channel(draft, channel_id)


def _record_received(draft: Draft, item: inputs.PeerMessage, identity: ObjectiveId) -> None:
    message_id, kind = _message_id(draft, item), type(item.body).__name__
    peer = to_hex(item.peer)
    draft.emit(events.MessageReceived(message_id, peer, identity, item.size_bytes, kind))


def _objective_of(draft: Draft, body: messages.Body) -> ObjectiveId:
    """The objective an objective message belongs to."""
    match body:
        case messages.ObjectiveRejection():
            return body.objective_id
        case messages.ChannelProposal():
            return objective_id(ObjectiveType.DIRECT_FUND, messages.fixed_part(body).channel_id())
        case messages.SignedState():
            final = says_final(body.encoded_state)
            kind = ObjectiveType.DIRECT_DEFUND if final else ObjectiveType.DIRECT_FUND
            return objective_id(kind, body.channel_id)
        case _:
            assert isinstance(
                body,
                messages.FinalStateRequest | messages.FinalStateRefusal | messages.AppStanding,
            )
            channel = draft.state.channels.get(body.channel_id)
            kind = ObjectiveType.DIRECT_DEFUND if channel is None else closing.kind_of(channel)
            return objective_id(kind, body.channel_id)


def _rejection(
    draft: Draft, item: inputs.PeerMessage, body: messages.ObjectiveRejection
) -> ChannelId | None:
    """The counterparty will not take part; it counts only before anything of ours is at stake."""
    if body.objective_id in draft.base.rejected.pruned:
        return None  # It crossed our own word.
    objective = draft.state.objectives.get(body.objective_id)
    if objective is None and draft.base.agenda.rejections.may_cross(item.peer, body.objective_id):
        return None  # Likewise, and we kept nothing of what we refused.
    if objective is None or item.peer not in objective.participants:
        raise UnknownObjective(body.objective_id)
    channel = draft.state.channels[objective.channel_id]
    if channel.virtual is not None:
        giving_up.receive_rejection(draft, channel, item.peer, body)
        return channel.channel_id
    is_over = objective.status in (ObjectiveStatus.REJECTED, ObjectiveStatus.COMPLETED)
    if not is_over and not directfund.may_abandon(draft, objective):
        raise UnexpectedMessage("rejection", "money is on its way into the channel already")
    if not is_over:
        draft.emit(events.ObjectiveRejected(body.objective_id, body.reason, body.error_code))
    return None


def drop(draft: Draft, item: inputs.PeerMessage, refusal: ProtocolError) -> None:
    """A numbered message we refuse still counts as received, or it would come for ever."""
    draft.emit(
        events.MessageDropped(
            to_hex(item.peer),
            f"{refusal.name()}: {refusal}"[: messages.TEXT_LENGTH_MAX],
            _error_code(refusal),
            item.size_bytes,
            _message_id(draft, item),
        )
    )


def _error_code(refusal: ProtocolError) -> str:
    """The catalogue's five codes for a dropped message."""
    match refusal.name():
        case "INVALID_ENCODING" | "INVALID_WIDTH" | "UNEXPECTED_MESSAGE":
            return "decode_failed"
        case "INVALID_SIGNATURE" | "WRONG_SIGNER":
            return "signature_invalid"
        case "UNKNOWN_CHANNEL" | "UNKNOWN_OBJECTIVE":
            return "channel_unknown"
        case "CHANNEL_ALREADY_SEEN":
            return "replay_attack"
        case _:
            return "payload_invalid"


def _message_id(draft: Draft, item: inputs.PeerMessage) -> bytes:
    body = b"" if item.body is None else messages.encode_body(item.body)
    return message_id(item.peer, draft.context.me, item.sequence, body)
