"""The crank: one input in, facts and work out. Pure; all that the node decides passes here.

    crank(state, input, context) -> CrankResult(events, effects, waiting_for)

A refused command raises its ProtocolError and leaves nothing. A refused message of a peer is
itself a fact (`message-dropped`): it is counted, so it is not asked for again, and the node goes
on.
"""

from __future__ import annotations

from protocols import (
    app_judging,
    app_shown,
    app_talk,
    approvals,
    batches,
    chain_facts,
    checkpoints,
    commands,
    events,
    handed,
    inputs,
    ledger_following,
    ledger_payments,
    payments,
    peer_heads,
    peer_messages,
    peer_sessions,
    receipts,
    transaction_facts,
)
from protocols.app_reducers import app_of
from protocols.draft import Context, CrankResult, Draft
from protocols.entities import NodeState
from protocols.errors import (
    ObjectiveNotWaitingForApproval,
    ProtocolError,
    UnknownChannel,
    UnknownObjective,
)
from protocols.objectives import (
    closing,
    defend,
    directdefund,
    directfund,
    dispute_export,
    exits,
    leaving,
    resuming,
    silence,
    virtualdefund,
    virtualfund,
    withdraw,
)
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from protocols.objectives.cranks import crank_channel
from protocols.objectives.cranks import waiting_for as condition_of
from protocols.types import ChannelId, ObjectiveId
from protocols.virtual_events import VirtualChannelPruned

_NOTHING = CrankResult((), ())

_OVER_LEDGERS = (commands.OpenVirtual, commands.OpenVirtualApp)
_Opening = (
    commands.OpenChannel
    | commands.OpenLedger
    | commands.OpenVirtual
    | commands.OpenApp
    | commands.OpenVirtualApp
)


def crank(state: NodeState, item: inputs.Input, context: Context) -> CrankResult:
    """What follows from one input. Raises ProtocolError for a refused command only."""
    if isinstance(item, inputs.EndOfBatch) and not awaits_end_of_batch(state):
        return _NOTHING  # As most batches end, and every one has an end.
    draft = Draft(state, context)
    waiting_for = WaitingFor.NOTHING
    match item:
        case commands.SendPayment():
            payments.send_payment(draft, item)
        case commands.SendBatch():
            batches.send_batch(draft, item)
        case commands.CreateVoucher():
            handed.create_voucher(draft, item)
        case commands.TakeVoucher():
            handed.take_voucher(draft, item)
        case commands.PayLedger():
            ledger_payments.pay(draft, item)
            opening = objective_id(ObjectiveType.DIRECT_FUND, item.channel_id)
            request_hash = commands.command_hash(item)
            draft.emit(events.RequestRecorded(opening, item.request_id, request_hash))
        case inputs.PeerMessage():
            try:
                waiting_for = peer_messages.receive(draft, item)
                resuming.hear_of(draft, item.peer)
            except ProtocolError as refusal:
                resumed = [e for e in draft.events[:1] if isinstance(e, events.DeliveryResumed)]
                draft = Draft(state, context)
                for event in resumed:
                    draft.emit(event)
                peer_messages.drop(draft, item, refusal)
        case inputs.PeerAck():
            peer_sessions.acknowledged(draft, item.peer, item.sequence)
        case inputs.PeerConnected():
            peer_sessions.connected(draft, item)
            resuming.hear_of(draft, item.peer)
        case inputs.PeerHead():
            peer_heads.shown(draft, item)
        case inputs.HeldHead():
            peer_heads.held(draft, item)
        case inputs.PeerFault():
            peer_sessions.fault(draft, item)
        case inputs.EndOfBatch():
            _end_of_batch(draft)
        case inputs.Tick():
            _tick(draft)
        case commands.SendAppMessage():
            app_talk.send_message(draft, item)
            if app_of(draft.state.channels[item.channel_id]).is_judged:
                # In a dispute the move is claimed at once, before the other end refuses it.
                waiting_for = crank_channel(draft, item.channel_id)
        case inputs.AppJudged():
            app_judging.judge(draft, item)
            waiting_for = crank_channel(draft, item.channel_id)
        case commands.OpenChannel() | commands.OpenLedger() | commands.OpenApp():
            waiting_for = _open(draft, item)
        case commands.OpenVirtual() | commands.OpenVirtualApp():
            waiting_for = _open(draft, item)
        case commands.CloseChannel():
            waiting_for = _close(draft, item)
        case commands.ChallengeChannel() | commands.ExitChannel():
            waiting_for = _leave(draft, item)
        case commands.ResumeChannel():
            waiting_for = _resume(draft, item)
        case commands.ExportDisputeKit():
            dispute_export.export(draft, item)
        case commands.ApproveObjective() | commands.RejectObjective():
            waiting_for = _decide(draft, item)
        case _:
            waiting_for = _chain(draft, item)
    return draft.result(waiting_for)


