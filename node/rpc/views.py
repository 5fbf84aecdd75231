"""NodeState as a caller reads it. It shows and sums; it decides nothing and changes nothing."""

from __future__ import annotations

from node.answers import LogEntry
from node.rpc.interface import NodeApi
from node.rpc.results import At, ChannelView, Holdings, ObjectiveView, RecordView
from protocols.channel import (
    Channel,
    confirmed_holdings,
    funding_terms,
    observed_holdings,
    status,
)
from protocols.events import event_id
from protocols.objectives.base import Objective, ObjectiveType
from protocols.transactions import APPROVE, ATTEMPT_COUNT_MAX, DEPOSIT, Transaction, intent_id
from protocols.types import Address, ChannelId, checksum_address, to_hex


def channel_view(node: NodeApi, channel: Channel) -> ChannelView:
    """The channel as of the node's last record."""
    terms, vouchers, fixed = funding_terms(channel), channel.vouchers, channel.fixed
    objectives = node.state.objectives_of(channel.channel_id)
    return ChannelView(
        channel_id=to_hex(channel.channel_id),
        status=status(channel),
        role="payer" if channel.my_index == 0 else "payee",
        counterparty=checksum_address(channel.counterparty),
        participants=_addresses(fixed.participants),
        asset=checksum_address(terms.asset),
        deposit=str(terms.total),
        paid=str(vouchers.total),
        receipted=str(vouchers.receipted_total),
        remaining=str(terms.deposits[0] - vouchers.total),
        payment_count=vouchers.payment_count,
        challenge_duration_s=fixed.challenge_duration,
        turn_num=channel.supported_turn,
        holdings=Holdings(
            observed=str(observed_holdings(channel, terms.asset)),
            confirmed=str(confirmed_holdings(channel, terms.asset)),
        ),
        app_definition=checksum_address(fixed.app_definition),
        channel_nonce=str(fixed.channel_nonce),
        close_only=channel.close_only,
        objective_ids=[to_hex(objective.objective_id) for objective in objectives],
        at=At(node.seq),
    )


def objective_view(node: NodeApi, objective: Objective) -> ObjectiveView:
    """The objective as of the node's last record."""
    return ObjectiveView(
        objective_id=to_hex(objective.objective_id),
        objective_type=objective.objective_type,
        status=objective.status,
        waiting_for=node.waiting_for(objective.objective_id),
        channel_id=to_hex(objective.channel_id),
        participants=_addresses(objective.participants),
        initiator=checksum_address(objective.initiator) if objective.initiator else None,
        request_id=objective.request_id,
        created_ms=objective.created_ms,
        success=objective.success,
        reason=objective.reason or _last_failure(node, objective),
        at=At(node.seq),
    )


def _last_failure(node: NodeApi, objective: Objective) -> str:
    """Why the channel's newest transaction came to nothing, if it did and nothing ended since."""
    if not objective.is_active:
        return ""
    is_funding = objective.objective_type == ObjectiveType.DIRECT_FUND
    # Of a token the approval comes first, and anew after deposits that failed.
    for kind in (APPROVE, DEPOSIT) if is_funding else ("conclude",):
        newest = _newest(node, kind, objective.channel_id)
        if newest is not None and newest.failure:
            return newest.failure
    return ""


def _newest(node: NodeApi, kind: str, channel_id: ChannelId) -> Transaction | None:
    newest: Transaction | None = None
    for attempt in range(ATTEMPT_COUNT_MAX):
        found = node.state.transactions.get(intent_id(kind, channel_id, attempt))
        if found is None:
            break
        newest = found
    return newest


def record_view(entry: LogEntry) -> RecordView:
    """The record with its content id, which is computed only here and by the audit."""
    return RecordView(
        seq=entry.seq,
        time_ms=entry.time_ms,
        cause_seq=entry.cause_seq,
        name=entry.name,
        version=entry.version,
        payload=entry.payload,
        event_id=to_hex(event_id(entry.name, entry.payload)),
        chain_hash=to_hex(entry.chain_hash),
    )


def _addresses(participants: tuple[Address, ...]) -> list[str]:
    return [checksum_address(participant) for participant in participants]
