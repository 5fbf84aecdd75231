"""Guarantees: which of them a follower agrees to, and what a refused one means to its channel.

The ledgers ask (`protocols.ledgers`); whose guarantee may be added or removed when is known here.
Everything that a judgement needs was told before the change is proposed (`virtual_states`), so no
change ever waits for anybody: it is right now, or it is refused by name and undone (M8). Only while
we do not see the chain is nothing answered (ADR 0070).
"""

from __future__ import annotations

from protocols.channel import (
    POSTFUND_TURN,
    ChainStatus,
    Channel,
    is_finalised,
    observed_chain_status,
    supported_final,
)
from protocols.draft import Draft
from protocols.funding import sees_chain
from protocols.ledger import ADD, Change, Proposed
from protocols.ledger_errors import ProposalNotExpected
from protocols.objectives.giving_up import fund_id, give_up, with_hop
from protocols.objectives.virtual_states import is_complete
from protocols.virtual_errors import GuaranteeMissing, RemovalNotAllowed
from protocols.virtual_paths import (
    addition,
    is_agreed,
    ledger_at,
    removal_by_final,
    removal_by_outcome,
    removal_by_unwinding,
    stands,
    virtual_of,
    why_left_does_not_unwind,
)


def judge(draft: Draft, ledger_channel: Channel, proposal: Proposed) -> bool:
    """Whether we, the follower, countersign a guarantee's addition or removal: True if we do now,
    False for a removal that waits until we see the chain: it may have ended the channel otherwise.

    Raises ProposalNotExpected, GuaranteeMissing or RemovalNotAllowed for one we never sign.
    """
    change = proposal.change
    channel = draft.state.channels.get(change.target)
    if channel is None or channel.virtual is None:
        raise ProposalNotExpected("no virtual channel of that id is known")
    place = ledger_at(channel, ledger_channel.channel_id)
    if place is None:
        raise ProposalNotExpected("another ledger carries that channel")
    if change.kind == ADD:
        require_addition(draft, channel, place)
        if change != addition(channel, place):
            raise ProposalNotExpected("the guarantee has other values than was agreed")
    else:
        _require_removal(draft, channel, place, change)
        return sees_chain(draft, channel)
    return True


def require_addition(draft: Draft, channel: Channel, place: int) -> None:
    """Whether we sign the guarantee in ledger `place` of the path now, leading it or following.

    Raises ProposalNotExpected, or GuaranteeMissing for a right guarantee before the left one (M14).
    """
    virtual = virtual_of(channel)
    objective = draft.state.objectives.get(fund_id(channel))
    if objective is None or not objective.is_active or virtual.unwinding:
        raise ProposalNotExpected("the channel is not being opened")
    if channel.close_only:
        # M27: it cannot open any more, and its guarantee could be stuck.
        raise ProposalNotExpected("records of the channel are lost, it may only be closed")
    if channel.signed_by_me(POSTFUND_TURN) or any(turn.is_final for turn in channel.turns):
        raise ProposalNotExpected("the channel's guarantees were made already")
    if not is_complete(channel):
        # Without it the chain would not know what the guarantee is for.
        raise ProposalNotExpected("the channel's prefund is not signed by all")
    is_ours_to_give = place == channel.my_index and channel.my_index > 0
    if is_ours_to_give and not is_agreed(draft.state, virtual.left_ledger, channel.channel_id):
        raise GuaranteeMissing(channel.channel_id)


def _require_removal(draft: Draft, channel: Channel, place: int, change: Change) -> None:
    if is_finalised(channel):
        # The chain decided, and that is confirmed: its outcome counts, whatever was signed.
        if change != removal_by_outcome(channel, place):
            raise RemovalNotAllowed(channel.channel_id, "it ended otherwise on chain")
        return
    final = supported_final(channel)
    if final is not None and change == removal_by_final(channel, place, final):
        if observed_chain_status(channel) != ChainStatus.OPEN or channel.halt is not None:
            raise RemovalNotAllowed(channel.channel_id, "the chain decides on the channel")
        return
    if change != removal_by_unwinding(channel, place):
        reason = "no final state of all is known" if final is None else "the split is another"
        raise RemovalNotAllowed(channel.channel_id, reason)
    if place == channel.my_index:
        reason = why_left_does_not_unwind(channel)
    else:
        reason = why_not_unwound(draft, channel)
    if reason:
        raise RemovalNotAllowed(channel.channel_id, reason)


def why_not_unwound(draft: Draft, channel: Channel) -> str:
    """Why we, on the right, do not give our left guarantee back under M16 (b); empty if we do."""
    virtual = virtual_of(channel)
    if supported_final(channel) is not None:
        return "a final state of all is known"
    if channel.me not in virtual.renounced:
        return "we have not renounced the postfund"
    if stands(draft.state, virtual.right_ledger, channel.channel_id):
        return "our own right guarantee stands"
    return ""


def refused(
    draft: Draft, ledger_channel: Channel, proposal: Proposed, error_code: str, reason: str
) -> None:
    """The follower never signs that proposal of ours, whose inverse waits in the queue already.

    Without its guarantee the channel is given up. A removal is proposed again after a while.
    """
    channel = draft.state.channels.get(proposal.change.target)
    if channel is None or channel.virtual is None or proposal.change.kind != ADD:
        return
    hop = channel.fixed.participants.index(ledger_channel.counterparty)
    give_up(draft, channel, error_code, with_hop(hop, reason))
