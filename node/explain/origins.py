"""Where a record comes from: what began its input, and which earlier record it follows from.

`cause_seq` leads to the first record of the input. From there on it is the story that goes back: a
receipt follows from what was paid, a log of the chain from our transaction, an answer of the other
party of a ledger from what we proposed.
"""

from __future__ import annotations

from node.explain.story import Fact, Origin
from protocols import (
    app_events,
    events,
    exit_events,
    head_events,
    ledger_events,
    payment_events,
    transaction_events,
)
from protocols.approvals import OWNER_REJECTED
from protocols.event import Event
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.ledger import MOVE
from protocols.virtual_events import VirtualChannelPruned

_PAID_BY_US = (events.VoucherIssued, payment_events.BatchIssued, payment_events.VoucherCreated)
_PAID_TO_US = (
    events.VoucherReceived,
    payment_events.BatchReceived,
    payment_events.VoucherTaken,
)
_CONFIRMED = (
    events.DepositDetected,
    events.AllocationUpdated,
    events.ChallengeRegistered,
    events.ChallengeCleared,
    events.ChannelConcluded,
    events.WithdrawCompleted,
    exit_events.OutcomePaid,
    exit_events.OutcomeReclaimed,
)
_FROM_CHAIN = (
    *_CONFIRMED,
    ledger_events.LedgerCountersignatureSeen,
    events.ChainLogObserved,
    events.ChainLogRefuted,
    events.HoldingsRead,
    events.ChainBlockProcessed,
    exit_events.ChallengeExpired,
    events.ChainReorged,
    events.TransactionSubmitted,
    transaction_events.TransactionReplaced,
    transaction_events.TransactionHeldBack,
    events.TransactionMined,
    events.TransactionFailed,
    ChannelHalted,
    ChannelHaltLifted,
)
_COMMANDED = (
    *_PAID_BY_US,
    payment_events.VoucherTaken,
    payment_events.BatchSplit,
    events.ObjectiveCreated,
    events.RequestRecorded,
    events.ObjectiveApproved,
    ledger_events.LedgerPaymentAsked,
    exit_events.DisputeKitExported,
    app_events.AppMessageQueued,
    app_events.AppMessagesOffered,
)
_OF_THE_NODE = (
    events.NodeCreated,
    app_events.AppDefinitionRecorded,
    events.NodeRestored,
    events.StateDigestRecorded,
    events.LogTailCut,
    head_events.LogHeadSigned,
)
_OF_TIME = (
    events.VoucherResent,
    events.ObjectiveCranked,
    events.TransactionRequested,
    events.StateSigned,
    events.StateStored,
    VirtualChannelPruned,
)


def origin_of(event: Event, *, is_ours: bool = True) -> Origin:
    """What began the input whose first record this is.

    `is_ours`: what is neither a payment nor an objective of the other side.
    """
    if isinstance(event, _OF_THE_NODE):
        return "node"
    if isinstance(event, _FROM_CHAIN):
        return "chain"
    if isinstance(event, events.ObjectiveRejected):
        return "command" if event.error_code == OWNER_REJECTED else "timer"
    if isinstance(event, ledger_events.LedgerUpdateProposed):
        return "command" if event.kind == MOVE and event.request_id else "timer"
    if isinstance(event, payment_events.PaymentListed):
        return "command" if is_ours else "message"
    if isinstance(event, _COMMANDED):
        return "command" if is_ours else "timer"
    return "timer" if isinstance(event, _OF_TIME) else "message"


class Trail:
    """The way back across inputs: remembers what later records follow from.

    Its memory is bounded by what is under way in one channel, not by the channel's length.
    """

    def __init__(self) -> None:
        self._latest: dict[object, int] = {}

    def cause(self, fact: Fact) -> int | None:
        """The earlier record, of another input, that this one follows from; None if unknown."""
        for key in _follows(fact.event):
            if key in self._latest:
                return self._latest[key]
        return None

    def remember(self, fact: Fact) -> None:
        """What may follow from this one is to be asked about after this."""
        for key in _leads_to(fact.event):
            self._latest[key] = fact.seq


