"""Refusing a virtual channel at once: the payer hears why, and an answer costs us little.

What an honest node may propose and we may refuse is answered by name, through whoever brought it:
the opening ends at once, for all who know of it. An answer is a record, and waits in the outbox
until it is acknowledged, so there are bounds:

- whoever brings its own proposal tells nothing new by one that is refused: more than a few in a
  minute, and it is cut, as everybody is who repeats itself;
- a neighbour with whom a channel was funded and who brings one for another is not to blame, or any
  of its payers could have it cut; its bound is that of `rejections`. Above it, it is at fault;
- who leaves our answers unacknowledged gets no more of them, and is at fault.
"""

from __future__ import annotations

from protocols import events, inputs, messages
from protocols.app_errors import ReducerNotInstalled
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.errors import (
    AppNotSupported,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    ChannelAlreadySeen,
    TooManyProposals,
    TooManyStrangers,
)
from protocols.ledger_errors import TooManyGuarantees
from protocols.objectives.giving_up import with_hop
from protocols.objectives.refusals import answer_by_name
from protocols.types import Address, ObjectiveId
from protocols.virtual_errors import VirtualRefused

ANSWERED = (
    VirtualRefused,
    TooManyGuarantees,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    TooManyProposals,
    TooManyStrangers,
    ChannelAlreadySeen,
    AppNotSupported,
    ReducerNotInstalled,
)
"""Refusals of an honest proposal, which the payer hears of; the others are faults of the sender.
Which contracts and reducers it knows is each node's own. A channel that we pruned is told again by
whoever lost the end of its log."""


def answer_refusal(
    draft: Draft, sender: Address, identity: ObjectiveId, place: int, refusal: ProtocolError
) -> None:
    """Tell who brought the proposal why we, at that place of the path, take no part.

    Raises the refusal itself once the sender had too many answers.
    """
    answer_by_name(draft, sender, identity, refusal, with_hop(place, str(refusal)))


def is_refused_for_another(draft: Draft, item: inputs.PeerMessage) -> bool:
    """True if a proposal was answered that a proven neighbour brought for somebody else."""
    body = item.body
    return (
        isinstance(body, messages.VirtualProposal)
        and body.participants[0] != item.peer
        and item.peer in draft.base.agenda.proven
        and any(isinstance(event, events.MessageSent) for event in draft.events)
    )
