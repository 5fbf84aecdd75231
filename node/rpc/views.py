"""NodeState as a caller reads it. It shows and sums; it decides nothing and changes nothing."""

from __future__ import annotations

from node.answers import LogEntry
from node.rpc.interface import NodeView
from node.rpc.params import ChannelKind
from node.rpc.results import (
    AppView,
    At,
    ChannelView,
    GuaranteeView,
    Holdings,
    LedgerView,
    ObjectiveView,
    RecordView,
    RefusedPaymentView,
    Role,
    UpdateView,
    VirtualView,
)
from protocols.channel import (
    Channel,
    confirmed_holdings,
    funding_terms,
    observed_holdings,
    status,
)
from protocols.event_codec import event_id
from protocols.ledger import MOVE, Guarantee, Ledger, Proposed
from protocols.ledgers import free_balance
from protocols.objectives.base import Objective, ObjectiveType
from protocols.outcome import address_of_destination
from protocols.transactions import APPROVE, DEPOSIT, newest_attempt
from protocols.types import Address, Destination, checksum_address, to_hex

LEDGER_ROLES: tuple[Role, Role] = ("leader", "follower")
"""Of participant 0, and of the other."""
PAYMENT_ROLES: tuple[Role, Role] = ("payer", "payee")
"""Of the first participant, and of the last; between them stand hubs."""


def known_channel(node: NodeView, channel_id: bytes) -> Channel | None:
    """The channel, once its prefund says what it is about; None before, and if there is none.

    A past moment may be in the middle of the input that makes it.
    """
    channel = node.state.channels.get(channel_id)
    return channel if channel is not None and channel.turns else None


def kind_of(node: NodeView, channel: Channel) -> ChannelKind:
    """What carries the channel's money: the chain, as a ledger or directly, or ledgers."""
    if channel.fixed.app_definition == node.state.node.consensus_app:
        return "ledger"
    if channel.app is not None:
        return "app"
    return "direct" if channel.virtual is None else "virtual"


def channel_view(node: NodeView, channel: Channel, *, in_full: bool = False) -> ChannelView:
    """The channel as of the node's last record; `in_full` lists what a ledger guarantees."""
    terms, vouchers, fixed = funding_terms(channel), channel.vouchers, channel.fixed
    objectives = node.state.objectives_of(channel.channel_id)
    kind = kind_of(node, channel)
    remaining = free_balance(channel) if kind == "ledger" else terms.deposits[0] - vouchers.total
    if channel.app is not None:
        remaining = channel.app.supported.amounts[0 if channel.my_index == 0 else 1]
    return ChannelView(
        channel_id=to_hex(channel.channel_id),
        kind=kind,
        status=status(channel),
        role=role_of(kind, channel),
        counterparty=checksum_address(channel.counterparty),
        participants=_addresses(fixed.participants),
        asset=checksum_address(terms.asset),
        deposit=str(terms.total),
        our_deposit=str(_our_deposit(channel, terms.deposits)),
        paid=str(vouchers.total),
        receipted=str(vouchers.receipted_total),
        remaining=str(remaining),
        ledger=_ledger_view(channel, in_full),
        virtual=_virtual_view(channel),
        app=_app_view(channel),
        payment_count=vouchers.payment_count,
        challenge_duration_s=fixed.challenge_duration,
        turn_num=_newest_turn(channel),
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


def _newest_turn(channel: Channel) -> int:
    if channel.ledger is not None:
        return channel.ledger.turn_num
    running = -1 if channel.app is None else channel.app.supported.count + 1
    return (
        channel.supported_turn
        if channel.supported_turn < 1
        else max(channel.supported_turn, running)
    )


def _app_view(channel: Channel) -> AppView | None:
    app = channel.app
    if app is None:
        return None
    return AppView(
        to_hex(app.reducer_id),
        app.turn_rule,
        app.supported.count,
        [str(amount) for amount in app.supported.amounts],
        len(app.queue),
        app.halted,
    )


def _our_deposit(channel: Channel, deposits: tuple[int, ...]) -> int:
    if channel.my_index == 0:
        return deposits[0]
    return deposits[-1] if channel.is_end else 0


def role_of(kind: ChannelKind, channel: Channel) -> Role:
    """Ours in the channel."""
    if kind == "app" and channel.is_end:
        return "player"
    first, second = LEDGER_ROLES if kind == "ledger" else PAYMENT_ROLES
    if channel.my_index == 0:
        return first
    return second if channel.is_end else "hub"


def _ledger_view(channel: Channel, in_full: bool) -> LedgerView | None:
    """What both signed last, and what is on its way."""
    ledger = channel.ledger
    if ledger is None:
        return None
    held = ledger.current
    ours, theirs = held.leader, held.follower
    if channel.my_index:
        ours, theirs = theirs, ours
    return LedgerView(
        turn_num=ledger.turn_num,
        balance=str(ours),
        counterparty_balance=str(theirs),
        guaranteed=str(sum(guarantee.amount for guarantee in held.guarantees)),
        guarantee_count=len(held.guarantees),
        update_count=len(ledger.queue),
        guarantees=[guarantee_view(found) for found in held.guarantees] if in_full else None,
        updates=[_update_view(proposed) for proposed in ledger.queue] if in_full else None,
        refused_payments=_refused_payments(channel, ledger) if in_full else None,
    )


def _refused_payments(channel: Channel, ledger: Ledger) -> list[RefusedPaymentView]:
    return [
        RefusedPaymentView(payment.request_id, str(payment.amount), payment.error_code)
        for payment in ledger.refused_payments
        if payment.by_leader == (channel.my_index == 0)
    ]


def guarantee_view(guarantee: Guarantee) -> GuaranteeView:
    """An amount of a ledger that carries a channel."""
    return GuaranteeView(
        to_hex(guarantee.target),
        str(guarantee.amount),
        _owner(guarantee.left),
        _owner(guarantee.right),
    )


def _update_view(proposed: Proposed) -> UpdateView:
    change = proposed.change
    return UpdateView(
        turn_num=proposed.turn_num,
        kind=change.kind,
        channel_id=None if change.kind == MOVE else to_hex(change.target),
        amount=str(change.amount),
        left=_owner(change.left),
        right=_owner(change.right),
        left_amount=str(change.left_amount),
        fee=str(change.fee),
        refusal=proposed.refusal,
    )


def _owner(destination: Destination) -> str:
    return checksum_address(address_of_destination(destination))


def _virtual_view(channel: Channel) -> VirtualView | None:
    virtual = channel.virtual
    if virtual is None:
        return None
    return VirtualView(
        path=_addresses(channel.fixed.participants),
        fees=[str(fee) for fee in virtual.fees],
        left_ledger=to_hex(virtual.left_ledger) if virtual.left_ledger else None,
        right_ledger=to_hex(virtual.right_ledger) if virtual.right_ledger else None,
        failure=virtual.reason or virtual.error_code,
    )


def objective_view(node: NodeView, objective: Objective) -> ObjectiveView:
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


def _last_failure(node: NodeView, objective: Objective) -> str:
    """Why the channel's newest transaction came to nothing, if it did and nothing ended since."""
    if not objective.is_active:
        return ""
    is_funding = objective.objective_type == ObjectiveType.DIRECT_FUND
    # Of a token the approval comes first, and anew after deposits that failed.
    for kind in (APPROVE, DEPOSIT) if is_funding else ("conclude",):
        _, newest = newest_attempt(node.state.transactions.get, kind, objective.channel_id)
        if newest is not None and newest.failure:
            return newest.failure
    return ""


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
