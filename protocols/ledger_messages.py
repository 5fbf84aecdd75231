"""What the two parties of a ledger say about its updates, and who takes it in."""

from __future__ import annotations

from protocols import (
    ledger_answers,
    ledger_following,
    ledger_payments,
    ledger_resuming,
    messages,
)
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.ledger_errors import NotALedger
from protocols.ledgers import is_ledger
from protocols.types import ChannelId

MESSAGES = (
    messages.LedgerProposal,
    messages.LedgerCountersignature,
    messages.LedgerRefusal,
    messages.LedgerPaymentRequest,
    messages.LedgerPaymentRefusal,
    messages.LedgerResumption,
)
"""Facts of their own: no `message-*` is recorded beside them."""

Message = (
    messages.LedgerProposal
    | messages.LedgerCountersignature
    | messages.LedgerRefusal
    | messages.LedgerPaymentRequest
    | messages.LedgerPaymentRefusal
    | messages.LedgerResumption
)


def receive(draft: Draft, channel: Channel, body: Message) -> list[ChannelId]:
    """Take in what the other party says; the channels that an agreement concerns.

    What it said before changes nothing. Raises a ProtocolError for what no honest party says.
    """
    if not is_ledger(draft, channel):
        raise NotALedger(channel.channel_id)
    match body:
        case messages.LedgerProposal():
            ledger_following.receive_proposal(draft, channel, body)
        case messages.LedgerCountersignature():
            return ledger_answers.receive_countersignature(draft, channel, body)
        case messages.LedgerRefusal():
            ledger_answers.receive_refusal(draft, channel, body)
        case messages.LedgerPaymentRequest():
            ledger_payments.receive_payment_request(draft, channel, body)
        case messages.LedgerPaymentRefusal():
            ledger_payments.receive_payment_refusal(draft, channel, body)
        case messages.LedgerResumption():
            ledger_resuming.receive(draft, channel, body)
    return []
