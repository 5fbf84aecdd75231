"""The crank: one input in, facts and work out. Pure; all that the node decides passes here.

    crank(state, input, context) -> CrankResult(events, effects, waiting_for)

A refused command raises its ProtocolError and leaves nothing. A refused message of a peer is
itself a fact (`message-dropped`): it is counted, so it is not asked for again, and the node goes
on.
"""

from __future__ import annotations

from protocols import (
    approvals,
    batches,
    chain_facts,
    events,
    handed,
    inputs,
    ledger_following,
    ledger_messages,
    ledger_payments,
    ledger_restoring,
    messages,
    payments,
    receipts,
    virtual_messages,
)
from protocols.channel import POSTFUND_TURN, Channel
from protocols.delivery import (
    RESUME_JUMP_MAX,
    SEQUENCE_MAX,
    message_id,
)
from protocols.draft import Context, CrankResult, Draft
from protocols.errors import (
    ObjectiveNotWaitingForApproval,
    ProtocolError,
    UnexpectedMessage,
    UnknownChannel,
    UnknownObjective,
)
from protocols.ledger_events import LedgerUpdateResent
from protocols.node_state import NodeState
from protocols.objectives import (
    closing,
    directdefund,
    directfund,
    giving_up,
    ledger_closing,
    virtual_retelling,
    virtualdefund,
    virtualfund,
)
from protocols.objectives.base import (
    Objective,
    ObjectiveStatus,
    ObjectiveType,
    WaitingFor,
    objective_id,
)
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import Address, ChannelId, ObjectiveId, to_hex

_CRANKS = {
    ObjectiveType.DIRECT_FUND: directfund.crank,
    ObjectiveType.DIRECT_DEFUND: directdefund.crank,
    ObjectiveType.VIRTUAL_FUND: virtualfund.crank,
    ObjectiveType.VIRTUAL_DEFUND: virtualdefund.crank,
}

_Opening = inputs.OpenChannel | inputs.OpenLedger | inputs.OpenVirtual


_NO_NEWS = (
    events.DeliveryResumed,
    events.MessageReceived,
    events.MessageSent,
    events.ObjectiveCranked,
    events.FinalStateRequested,
    LedgerUpdateResent,
)
"""What a message leads to that was said before; the request alone changes the channel at first."""


def crank(state: NodeState, item: inputs.Input, context: Context) -> CrankResult:
    """What follows from one input. Raises ProtocolError for a refused command only."""
    draft = Draft(state, context)
    waiting_for = WaitingFor.NOTHING
    match item:
        case inputs.SendPayment():
            payments.send_payment(draft, item)
        case inputs.SendBatch():
            batches.send_batch(draft, item)
        case inputs.CreateVoucher():
            handed.create_voucher(draft, item)
        case inputs.TakeVoucher():
            handed.take_voucher(draft, item)
        case inputs.PayLedger():
            ledger_payments.pay(draft, item)
            opening = objective_id(ObjectiveType.DIRECT_FUND, item.channel_id)
            request_hash = inputs.command_hash(item)
            draft.emit(events.RequestRecorded(opening, item.request_id, request_hash))
        case inputs.PeerMessage():
            try:
                waiting_for = _peer_message(draft, item)
            except ProtocolError as refusal:
                resumed = [e for e in draft.events[:1] if isinstance(e, events.DeliveryResumed)]
                draft = Draft(state, context)
                for event in resumed:
                    draft.emit(event)
                _drop(draft, item, refusal)
        case inputs.PeerAck():
            _acknowledged(draft, item.peer, item.sequence)
        case inputs.PeerConnected():
            _peer_connected(draft, item)
        case inputs.PeerFault():
            _peer_fault(draft, item)
        case inputs.EndOfBatch():
            _end_of_batch(draft)
        case inputs.Tick():
            _tick(draft)
        case inputs.OpenChannel() | inputs.OpenLedger() | inputs.OpenVirtual():
            waiting_for = _open(draft, item)
        case inputs.CloseChannel():
            waiting_for = _close(draft, item)
        case inputs.ApproveObjective() | inputs.RejectObjective():
            waiting_for = _decide(draft, item)
        case _:
            waiting_for = _chain(draft, item)
    return draft.result(waiting_for)


def waiting_for(state: NodeState, objective: Objective, context: Context) -> WaitingFor:
    """The objective's first unmet condition now: a copy is cranked and thrown away."""
    return _CRANKS[ObjectiveType(objective.objective_type)](Draft(state, context), objective)


