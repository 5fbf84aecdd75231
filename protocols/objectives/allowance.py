"""Allowances: what lets the adjudicator take our share of a token channel when we deposit it.

A token knows one allowance for each owner and spender, and `approve` replaces it, so channels of
one token take turns: from the moment one asks until its deposit is over. Exactly what is missing is
approved, and the allowance is set to 0 before it is set anew (some tokens refuse anything else):
the attempts at even numbers approve the amount, those at odd numbers 0.

The allowance itself is never read: that an approval was mined is recorded, and a deposit that
fails twice under one is preceded by another.
"""

from __future__ import annotations

from protocols.abi import encode_approve_call
from protocols.channel import (
    ChainStatus,
    Channel,
    funding_terms,
    observed_chain_status,
    observed_holdings,
)
from protocols.draft import Draft
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.transactions import APPROVE, DEPOSIT, TransactionStatus, intent_id, is_pending
from protocols.types import Address, Amount, ChannelId

DEPOSITS_PER_APPROVAL = 2
"""A deposit that failed because a stranger's came first left the allowance as it was."""


def missing_share(channel: Channel) -> Amount:
    """What our share of the channel's deposits still lacks at depth 0, smallest unit."""
    terms = funding_terms(channel)
    mine = terms.deposits[channel.my_index]
    before_mine = sum(terms.deposits[: channel.my_index])
    return min(mine, max(0, before_mine + mine - observed_holdings(channel, terms.asset)))


def is_allowed(draft: Draft, channel: Channel, token: Address, amount: Amount) -> bool:
    """True if the adjudicator may take `amount` of the token for the channel's next deposit.

    Asks for the approval otherwise, once it is this channel's turn.
    """
    channel_id = channel.channel_id
    number, deposit = draft.latest_transaction(DEPOSIT, channel_id)
    if deposit is not None and deposit.status != TransactionStatus.FAILED:
        return True
    attempt, newest = draft.latest_transaction(APPROVE, channel_id)
    if newest is not None and is_pending(newest):
        return False
    approval_count = _approval_count(draft, channel_id, attempt)
    is_set = newest is not None and newest.status == TransactionStatus.MINED and _approves(attempt)
    if is_set and number + 1 < DEPOSITS_PER_APPROVAL * approval_count:
        return True
    holder = draft.state.approvers.get(token)
    if holder is not None and holder != channel_id and _relies_on_it(draft, holder):
        return False
    approved = amount if _approves(attempt + 1) else 0
    data = encode_approve_call(draft.state.node.adjudicator, approved)
    draft.request_transaction(APPROVE, channel_id, token, 0, data, repeats=True)
    return False


def _approves(attempt: int) -> bool:
    return attempt % 2 == 0


def _approval_count(draft: Draft, channel_id: ChannelId, attempt: int) -> int:
    """Approvals of an amount that were mined, up to that attempt."""
    transactions = draft.state.transactions
    numbers = range(0, attempt + 1, 2)
    found = (transactions.get(intent_id(APPROVE, channel_id, number)) for number in numbers)
    return sum(1 for each in found if each and each.status == TransactionStatus.MINED)


def _relies_on_it(draft: Draft, channel_id: ChannelId) -> bool:
    """Whether a deposit of that channel is about to use the token's allowance."""
    channel = draft.state.channels[channel_id]
    objective = draft.state.objectives[objective_id(ObjectiveType.DIRECT_FUND, channel_id)]
    if not objective.is_active or observed_chain_status(channel) != ChainStatus.OPEN:
        return False
    attempt, approval = draft.latest_transaction(APPROVE, channel_id)
    if approval is None or approval.status == TransactionStatus.FAILED:
        return False
    if is_pending(approval):
        return True
    number, deposit = draft.latest_transaction(DEPOSIT, channel_id)
    if deposit is not None and is_pending(deposit):
        return True
    approval_count = _approval_count(draft, channel_id, attempt)
    is_unused = number + 1 <= DEPOSITS_PER_APPROVAL * (approval_count - 1)
    return is_unused and missing_share(channel) > 0
