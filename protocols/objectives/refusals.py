"""Refusing a proposal at once: who brought it hears why by name, and nothing of it is kept.

An answer is a record, and waits in the outbox until it is acknowledged, so there are bounds: above
them the refusal is the sender's fault.
"""

from __future__ import annotations

from protocols import messages
from protocols.app_errors import ReducerNotInstalled, TurnRuleUnknown
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.errors import (
    AppNotSupported,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
)
from protocols.rejections import PROPOSAL_WINDOW_MS
from protocols.types import Address, ObjectiveId

ANSWERED_TO_PLAYERS = (
    AppNotSupported,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    ReducerNotInstalled,
    TurnRuleUnknown,
)
"""Refusals of a direct application that an honest node may propose; the others are its faults."""

PENDING_ANSWER_COUNT_MAX = 1_024
"""Messages that wait for a peer's acknowledgement: above it, its proposals are refused in silence.
An honest peer acknowledges what it reads before it proposes more."""


def answer_by_name(
    draft: Draft, sender: Address, identity: ObjectiveId, refusal: ProtocolError, reason: str
) -> None:
    """Tell who brought the proposal why we take no part.

    Raises the refusal itself once the sender had too many answers.
    """
    since_ms = draft.context.now_ms - PROPOSAL_WINDOW_MS
    if len(draft.state.peer(sender).pending) >= PENDING_ANSWER_COUNT_MAX:
        raise refusal
    if draft.base.agenda.rejections.is_neighbour_full(sender, since_ms):
        raise refusal
    text = reason[: messages.TEXT_LENGTH_MAX]
    draft.send(sender, messages.ObjectiveRejection(identity, refusal.name(), text), identity)