def _crank_objectives(draft: Draft, channel_id: ChannelId) -> WaitingFor:
    """Crank every objective of a channel; the last one's condition is the answer.

    One that another begins on the way is cranked too: what opens comes before what closes.
    """
    result = WaitingFor.NOTHING
    for kind in ObjectiveType:
        objective = draft.state.objectives.get(objective_id(kind, channel_id))
        if objective is None or not objective.is_active:
            continue
        event_count, effect_count = len(draft.events), len(draft.effects)
        result = _CRANKS[ObjectiveType(objective.objective_type)](draft, objective)
        if len(draft.events) > event_count:
            draft.emit(
                events.ObjectiveCranked(
                    objective.objective_id,
                    len(draft.effects) - effect_count,
                    result != WaitingFor.NOTHING,
                )
            )
    return result


# --- commands ---


def _open(draft: Draft, item: _Opening) -> WaitingFor:
    if isinstance(item, inputs.OpenVirtual):
        identity = virtualfund.open_channel(draft, item)
    else:
        identity = directfund.open_channel(draft, item)
    return _crank_objectives(draft, draft.state.objectives[identity].channel_id)


def _close(draft: Draft, item: inputs.CloseChannel) -> WaitingFor:
    channel = draft.state.channels.get(item.channel_id)
    if channel is None:
        raise UnknownChannel(item.channel_id)
    objectives = directdefund if channel.virtual is None else virtualdefund
    objectives.close_channel(draft, item, channel)
    return _crank_objectives(draft, channel.channel_id)


def _decide(draft: Draft, item: inputs.ApproveObjective | inputs.RejectObjective) -> WaitingFor:
    objective = draft.state.objectives.get(item.objective_id)
    if objective is None:
        raise UnknownObjective(item.objective_id)
    if isinstance(item, inputs.RejectObjective):
        if not approvals.may_reject(draft, objective):
            raise ObjectiveNotWaitingForApproval(item.objective_id, objective.status)
        _record_request(draft, item)
        approvals.reject(draft, objective, item.reason, approvals.OWNER_REJECTED)
        return _crank_objectives(draft, objective.channel_id)
    if objective.status != ObjectiveStatus.UNAPPROVED:
        raise ObjectiveNotWaitingForApproval(item.objective_id, objective.status)
    approvals.require_room(draft, objective)
    _record_request(draft, item)
    draft.emit(events.ObjectiveApproved(item.objective_id, draft.context.me))
    return _crank_objectives(draft, objective.channel_id)


def _record_request(draft: Draft, item: inputs.ApproveObjective | inputs.RejectObjective) -> None:
    """What stands under the request id, so that a repeated decision is answered, not refused."""
    if item.request_id:
        request_hash = inputs.command_hash(item)
        draft.emit(events.RequestRecorded(item.objective_id, item.request_id, request_hash))


# --- peers ---


def _peer_message(draft: Draft, item: inputs.PeerMessage) -> WaitingFor:
    """Take in the next message of a peer; older ones are duplicates, later ones come again."""
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
    result = WaitingFor.NOTHING if channel_id is None else _crank_objectives(draft, channel_id)
    if _told_nothing_new(draft, channel_id):
        draft.emit(events.MessageRepeated(item.peer, type(item.body).__name__))
    return result


def _told_nothing_new(draft: Draft, channel_id: ChannelId | None) -> bool:
    """A message led to nothing but an answer said again: rightly so after a cut tail alone."""
    if any(not isinstance(event, _NO_NEWS) for event in draft.events):
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
    if isinstance(body, virtual_messages.MESSAGES):
        _record_received(draft, item, virtual_messages.objective_of(body))
        return virtual_messages.receive(draft, item.peer, body)
    identity = _objective_of(draft, body)
    _record_received(draft, item, identity)
    if isinstance(body, messages.ChannelProposal):
        directfund.receive_proposal(draft, item.peer, body)
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
        _crank_objectives(draft, channel_id)


def _record_received(draft: Draft, item: inputs.PeerMessage, identity: ObjectiveId) -> None:
    message_id, kind = _message_id(draft, item), type(item.body).__name__
    peer = to_hex(item.peer)
    draft.emit(events.MessageReceived(message_id, peer, identity, item.size_bytes, kind))


def _end_of_batch(draft: Draft) -> None:
    """What is answered once a batch: payments by receipts, proposals by one countersignature."""
    receipts.issue_receipts(draft)
    for channel_id in ledger_following.answer_all(draft):
        _crank_objectives(draft, channel_id)


