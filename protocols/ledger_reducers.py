"""How a ledger channel changes: one small pure function an event, (channel, event) -> channel.

They trust the event, as all reducers do: the crank checked it, and the audit checks it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from protocols.channel import POSTFUND_TURN, Channel, funding_terms
from protocols.event import Event
from protocols.ledger import Change, Ledger, Proposed, Resumption, opened, restored, resumed
from protocols.ledger_events import (
    LedgerCountersignatureSeen,
    LedgerPaymentAsked,
    LedgerPaymentRefusalReceived,
    LedgerPaymentRefused,
    LedgerPaymentRequested,
    LedgerRefusalReceived,
    LedgerRestored,
    LedgerUpdateConfirmed,
    LedgerUpdateProposed,
    LedgerUpdateReceived,
    LedgerUpdateRefused,
    LedgerUpdateResent,
    LedgerUpdateSigned,
)
from protocols.ledger_queue import (
    with_agreed,
    with_asked,
    with_proposed,
    with_refused,
    with_standing_anew,
    with_wish_refused,
    without_waiting,
)
from protocols.resumption_events import (
    LedgerJumpSigned,
    LedgerResumed,
    LedgerResumptionHeard,
    LedgerResumptionTold,
)
from protocols.sharing import shared
from protocols.state import state_from_encoding
from protocols.types import amount_from_bytes


def with_ledger(channel: Channel) -> Channel:
    """The channel with the ledger that its postfund, signed by both, begins."""
    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None
    terms = funding_terms(channel)
    ledger = opened(terms.asset, postfund.state_hash, postfund.signatures, terms.deposits)
    return replace(channel, ledger=ledger)


def change_of(event: LedgerUpdateProposed | LedgerUpdateReceived) -> Change:
    """The change that a recorded proposal makes."""
    number = int.from_bytes  # What is recorded has its widths.
    return Change(
        event.kind,
        shared(event.target),
        number(event.amount, "big"),
        shared(event.left),
        shared(event.right),
        number(event.left_amount, "big"),
        number(event.fee, "big"),
        event.request_id,
    )


def ledger_of(channel: Channel) -> Ledger:
    """The channel's ledger, which must be there."""
    assert channel.ledger is not None, "only a ledger has ledger events"
    return channel.ledger


def _proposed(channel: Channel, event: LedgerUpdateProposed | LedgerUpdateReceived) -> Channel:
    proposal = Proposed(event.turn_num, change_of(event), event.state_hash, event.signature)
    return replace(channel, ledger=with_proposed(ledger_of(channel), proposal, channel.fixed))


def _agreed(channel: Channel, event: LedgerUpdateSigned | LedgerUpdateConfirmed) -> Channel:
    ledger = with_agreed(ledger_of(channel), event.turn_num, event.signature, channel.fixed)
    return replace(channel, ledger=ledger, supported_turn=event.turn_num)


def _seen(channel: Channel, event: LedgerCountersignatureSeen) -> Channel:
    ledger = with_agreed(ledger_of(channel), event.turn_num, event.signature, channel.fixed)
    # What it had refused may be agreed by it: an inverse behind that is a change of its own then.
    ledger = with_standing_anew(ledger, channel.fixed)
    return replace(channel, ledger=ledger, supported_turn=event.turn_num)


def _refused(channel: Channel, event: LedgerUpdateRefused | LedgerRefusalReceived) -> Channel:
    ledger = with_refused(ledger_of(channel), event.turn_num, event.error_code, channel.fixed)
    return replace(channel, ledger=ledger)


def _asked(channel: Channel, event: LedgerPaymentAsked | LedgerPaymentRequested) -> Channel:
    amount = amount_from_bytes(event.amount)
    return replace(channel, ledger=with_asked(ledger_of(channel), event.request_id, amount))


def _wish_refused(channel: Channel, event: LedgerPaymentRefusalReceived) -> Channel:
    ledger = with_wish_refused(ledger_of(channel), event.request_id, event.error_code)
    return replace(channel, ledger=ledger)


def _restored(channel: Channel, event: LedgerRestored) -> Channel:
    state = state_from_encoding(channel.fixed, event.encoded_state)
    signatures = (event.leader_signature, event.follower_signature)
    ledger = restored(ledger_of(channel), state, event.state_hash, signatures)
    return replace(channel, ledger=ledger, supported_turn=state.turn_num, close_only=True)


def _resumption_told(channel: Channel, event: LedgerResumptionTold) -> Channel:
    ledger = ledger_of(channel)
    said = ledger.resumption or Resumption()
    owes_answer = said.owes_answer and not event.is_answer
    told = replace(said, told_turn=event.turn_num, owes_answer=owes_answer)
    return replace(channel, ledger=replace(ledger, resumption=told))


def _resumption_heard(channel: Channel, event: LedgerResumptionHeard) -> Channel:
    ledger = ledger_of(channel)
    said = ledger.resumption or Resumption()
    is_head_lost = said.is_head_lost or (channel.close_only and not event.agrees)
    heard = replace(
        said,
        heard_turn=event.turn_num,
        heard_hash=event.state_hash,
        head_agrees=event.agrees and not is_head_lost,
        is_head_lost=is_head_lost,
        owes_answer=said.owes_answer or not event.is_answer,
        asked_again=said.asked_again or not event.is_answer,
    )
    return replace(channel, ledger=replace(ledger, resumption=heard))


def _jump_signed(channel: Channel, event: LedgerJumpSigned) -> Channel:
    ledger = ledger_of(channel)
    said = ledger.resumption or Resumption()
    signed = replace(
        said,
        jump_turn=event.turn_num,
        jump_hash=event.state_hash,
        jump_signature=event.signature,
        asked_again=False,
    )
    return replace(channel, ledger=replace(ledger, resumption=signed))


def _resumed(channel: Channel, event: LedgerResumed) -> Channel:
    signatures = (event.leader_signature, event.follower_signature)
    ledger = without_waiting(ledger_of(channel), channel.fixed)
    ledger = resumed(ledger, event.turn_num, event.state_hash, signatures)
    return replace(channel, ledger=ledger, supported_turn=event.turn_num, close_only=False)


def _only_said(channel: Channel, event: LedgerUpdateResent | LedgerPaymentRefused) -> Channel:
    """Only the conversation counts it."""
    return channel


LEDGER_REDUCERS: dict[type[Event], Callable[[Channel, Any], Channel]] = {
    LedgerUpdateProposed: _proposed,
    LedgerUpdateReceived: _proposed,
    LedgerUpdateSigned: _agreed,
    LedgerUpdateConfirmed: _agreed,
    LedgerCountersignatureSeen: _seen,
    LedgerUpdateRefused: _refused,
    LedgerRefusalReceived: _refused,
    LedgerPaymentAsked: _asked,
    LedgerPaymentRequested: _asked,
    LedgerPaymentRefused: _only_said,
    LedgerPaymentRefusalReceived: _wish_refused,
    LedgerUpdateResent: _only_said,
    LedgerRestored: _restored,
    LedgerResumptionTold: _resumption_told,
    LedgerResumptionHeard: _resumption_heard,
    LedgerJumpSigned: _jump_signed,
    LedgerResumed: _resumed,
}
"""Events of one ledger that is open."""
