"""Challenges that we cannot answer: noticed once each, with what they cost us.

A ledger's is one with a newer state than ours, a payment channel's one that gives us less than we
know we have: both can only be after records were lost (M27), or when the answer came too late. A
leader's own proposal is none: it gave that away when it signed, though nobody answered it.
"""

from __future__ import annotations

from protocols.adjudication import Adjudicated, ChainStatus, exit_of
from protocols.channel import Channel, funding_terms, observed_adjudicated
from protocols.draft import Draft
from protocols.exit_events import ChallengeUnanswerable
from protocols.objectives.app_supports import CLAIM_PATIENCE_MS
from protocols.objectives.supports import shortfall
from protocols.types import amount_to_bytes


def look_at(draft: Draft, channel: Channel, own_turn: int) -> bool:
    """Whether what stands on chain is worse than what we know, or unknown to us: an alarm, once."""
    known = observed_adjudicated(channel)
    if _is_judging(draft, channel, known) or _is_proposed(channel, known):
        return False
    cost = shortfall(draft.state.node, channel, known)
    is_newer = channel.ledger is not None and known.turn_num > own_turn
    if not cost and not is_newer and not _is_outdated(channel, known, own_turn):
        return False
    if channel.unanswerable_until != known.finalizes_at:
        draft.emit(
            ChallengeUnanswerable(
                channel.channel_id,
                known.turn_num,
                own_turn,
                known.finalizes_at,
                funding_terms(channel).asset,
                amount_to_bytes(cost),
            )
        )
    return True


def _is_judging(draft: Draft, channel: Channel, known: Adjudicated) -> bool:
    """Whether our reducer is about to take in the move that stands: it may be no worse for us."""
    if channel.app is None or not channel.app.shown:
        return False
    registered_ms = 1_000 * (known.finalizes_at - channel.fixed.challenge_duration)
    return draft.context.now_ms - registered_ms < CLAIM_PATIENCE_MS


def _is_outdated(channel: Channel, known: Adjudicated, own_turn: int) -> bool:
    """Whether a ledger ended with an older state, without a guarantee that was agreed since: our
    answer came too late, and what that guarantee backs is lost."""
    ledger = channel.ledger
    if ledger is None or channel.chain_status != ChainStatus.EXPIRED or known.turn_num >= own_turn:
        return False
    exit_ = exit_of(known.first_outcome)
    standing = () if exit_ is None else {share.destination for share in exit_.allocations}
    return any(guarantee.target not in standing for guarantee in ledger.current.guarantees)


def _is_proposed(channel: Channel, known: Adjudicated) -> bool:
    """Whether what stands is a proposal of ours that its follower countersigned for the chain."""
    ledger = channel.ledger
    if ledger is None or not known.state_hash:
        return False
    return any(proposal.state_hash == known.state_hash for proposal in ledger.queue)