def _objective_of(draft: Draft, body: messages.Body) -> ObjectiveId:
    """The objective an objective message belongs to."""
    match body:
        case messages.ObjectiveRejection():
            return body.objective_id
        case messages.ChannelProposal():
            fixed = FixedPart(
                body.participants, body.channel_nonce, body.app_definition, body.challenge_duration
            )
            return objective_id(ObjectiveType.DIRECT_FUND, fixed.channel_id())
        case messages.SignedState():
            # The last word of a state's head says whether it is final: channel id, two offsets,
            # turn number, flag.
            is_final = body.encoded_state[128:160].endswith(b"\x01")
            kind = ObjectiveType.DIRECT_DEFUND if is_final else ObjectiveType.DIRECT_FUND
            return objective_id(kind, body.channel_id)
        case _:
            assert isinstance(body, messages.FinalStateRequest | messages.FinalStateRefusal)
            channel = draft.state.channels.get(body.channel_id)
            kind = ObjectiveType.DIRECT_DEFUND if channel is None else closing.kind_of(channel)
            return objective_id(kind, body.channel_id)


def _rejection(
    draft: Draft, item: inputs.PeerMessage, body: messages.ObjectiveRejection
) -> ChannelId | None:
    """The counterparty will not take part; it counts only before anything of ours is at stake."""
    objective = draft.state.objectives.get(body.objective_id)
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


def _drop(draft: Draft, item: inputs.PeerMessage, refusal: ProtocolError) -> None:
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


def _peer_connected(draft: Draft, item: inputs.PeerConnected) -> None:
    """A session begins. If either side lost the end of its log, say again what still counts.

    The peer's count is above ours when our tail was cut, and below what it once acknowledged when
    its own was: new messages must not reuse numbers, and what was lost must be told again.
    """
    peer = draft.state.peer(item.peer)
    we_lost = draft.state.node.tail_cut_count > peer.resumed_cut
    they_lost = item.received < peer.acknowledged
    if we_lost and item.received <= peer.sent + RESUME_JUMP_MAX:
        sent = max(peer.sent, item.received)
        draft.emit(events.DeliveryResumed(item.peer, sent, peer.received))
    _acknowledged(draft, item.peer, item.received)
    if we_lost or they_lost:
        for channel_id in list(draft.state.channels):
            channel = draft.state.channels[channel_id]
            if channel.virtual is not None:
                virtual_retelling.retell(draft, channel, item.peer)
            elif channel.counterparty == item.peer:
                directfund.retell(draft, channel)
                ledger_restoring.retell(draft, channel)
                directdefund.retell(draft, channel)


def _acknowledged(draft: Draft, address: Address, sequence: int) -> None:
    """The peer has our messages up to `sequence` on its disk."""
    peer = draft.state.peer(address)
    if not peer.acknowledged < sequence <= peer.sent:
        return
    draft.emit(events.PeerAcknowledged(address, sequence))
    for message in peer.pending:
        if message.sequence <= sequence:
            roundtrip_ms = max(0, draft.context.now_ms - message.sent_ms)
            draft.emit(events.MessageAcked(message.message_id, to_hex(address), roundtrip_ms))


def _peer_fault(draft: Draft, item: inputs.PeerFault) -> None:
    reason = item.reason[: messages.TEXT_LENGTH_MAX]
    draft.emit(events.PeerMisbehaved(item.peer, item.error_code, reason, item.count))


# --- the chain, and time ---


def _chain(draft: Draft, item: inputs.Input) -> WaitingFor:
    channel_id: ChannelId | None = None
    match item:
        case inputs.ChainLog():
            channel_id = chain_facts.receive_log(draft, item)
        case inputs.ChannelRead():
            channel_id = chain_facts.receive_reading(draft, item)
        case inputs.ChainHead():
            chain_facts.receive_head(draft, item)
        case inputs.ChainReorg():
            chain_facts.receive_reorg(draft, item)
        case inputs.TransactionSigned():
            channel_id = chain_facts.receive_signed(draft, item)
        case inputs.TransactionReceipt():
            channel_id = chain_facts.receive_receipt(draft, item)
        case inputs.TransactionRefused():
            channel_id = chain_facts.receive_refused(draft, item)
        case _:
            raise AssertionError(f"no crank for {type(item).__name__}")
    return WaitingFor.NOTHING if channel_id is None else _crank_objectives(draft, channel_id)


def _tick(draft: Draft) -> None:
    """Time passed: resend what was refused, and let waiting objectives look at the clock."""
    payments.resend_refused(draft)
    approvals.expire(draft)
    # Those of before this tick, and what it has just begun.
    for identity in {**draft.base.agenda.active, **draft.state.agenda.active}:
        objective = draft.state.objectives[identity]
        if objective.is_active:
            _crank_objectives(draft, objective.channel_id)