# --- commands ---


def _open(draft: Draft, item: _Opening) -> WaitingFor:
    if isinstance(item, _OVER_LEDGERS):
        identity = virtualfund.open_channel(draft, item)
    else:
        identity = directfund.open_channel(draft, item)
    return crank_channel(draft, draft.state.objectives[identity].channel_id)


def _close(draft: Draft, item: commands.CloseChannel) -> WaitingFor:
    channel = draft.state.channels.get(item.channel_id)
    if channel is None:
        raise UnknownChannel(item.channel_id)
    objectives = directdefund if channel.virtual is None else virtualdefund
    identity = objectives.close_channel(draft, item, channel)
    if not any(getattr(event, "request_id", "") == item.request_id for event in draft.events):
        # It was closing already, and the name stands for that from now on.
        _record_request(draft, item, identity)
    closing.wish(draft, draft.state.channels[item.channel_id], identity)
    return crank_channel(draft, channel.channel_id)


def _leave(draft: Draft, item: commands.ChallengeChannel | commands.ExitChannel) -> WaitingFor:
    channel = draft.state.channels.get(item.channel_id)
    if channel is None:
        raise UnknownChannel(item.channel_id)
    is_exit = isinstance(item, commands.ExitChannel)
    kind = ObjectiveType.EXIT if is_exit else ObjectiveType.CHALLENGE
    running = leaving.under_way(draft, kind, channel.channel_id)
    if running is not None:
        _record_request(draft, item, running.objective_id)
        return crank_channel(draft, channel.channel_id)
    exits.require_leavable(draft, channel, is_exit=is_exit)
    leaving.begin(draft, kind, channel, item.request_id, commands.command_hash(item))
    return crank_channel(draft, channel.channel_id)