def _follows(event: Event) -> tuple[object, ...]:
    """Under which names the cause may be remembered, the closest first."""
    if isinstance(event, events.TransactionSubmitted):
        return (("requested", event.intent_id),)
    if isinstance(event, transaction_events.TransactionReplaced):
        return (("submitted", event.intent_id),)
    if isinstance(event, transaction_events.TransactionHeldBack):
        return ("submitted", event.intent_id), ("requested", event.intent_id)
    if isinstance(event, events.TransactionMined | events.TransactionFailed):
        return ("submitted", event.intent_id), ("requested", event.intent_id)
    if isinstance(event, events.ChainLogObserved):
        return (("sent", event.tx_hash),)
    if isinstance(event, _CONFIRMED):
        return ("observed", event.tx_hash, event.NAME), ("sent", event.tx_hash)
    if isinstance(event, events.ReceiptIssued):
        return (("paid to us", event.channel_id),)
    if isinstance(event, events.ReceiptReceived):
        return (("paid by us", event.channel_id),)
    if isinstance(event, events.VoucherRefusalReceived):
        return ("payment", event.payment_id), ("paid by us", event.channel_id)
    if isinstance(event, events.VoucherResent):
        return (("refused", event.channel_id),)
    if isinstance(event, ledger_events.LedgerUpdateSigned | ledger_events.LedgerUpdateRefused):
        return (("received", event.channel_id, event.turn_num),)
    if isinstance(
        event,
        ledger_events.LedgerUpdateConfirmed
        | ledger_events.LedgerCountersignatureSeen
        | ledger_events.LedgerRefusalReceived,
    ):
        return (("proposed", event.channel_id, event.turn_num),)
    if isinstance(event, ledger_events.LedgerPaymentRefusalReceived):
        return (("asked", event.channel_id, event.request_id),)
    if isinstance(event, ledger_events.LedgerUpdateReceived) and event.request_id:
        return (("asked", event.channel_id, event.request_id),)
    return ()


_LOG_OF = {
    "Deposited": events.DepositDetected.NAME,
    "AllocationUpdated": events.AllocationUpdated.NAME,
    "ChallengeRegistered": events.ChallengeRegistered.NAME,
    "ChallengeCleared": events.ChallengeCleared.NAME,
    "Checkpointed": events.ChallengeCleared.NAME,
    "Concluded": events.ChannelConcluded.NAME,
    "OutcomePaid": exit_events.OutcomePaid.NAME,
    "OutcomeReclaimed": exit_events.OutcomeReclaimed.NAME,
}
"""What an observed log of the adjudicator becomes when it is confirmed."""


def _leads_to(event: Event) -> tuple[object, ...]:
    """Under which names the record is the cause of later ones."""
    if isinstance(event, events.TransactionRequested):
        return (("requested", event.intent_id),)
    if isinstance(event, events.TransactionSubmitted | transaction_events.TransactionReplaced):
        return ("submitted", event.intent_id), ("sent", event.tx_hash)
    if isinstance(event, events.ChainLogObserved):
        return (("observed", event.tx_hash, _LOG_OF.get(event.log_name)),)
    if isinstance(event, _PAID_TO_US):
        return (("paid to us", event.channel_id),)
    if isinstance(event, events.VoucherIssued):
        return ("paid by us", event.channel_id), ("payment", event.payment_id)
    if isinstance(event, _PAID_BY_US):
        return (("paid by us", event.channel_id),)
    if isinstance(event, events.VoucherRefusalReceived):
        return (("refused", event.channel_id),)
    if isinstance(event, ledger_events.LedgerUpdateReceived):
        return (("received", event.channel_id, event.turn_num),)
    if isinstance(event, ledger_events.LedgerUpdateProposed):
        return (("proposed", event.channel_id, event.turn_num),)
    if isinstance(event, ledger_events.LedgerPaymentAsked):
        return (("asked", event.channel_id, event.request_id),)
    return ()
