"""Payments in a ledger: a leader moves its balance at once, a follower asks it to (M15)."""

from __future__ import annotations

from protocols import messages
from protocols.channel import Channel
from protocols.commands import PayLedger
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.errors import UnknownChannel
from protocols.ledger import MOVE, NO_TARGET, QUEUE_COUNT_MAX, Change, Ledger, parties
from protocols.ledger_errors import (
    InvalidLedgerChange,
    LedgerFundsInsufficient,
    LedgerRefused,
    NotALedger,
    TooManyProposalsWaiting,
)
from protocols.ledger_events import (
    LedgerPaymentAsked,
    LedgerPaymentRefusalReceived,
    LedgerPaymentRefused,
    LedgerPaymentRequested,
)
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import (
    free_balance,
    is_ledger,
    propose,
    proposed_moves,
    require_role,
    require_running,
    require_seen,
)
from protocols.types import ChannelId, amount_from_bytes, amount_to_bytes


def pay(draft: Draft, command: PayLedger) -> None:
    """The owner moves an amount of ours to the other party: at once, or by asking the leader (M15).

    Raises UnknownChannel, NotALedger or a LedgerRefused; nothing is promised then.
    """
    channel = draft.state.channels.get(command.channel_id)
    if channel is None:
        raise UnknownChannel(command.channel_id)
    if not is_ledger(draft, channel):
        raise NotALedger(command.channel_id)
    require_payable(draft.state, channel, command)
    if channel.my_index == 0:
        leader, follower = parties(channel.fixed)
        change = Change(
            MOVE, NO_TARGET, command.amount, leader, follower, request_id=command.request_id
        )
        propose(draft, channel, change)
        return
    amount = amount_to_bytes(command.amount)
    draft.send_covered(
        channel.counterparty,
        messages.LedgerPaymentRequest(channel.channel_id, amount, command.request_id),
        LedgerPaymentAsked(channel.channel_id, amount, command.request_id),
    )


def require_payable(state: NodeState, channel: Channel, command: PayLedger) -> Ledger:
    """The ledger, if it takes that payment of ours now; else raises a LedgerRefused."""
    ledger = require_running(state, channel, MOVE)
    _require_new_request(ledger, command.amount, command.request_id)
    free = free_balance(channel)
    if command.amount > free:
        raise LedgerFundsInsufficient(command.amount, free)
    return ledger


def receive_payment_request(
    draft: Draft, channel: Channel, body: messages.LedgerPaymentRequest
) -> None:
    """The follower wants to pay us: propose the move as soon as the ledger allows it.

    A ledger that closes meanwhile, is challenged or is left takes no payments: what crossed the
    news is refused by name, and so is what may come by a ledger that was paid out already, unseen.
    Raises a LedgerRefused for a request that no ledger could ever answer.
    """
    ledger = require_role(channel, leads=True)
    amount, balance = amount_from_bytes(body.amount), ledger.current.follower
    _require_new_request(ledger, amount, body.request_id)
    if amount > balance:
        # The follower counts no money of a state that we do not know to be agreed.
        raise LedgerFundsInsufficient(amount, balance)
    try:
        require_running(draft.state, channel, MOVE)
        require_seen(draft, channel)
    except LedgerRefused as refusal:
        _refuse_request(draft, channel, body, refusal)
        return
    draft.emit(LedgerPaymentRequested(channel.channel_id, body.amount, body.request_id))
    propose_asked(draft, channel.channel_id)


def _refuse_request(
    draft: Draft, channel: Channel, body: messages.LedgerPaymentRequest, refusal: LedgerRefused
) -> None:
    channel_id, request_id = channel.channel_id, body.request_id
    name, reason = refusal.name(), str(refusal)[: messages.TEXT_LENGTH_MAX]
    draft.send_covered(
        channel.counterparty,
        messages.LedgerPaymentRefusal(channel_id, request_id, name, reason),
        LedgerPaymentRefused(channel_id, body.amount, request_id, name, reason),
    )


def receive_payment_refusal(
    draft: Draft, channel: Channel, body: messages.LedgerPaymentRefusal
) -> None:
    """The leader never proposes what we asked for: the owner reads of it in the ledger."""
    ledger = require_role(channel, leads=False)
    if any(asked.request_id == body.request_id for asked in ledger.asked):
        draft.emit(
            LedgerPaymentRefusalReceived(
                channel.channel_id, body.request_id, body.error_code, body.reason
            )
        )


def propose_asked(draft: Draft, channel_id: ChannelId) -> None:
    """The follower's wishes in their order; the first that must wait holds up the others."""
    ledger = ledger_of(draft.state.channels[channel_id])
    proposed = proposed_moves(ledger)
    for asked in ledger.asked:
        if asked.request_id in proposed:
            continue
        channel = draft.state.channels[channel_id]
        leader, follower = parties(channel.fixed)
        change = Change(
            MOVE, NO_TARGET, asked.amount, follower, leader, request_id=asked.request_id
        )
        try:
            propose(draft, channel, change)
        except LedgerRefused:
            return


def _require_new_request(ledger: Ledger, amount: int, request_id: str) -> None:
    if amount <= 0:
        raise InvalidLedgerChange("the amount must be above 0")
    if not request_id or len(request_id) > messages.TEXT_LENGTH_MAX:
        raise InvalidLedgerChange("a request id is needed to tell one payment from another")
    if ledger.asked and any(asked.request_id == request_id for asked in ledger.asked):
        raise InvalidLedgerChange("that request waits for an answer already")
    if len(ledger.asked) >= QUEUE_COUNT_MAX:
        raise TooManyProposalsWaiting(len(ledger.asked))