def _resume(draft: Draft, item: commands.ResumeChannel) -> WaitingFor:
    channel_id = item.channel_id
    channel = draft.state.channels.get(channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    resuming.require_resumable(draft.state, channel)
    leaves = leaving.under_way(draft, ObjectiveType.EXIT, channel_id)
    if leaves is not None:
        leaving.complete(draft, leaves, success=False)
    running = leaving.under_way(draft, ObjectiveType.DEFEND, channel_id)
    if running is not None:
        _record_request(draft, item, running.objective_id)
    else:
        request_hash = commands.command_hash(item)
        leaving.begin(draft, ObjectiveType.DEFEND, channel, item.request_id, request_hash)
    resuming.propose(draft, channel)
    if channel.my_index == 0:
        # What the follower wished before we left waits still.
        ledger_payments.propose_asked(draft, channel_id)
    return crank_channel(draft, channel_id)


def _decide(draft: Draft, item: commands.ApproveObjective | commands.RejectObjective) -> WaitingFor:
    objective = draft.state.objectives.get(item.objective_id)
    if objective is None:
        raise UnknownObjective(item.objective_id)
    if isinstance(item, commands.RejectObjective):
        if not approvals.may_reject(draft, objective):
            raise ObjectiveNotWaitingForApproval(item.objective_id, objective.status)
        _record_request(draft, item, item.objective_id)
        approvals.reject(draft, objective, item.reason, approvals.OWNER_REJECTED)
        return crank_channel(draft, objective.channel_id)
    if objective.status != ObjectiveStatus.UNAPPROVED:
        raise ObjectiveNotWaitingForApproval(item.objective_id, objective.status)
    approvals.require_room(draft, objective)
    _record_request(draft, item, item.objective_id)
    draft.emit(events.ObjectiveApproved(item.objective_id, draft.context.me))
    return crank_channel(draft, objective.channel_id)


def _record_request(
    draft: Draft,
    item: commands.CloseChannel
    | commands.ChallengeChannel
    | commands.ExitChannel
    | commands.ResumeChannel
    | commands.ApproveObjective
    | commands.RejectObjective,
    identity: ObjectiveId,
) -> None:
    """What stands under the request id, so that a repeated command is answered, not refused."""
    if item.request_id:
        request_hash = commands.command_hash(item)
        draft.emit(events.RequestRecorded(identity, item.request_id, request_hash))


# --- batches, the chain, and time ---


def awaits_end_of_batch(state: NodeState) -> bool:
    """Whether an `EndOfBatch` can lead to anything. Few batches need theirs cranked."""
    return bool(state.unreceipted or state.unanswered)


def _end_of_batch(draft: Draft) -> None:
    """What is answered once a batch: payments by receipts, proposals by one countersignature."""
    receipts.issue_receipts(draft)
    for channel_id, agreed_at in ledger_following.answer_all(draft):
        draft.begin_anew(agreed_at)
        crank_channel(draft, channel_id)


def _chain(draft: Draft, item: inputs.Input) -> WaitingFor:
    channel_id: ChannelId | None = None
    match item:
        case inputs.ChainLog() if item.log_name in checkpoints.CHECKPOINT_LOGS:
            for concerned in {*checkpoints.receive(draft, item), *app_shown.receive(draft, item)}:
                crank_channel(draft, concerned)
        case inputs.ChainLog():
            channel_id = chain_facts.receive_log(draft, item)
            if channel_id is not None:
                app_shown.receive(draft, item)
                defend.watch(draft, draft.state.channels[channel_id])
        case inputs.ChannelRead():
            channel_id = chain_facts.receive_reading(draft, item)
            if channel_id is not None:
                defend.watch(draft, draft.state.channels[channel_id])
        case inputs.ChainHead():
            for disputed in chain_facts.receive_head(draft, item):
                draft.begin_anew()
                withdraw.start_if_due(draft, draft.state.channels[disputed])
                virtualdefund.start_if_final(draft, draft.state.channels[disputed])
                crank_channel(draft, disputed)
        case inputs.ChainReorg():
            chain_facts.receive_reorg(draft, item)
        case inputs.TransactionSigned():
            channel_id = chain_facts.receive_signed(draft, item)
        case inputs.TransactionReplaced():
            transaction_facts.receive_replaced(draft, item)
        case inputs.NonceMissing():
            transaction_facts.receive_missing(draft, item)
        case inputs.TransactionHeldBack():
            transaction_facts.receive_held_back(draft, item)
        case inputs.TransactionReceipt():
            channel_id = chain_facts.receive_receipt(draft, item)
        case inputs.TransactionRefused():
            channel_id = chain_facts.receive_refused(draft, item)
        case _:
            raise AssertionError(f"no crank for {type(item).__name__}")
    return WaitingFor.NOTHING if channel_id is None else crank_channel(draft, channel_id)


def _tick(draft: Draft) -> None:
    """Time passed: resend what was refused, and let waiting objectives look at the clock."""
    payments.resend_refused(draft)
    approvals.expire(draft)
    for channel_id in draft.base.rejected.surplus():
        draft.begin_anew()
        draft.emit(VirtualChannelPruned(channel_id))
    # Those of before this tick, and what it has just begun.
    for identity in {**draft.base.agenda.active, **draft.state.agenda.active}:
        objective = draft.state.objectives[identity]
        if objective.is_active:
            draft.begin_anew()
            if silence.is_too_long(draft, objective):
                awaited = condition_of(draft.base, objective, draft.context)
                silence.challenge_silent(draft, objective, awaited)
            crank_channel(draft, objective.channel_id)
